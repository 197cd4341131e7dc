"""SSM Run Command: scripts run on the machines behind the instances."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from pipeline.sandbox.nodes import agent_status
from pipeline.sandbox.registry import Parameters, Request, operation, page, refusal
from pipeline.sandbox.state import Invocation, Scope, State

_DOCUMENT = "AWS-RunShellScript"
_INLINE = 24000
_MAX_INSTANCES = 50
_PREVIEW = 2500


def follow_commands(state: State) -> None:
    """Take the output of the commands that have ended."""
    for invocation in state.invocations.values():
        if invocation.output is None and (output := invocation.running.poll()):
            invocation.output, invocation.ended = output, state.clock.now()


@operation("ssm", "DescribeInstanceInformation")
def describe_instance_information(request: Request, parameters: Parameters) -> object:
    """List the instances whose agent answers, and those whose tags say that it did once."""
    filters = [(item["Key"], item["Values"]) for item in parameters.get("Filters") or []]
    filters += [(item["key"], item["valueSet"]) for item in parameters.get("InstanceInformationFilterList") or []]
    wanted = [set(values) for key, values in filters if key == "InstanceIds"]
    online = [
        _information(request, id_, status)
        for id_, here in request.state.live.items()
        if all(id_ in ids for ids in wanted)
        and here == (request.account, request.region)
        and request.state.machines.online(id_)
        and (status := agent_status(request, id_))
    ]
    shown, token = page(online, parameters, size="MaxResults", default=50, limit=50)
    return {"InstanceInformationList": shown, "NextToken": token or None}


def _information(scope: Scope, instance_id: str, status: str) -> dict[str, Any]:
    instance = scope.ec2.get_instance(instance_id)
    return {
        "InstanceId": instance_id,
        "PingStatus": status,
        "LastPingDateTime": scope.now,
        "AgentVersion": "3.3.3050.0",
        "IsLatestVersion": True,
        "PlatformType": "Windows" if instance.platform else "Linux",
        "ResourceType": "EC2Instance",
        "IPAddress": instance.private_ip_address,
        "ComputerName": instance.private_dns_name,
    }


@operation("ssm", "SendCommand")
def send_command(request: Request, parameters: Parameters) -> object:
    """Run a script on instances, named or found by tag; there is no token, every call runs it again."""
    document = parameters["DocumentName"]
    if document != _DOCUMENT:
        raise refusal("InvalidDocument", f"The sandbox knows the document {_DOCUMENT} only, not {document}.")
    targets = list(parameters.get("InstanceIds") or []) or _targets(request, parameters)
    if len(targets) > _MAX_INSTANCES:
        raise refusal("ValidationException", "At most 50 instances can be named.")
    for id_ in targets:
        if request.state.live.get(id_) != (request.account, request.region) or not request.state.machines.online(id_):
            raise refusal("InvalidInstanceId", f"Instances [[{id_}]] not in a valid state for account")
    given = parameters.get("Parameters") or {}
    script = "\n".join(given.get("commands") or [])
    if directory := "".join(given.get("workingDirectory") or []):
        script = f"cd {directory} || exit 1\n{script}"
    timeout = timedelta(seconds=int((given.get("executionTimeout") or ["3600"])[0]))
    command = str(uuid.uuid4())
    for id_ in targets:
        request.state.invocations[command, id_] = Invocation(
            command=command,
            instance=id_,
            document=document,
            comment=parameters.get("Comment") or "",
            started=request.now,
            running=request.state.machines.command(id_, script, timeout),
        )
    request.state.born[command] = request.now
    follow_commands(request.state)
    return {
        "Command": {
            "CommandId": command,
            "DocumentName": document,
            "Comment": parameters.get("Comment") or "",
            "InstanceIds": targets,
            "Parameters": given,
            "RequestedDateTime": request.now,
            "Status": "Pending",
            "StatusDetails": "Pending",
            "TargetCount": len(targets),
        }
    }


def _targets(scope: Scope, parameters: Parameters) -> list[str]:
    chosen: list[str] = []
    for target in parameters.get("Targets") or []:
        key, values = target["Key"], target["Values"]
        if key.lower() == "instanceids":
            chosen += values
            continue
        for id_, here in scope.state.live.items():
            if here == (scope.account, scope.region) and scope.state.machines.online(id_):
                tags = {tag["key"]: tag["value"] for tag in scope.ec2.get_instance(id_).get_tags()}
                if tags.get(key.removeprefix("tag:")) in values:
                    chosen.append(id_)
    return chosen


def _status(invocation: Invocation) -> str:
    return invocation.output.status if invocation.output else "InProgress"


@operation("ssm", "GetCommandInvocation")
def get_command_invocation(request: Request, parameters: Parameters) -> object:
    """Tell what a command did on an instance; its output is cut at 24,000 characters, as in AWS."""
    key = (parameters["CommandId"], parameters["InstanceId"])
    invocation = request.state.invocations.get(key)
    born = request.state.born.get(key[0], request.now)
    if invocation is None or request.now - born < request.state.faults.visibility_delay:
        raise refusal("InvocationDoesNotExist", "The command ID and instance ID you specified did not match.")
    output = invocation.output
    return {
        "CommandId": invocation.command,
        "InstanceId": invocation.instance,
        "Comment": invocation.comment,
        "DocumentName": invocation.document,
        "PluginName": "aws:runShellScript",
        "ResponseCode": output.exit_status if output else -1,
        "ExecutionStartDateTime": f"{invocation.started:%Y-%m-%dT%H:%M:%S.000Z}",
        "ExecutionEndDateTime": f"{invocation.ended:%Y-%m-%dT%H:%M:%S.000Z}" if invocation.ended else "",
        "Status": _status(invocation),
        "StatusDetails": _status(invocation),
        "StandardOutputContent": output.stdout[:_INLINE] if output else "",
        "StandardErrorContent": output.stderr[:_INLINE] if output else "",
    }


@operation("ssm", "ListCommandInvocations")
def list_command_invocations(request: Request, parameters: Parameters) -> object:
    """List commands by id or instance; with details the first 2,500 characters of their output."""
    found = [
        _listed(invocation, details=bool(parameters.get("Details")))
        for (command, instance), invocation in request.state.invocations.items()
        if parameters.get("CommandId") in (None, command) and parameters.get("InstanceId") in (None, instance)
    ]
    shown, token = page(found, parameters, size="MaxResults", default=50, limit=50)
    return {"CommandInvocations": shown, "NextToken": token or None}


def _listed(invocation: Invocation, *, details: bool) -> dict[str, Any]:
    output = invocation.output
    plugin = {
        "Name": "aws:runShellScript",
        "Status": _status(invocation),
        "ResponseCode": output.exit_status if output else -1,
        "Output": (output.stdout + output.stderr)[:_PREVIEW] if output else "",
    }
    return {
        "CommandId": invocation.command,
        "InstanceId": invocation.instance,
        "DocumentName": invocation.document,
        "Comment": invocation.comment,
        "RequestedDateTime": invocation.started,
        "Status": _status(invocation),
        "StatusDetails": _status(invocation),
        "CommandPlugins": [plugin] if details else [],
    }


@operation("ssm", "CancelCommand")
def cancel_command(request: Request, parameters: Parameters) -> object:
    """End a command on the instances named, or on all of them."""
    chosen = parameters.get("InstanceIds") or []
    known = [key for key in request.state.invocations if key[0] == parameters["CommandId"]]
    if not known:
        raise refusal("InvalidCommandId", "The command ID is not valid. Verify it and try again.")
    for key in known:
        invocation = request.state.invocations[key]
        if invocation.output is None and (not chosen or key[1] in chosen):
            invocation.running.cancel()
    return {}
