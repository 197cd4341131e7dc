"""Stacks, through CloudFormation."""

from __future__ import annotations

from typing import Any

from pipeline.aws.failures import translated
from pipeline.aws.session import Clients
from pipeline.errors import NotFound, NotPossible
from pipeline.ports.stacks import Stack

_UNDER_WAY = {"CREATE_PENDING", "CREATE_IN_PROGRESS"}
# Change sets that can no longer be carried out: the stack was changed since, perhaps by themselves.
_SPENT = {"OBSOLETE", "EXECUTE_COMPLETE", "EXECUTE_FAILED"}
_EXECUTED = {"EXECUTE_IN_PROGRESS", "EXECUTE_COMPLETE"}
# CloudFormation has neither status nor code for it; `aws cloudformation deploy` looks for the same two sentences.
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


class CloudFormationStacks:
    """The port `Stacks`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def get(self, name: str) -> Stack:
        """Fetch a stack; a parameter that must not be shown reads as asterisks.

        Raises:
            NotFound: there is none.
        """
        found = self._stack(name)
        return Stack(
            name=found["StackName"],
            status=found["StackStatus"],
            parameters=_parameters(found),
            reason=found.get("StackStatusReason", ""),
        )

    def propose(self, name: str, *, parameter: str, value: str, change_set: str) -> bool | None:
        """Make a change set, or find the one of that name; False: it would change nothing; None: it is being made.

        The template and all other parameters stay as the stack has them; secret ones are neither read nor sent. A
        change set that failed is deleted: its name is free for another try.

        Raises:
            NotFound: there is no such stack.
            NotPossible: it has no such parameter, or the change set failed; AWS's reason is in the message.
        """
        stack = self._stack(name)
        present = _parameters(stack)
        if parameter not in present:
            raise NotPossible(
                f"The stack {name} has no parameter {parameter}.",
                hint=f"name the one that takes the image; it has: {', '.join(sorted(present)) or 'none'}",
            )
        if present[parameter] == value:
            return False
        found = self._find(name, change_set)
        if found and found.get("ExecutionStatus") in _SPENT:
            self._delete(name, change_set)
            found = None
        if found is None:
            others = [{"ParameterKey": key, "UsePreviousValue": True} for key in present if key != parameter]
            wanted = [*others, {"ParameterKey": parameter, "ParameterValue": value}]
            try:
                self._create(stack, change_set, wanted)
            except NotPossible:
                # No token is given: one would bring a deleted change set of this name back, not make it anew. So a
                # request whose answer was lost is refused when botocore repeats it.
                if self._find(name, change_set) is None:
                    raise
        return self._settled(name, change_set)

    def execute(self, name: str, *, change_set: str) -> None:
        """Begin to carry the change set out; one that is under way already is left to go on."""
        try:
            self._execute(name, change_set)
        except NotPossible:
            found = self._find(name, change_set)
            if found is None or found.get("ExecutionStatus") not in _EXECUTED:
                raise

    def _settled(self, name: str, change_set: str) -> bool | None:
        found = self._find(name, change_set) or {}
        if found.get("Status", "CREATE_PENDING") in _UNDER_WAY:
            return None
        if found["Status"] == "CREATE_COMPLETE":
            return True
        reason = found.get("StatusReason", "no reason given").rstrip(".")
        self._delete(name, change_set)
        if any(words in reason for words in _NO_CHANGES):
            return False
        raise NotPossible(
            f"CloudFormation could not make a change set of {name}: {reason}.",
            hint="correct the stack's template or parameters, and run again",
        )

    def _stack(self, name: str) -> Any:
        try:
            return self._describe(name)
        except NotPossible as failure:
            # "If the stack doesn't exist, a ValidationError is returned" (DescribeStacks): it has no code of its own.
            raise NotFound(f"There is no stack {name}.", hint="check its name, the region and the account") from failure

    def _find(self, name: str, change_set: str) -> Any:
        try:
            return self._describe_change_set(name, change_set)
        except NotPossible:
            return None

    @translated("cloudformation")
    def _describe(self, name: str) -> Any:
        return self._clients.cloudformation.describe_stacks(StackName=name)["Stacks"][0]

    @translated("cloudformation")
    def _describe_change_set(self, name: str, change_set: str) -> Any:
        return self._clients.cloudformation.describe_change_set(StackName=name, ChangeSetName=change_set)

    @translated("cloudformation")
    def _create(self, stack: Any, change_set: str, parameters: Any) -> None:
        self._clients.cloudformation.create_change_set(
            StackName=stack["StackName"],
            ChangeSetName=change_set,
            ChangeSetType="UPDATE",
            UsePreviousTemplate=True,
            Parameters=parameters,
            Capabilities=stack.get("Capabilities", []),
        )

    @translated("cloudformation")
    def _delete(self, name: str, change_set: str) -> None:
        self._clients.cloudformation.delete_change_set(StackName=name, ChangeSetName=change_set)

    @translated("cloudformation")
    def _execute(self, name: str, change_set: str) -> None:
        self._clients.cloudformation.execute_change_set(StackName=name, ChangeSetName=change_set)


def _parameters(stack: Any) -> dict[str, str]:
    return {entry["ParameterKey"]: entry.get("ParameterValue", "") for entry in stack.get("Parameters", [])}
