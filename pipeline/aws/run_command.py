"""Commands on instances, through SSM Run Command."""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

from pipeline.aws.failures import translated
from pipeline.aws.session import Clients
from pipeline.errors import NotFound, TimedOut
from pipeline.model.ids import InstanceId
from pipeline.ports.clock import Clock
from pipeline.ports.instances import CommandResult

if TYPE_CHECKING:
    from mypy_boto3_ssm.type_defs import GetCommandInvocationResultTypeDef

_DOCUMENT = "AWS-RunShellScript"
# SendCommand's TimeoutSeconds is how long the command may wait for its agent; AWS takes no less.
_SHORTEST_DELIVERY = 30
_ENDED = frozenset({"Success", "Cancelled", "Failed", "TimedOut"})
_FIRST_POLL = timedelta(milliseconds=200)
_LONGEST_POLL = timedelta(seconds=2)


class SsmRunCommand:
    """The port `RunCommand`.

    Polling is our own: botocore's waiter ``command_executed`` gives up after 100 seconds. AWS keeps the first
    24,000 characters of what a command writes (GetCommandInvocation); longer output is cut.
    """

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock

    @translated("ssm")
    def online(self, instance: InstanceId) -> bool:
        answer = self._clients.ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [instance]}])
        return any(entry.get("PingStatus") == "Online" for entry in answer["InstanceInformationList"])

    def run(self, instance: InstanceId, script: str, *, timeout: timedelta) -> CommandResult:
        seconds = max(1, ceil(timeout.total_seconds()))
        command = self._send(instance, script, seconds)
        deadline = self._clock.now() + timeout
        pause = _FIRST_POLL
        while True:
            answer = self._invocation(command, instance)
            if answer is not None and answer["Status"] in _ENDED:
                return _result(answer, instance, seconds)
            if self._clock.now() >= deadline:
                self._cancel(command, instance)
                raise _late(instance, seconds)
            self._clock.sleep(min(pause, deadline - self._clock.now()))
            pause = min(pause * 2, _LONGEST_POLL)

    @translated("ssm")
    def _send(self, instance: InstanceId, script: str, seconds: int) -> str:
        answer = self._clients.ssm.send_command(
            DocumentName=_DOCUMENT,
            InstanceIds=[instance],
            TimeoutSeconds=max(_SHORTEST_DELIVERY, seconds),
            Parameters={"commands": [script], "executionTimeout": [str(seconds)]},
        )
        return answer["Command"]["CommandId"]

    def _invocation(self, command: str, instance: InstanceId) -> GetCommandInvocationResultTypeDef | None:
        try:
            return self._described(command, instance)
        except NotFound:  # InvocationDoesNotExist: not visible yet
            return None

    @translated("ssm")
    def _described(self, command: str, instance: InstanceId) -> GetCommandInvocationResultTypeDef:
        return self._clients.ssm.get_command_invocation(CommandId=command, InstanceId=instance)

    @translated("ssm")
    def _cancel(self, command: str, instance: InstanceId) -> None:
        self._clients.ssm.cancel_command(CommandId=command, InstanceIds=[instance])


def _result(answer: GetCommandInvocationResultTypeDef, instance: InstanceId, seconds: int) -> CommandResult:
    if answer["Status"] == "TimedOut":
        raise _late(instance, seconds)
    return CommandResult(
        status=answer["Status"],
        exit_status=answer["ResponseCode"],
        stdout=answer["StandardOutputContent"],
        stderr=answer["StandardErrorContent"],
    )


def _late(instance: InstanceId, seconds: int) -> TimedOut:
    return TimedOut(
        f"The command on {instance} did not end within {seconds} s and was cancelled.",
        hint="give it more time, or look at /var/log/amazon/ssm on the instance",
    )
