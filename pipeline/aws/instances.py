"""Test instances, through EC2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.aws.failures import launch_failure, translated
from pipeline.aws.paging import tag_filters, tag_list, tags_of
from pipeline.aws.session import Clients
from pipeline.aws.templates import described_version
from pipeline.errors import NotFound, StepFailed
from pipeline.model.ids import ImageId, InstanceId
from pipeline.ports.instances import Instance, LaunchRequest

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, InstanceTypeDef, RunInstancesRequestTypeDef

_NOT_TERMINATED = ["pending", "running", "shutting-down", "stopping", "stopped"]
_GONE = frozenset({"shutting-down", "terminated"})


class Ec2Instances:
    """The port `Instances`. What it launches is in no target group: only Auto Scaling and ELB put it there."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def launch(self, request: LaunchRequest) -> Instance:
        """Boot one instance; the same token answers the same instance.

        From a template everything is the template's own except: the image and type asked for; IMDSv2, which is
        required whatever it says (its other metadata options stay); termination protection, which is off; and
        shutting down from inside, which terminates. The last two make sure that a test instance can be removed.

        Raises:
            StepFailed: AWS could not launch it; the message decodes capacity, quota and KMS causes.
        """
        instance = self._run(self._asked(request))
        if instance.state in _GONE:
            raise StepFailed(
                f"The instance {instance.id} is {instance.state}: {instance.reason or 'no reason given'}.",
                hint="see `aws ec2 describe-instances` for it; run again to launch another",
            )
        return instance

    def get(self, instance: InstanceId) -> Instance:
        """Fetch an instance as it stands; ``reason`` decodes AWS's state reason.

        Raises:
            NotFound: it does not exist (also for a few seconds after the launch).
        """
        found = self._find([{"Name": "instance-id", "Values": [instance]}])
        if not found:
            raise NotFound(f"The instance {instance} does not exist.", hint="it may have been terminated long ago")
        return found[0]

    def tagged(self, tags: Mapping[str, str]) -> tuple[Instance, ...]:
        alive: FilterTypeDef = {"Name": "instance-state-name", "Values": _NOT_TERMINATED}
        return tuple(self._find([*tag_filters(tags), alive]))

    def terminate(self, instances: tuple[InstanceId, ...]) -> None:
        if not instances:
            return
        try:
            self._terminate(list(instances))
        except NotFound:
            # One unknown id fails the whole call: ask which exist, and terminate these.
            known = [entry.id for entry in self._find([{"Name": "instance-id", "Values": list(instances)}])]
            if known:
                self._terminate(known)

    def _asked(self, request: LaunchRequest) -> RunInstancesRequestTypeDef:
        tags = tag_list(request.tags)
        asked: RunInstancesRequestTypeDef = {
            "MinCount": 1,
            "MaxCount": 1,
            "ClientToken": request.token,
            "ImageId": request.image,
            "InstanceType": _instance_type(request.instance_type),
            "InstanceInitiatedShutdownBehavior": "terminate",
            "DisableApiTermination": False,
            "TagSpecifications": [
                {"ResourceType": "instance", "Tags": tags},
                {"ResourceType": "volume", "Tags": tags},
            ],
        }
        template: Any = {}
        if request.template is not None:
            version = request.version or "$Default"
            template = described_version(self._clients, request.template, version)["LaunchTemplateData"]
            asked["LaunchTemplate"] = {"LaunchTemplateId": request.template, "Version": version}
        asked["MetadataOptions"] = _metadata(template)
        if request.instance_profile and not template.get("IamInstanceProfile"):
            asked["IamInstanceProfile"] = _profile(request.instance_profile)
        if request.subnet:
            _place(asked, template, request.subnet)
        return asked

    @translated("ec2")
    def _run(self, asked: RunInstancesRequestTypeDef) -> Instance:
        return _instance(self._clients.ec2.run_instances(**asked)["Instances"][0])

    @translated("ec2")
    def _find(self, filters: list[FilterTypeDef]) -> list[Instance]:
        pages = self._clients.ec2.get_paginator("describe_instances").paginate(Filters=filters)
        return [
            _instance(entry)
            for page in pages
            for reservation in page["Reservations"]
            for entry in reservation["Instances"]
        ]

    @translated("ec2")
    def _terminate(self, instances: list[InstanceId]) -> None:
        self._clients.ec2.terminate_instances(InstanceIds=instances)


def _instance_type(name: str) -> Any:
    # The stubs list the types known when they were made; AWS adds some every month.
    return name


def _metadata(template: Any) -> Any:
    # MetadataOptions of a request replace the template's as a whole: without the template's hop limit, containers
    # on the instance would lose the metadata service.
    kept = {name: value for name, value in template.get("MetadataOptions", {}).items() if name != "State"}
    return {**kept, "HttpTokens": "required", "HttpEndpoint": kept.get("HttpEndpoint", "enabled")}


def _profile(profile: str) -> Any:
    return {"Arn": profile} if profile.startswith("arn:") else {"Name": profile}


def _place(asked: RunInstancesRequestTypeDef, template: Any, subnet: str) -> None:
    interfaces = template.get("NetworkInterfaces", [])
    if not interfaces:
        asked["SubnetId"] = subnet
    elif not any("SubnetId" in interface or "NetworkInterfaceId" in interface for interface in interfaces):
        # As for a group: the interfaces are the template's, the subnet comes from outside. EC2 refuses a subnet
        # beside interfaces, so it is written into them.
        placed: Any = [{**interface, "SubnetId": subnet} for interface in interfaces]
        asked["NetworkInterfaces"] = placed


def _instance(entry: InstanceTypeDef) -> Instance:
    return Instance(
        id=InstanceId(entry["InstanceId"]),
        image=ImageId(entry["ImageId"]),
        state=entry["State"]["Name"],
        instance_type=entry["InstanceType"],
        address=entry.get("PrivateIpAddress", ""),
        reason=_reason(entry),
        tags=tags_of(entry.get("Tags", [])),
    )


def _reason(entry: InstanceTypeDef) -> str:
    reason = entry.get("StateReason", {})
    words = reason.get("Message", "")
    failure = launch_failure(reason.get("Code", ""), words)
    return failure.whole if failure else words
