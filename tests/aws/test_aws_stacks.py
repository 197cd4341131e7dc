"""Stacks and change sets: what the sandbox's CloudFormation does, and what only AWS answers."""

from __future__ import annotations

from typing import Any

import pytest
from aws.account import Account
from aws.answers import AT, Stub

from pipeline.aws.session import Clients
from pipeline.aws.stacks import CloudFormationStacks
from pipeline.errors import NotFound, NotPossible


@pytest.fixture
def stack(account: Account) -> str:
    """A stack with an image and a secret among its parameters."""
    account.stack("shop")
    return "shop"


def test_a_stack_is_read(account: Account, stack: str) -> None:
    """One that does not exist is told apart from one that cannot be read."""
    found = account.stacks.get(stack)
    assert (found.name, found.status) == ("shop", "CREATE_COMPLETE")
    assert found.parameters["ImageId"] == "ami-old"
    with pytest.raises(NotFound, match="no stack shop-2"):
        account.stacks.get("shop-2")


def test_a_change_set_gives_one_parameter_another_value(account: Account, stack: str) -> None:
    """Template and other parameters stay; the same change set is found again by its name."""
    for _ in range(2):
        assert account.stacks.propose(stack, parameter="ImageId", value="ami-new", change_set="rebake-r1")
    (sent,) = [call.parameters for call in account.cloud.calls if call.action == "cloudformation:CreateChangeSet"]
    assert sent["UsePreviousTemplate"] is True
    assert {entry["ParameterKey"] for entry in sent["Parameters"] if entry.get("UsePreviousValue")} == {
        "Size",
        "Password",
    }
    assert account.stacks.get(stack).parameters["ImageId"] == "ami-old"
    account.stacks.execute(stack, change_set="rebake-r1")
    found = account.stacks.get(stack)
    assert (found.status, found.parameters["ImageId"]) == ("UPDATE_COMPLETE", "ami-new")


def test_a_value_that_stands_already_changes_nothing(account: Account, stack: str) -> None:
    """No change set is made for it."""
    assert not account.stacks.propose(stack, parameter="ImageId", value="ami-old", change_set="rebake-r1")
    assert not [call for call in account.cloud.calls if "ChangeSet" in call.action]


def test_a_spent_change_set_is_made_anew(account: Account, stack: str) -> None:
    """There and back and there again: the first change set has been carried out since."""
    for value, name in (("ami-new", "to-new"), ("ami-old", "to-old"), ("ami-new", "to-new")):
        assert account.stacks.propose(stack, parameter="ImageId", value=value, change_set=name)
        account.stacks.execute(stack, change_set=name)
        assert account.stacks.get(stack).parameters["ImageId"] == value


def test_a_parameter_that_the_stack_lacks_is_refused(account: Account, stack: str) -> None:
    """The hint names those that it has."""
    with pytest.raises(NotPossible, match="no parameter Ami") as raised:
        account.stacks.propose(stack, parameter="Ami", value="ami-new", change_set="rebake-r1")
    assert "ImageId, Password, Size" in raised.value.hint


class Answers:
    """What CloudFormation answers for the stack shop."""

    def __init__(self, stub: Stub) -> None:
        self.stub = stub("cloudformation")

    def stack(self) -> None:
        """Let the stack have one parameter."""
        parameters = [{"ParameterKey": "ImageId", "ParameterValue": "ami-old"}]
        described: dict[str, Any] = {"StackName": "shop", "CreationTime": AT, "StackStatus": "CREATE_COMPLETE"}
        stacks = [{**described, "Parameters": parameters, "Capabilities": ["CAPABILITY_IAM"]}]
        self.stub.add_response("describe_stacks", {"Stacks": stacks}, {"StackName": "shop"})

    def missing(self) -> None:
        """Let there be no such change set."""
        self.stub.add_client_error("describe_change_set", "ChangeSetNotFound", http_status_code=404)

    def made(self) -> None:
        """Let a change set be begun, as the stack has it."""
        self.stub.add_response(
            "create_change_set",
            {},
            {
                "StackName": "shop",
                "ChangeSetName": "r1",
                "ChangeSetType": "UPDATE",
                "UsePreviousTemplate": True,
                "Parameters": [{"ParameterKey": "ImageId", "ParameterValue": "ami-new"}],
                "Capabilities": ["CAPABILITY_IAM"],
            },
        )

    def stands(self, status: str, **more: str) -> None:
        """Let the change set stand so."""
        asked = {"StackName": "shop", "ChangeSetName": "r1"}
        self.stub.add_response("describe_change_set", {"Status": status, **more}, asked)

    def deleted(self) -> None:
        """Let the change set be deleted."""
        self.stub.add_response("delete_change_set", {}, {"StackName": "shop", "ChangeSetName": "r1"})


@pytest.fixture
def answers(stub: Stub) -> Answers:
    """What CloudFormation will answer."""
    return Answers(stub)


def propose(clients: Clients) -> bool | None:
    """Propose the new image."""
    return CloudFormationStacks(clients).propose("shop", parameter="ImageId", value="ami-new", change_set="r1")


def test_a_change_set_under_way_is_asked_for_again(clients: Clients, answers: Answers) -> None:
    """Right after the call it may not be found either."""
    answers.stack()
    answers.missing()
    answers.made()
    answers.missing()
    assert propose(clients) is None
    answers.stack()
    answers.stands("CREATE_IN_PROGRESS")
    answers.stands("CREATE_IN_PROGRESS")
    assert propose(clients) is None
    answers.stack()
    answers.stands("CREATE_COMPLETE")
    answers.stands("CREATE_COMPLETE")
    assert propose(clients) is True


def test_a_change_set_whose_answer_was_lost_is_found(clients: Clients, answers: Answers) -> None:
    """Repeated by botocore, the request is refused: the name is taken, by us."""
    answers.stack()
    answers.missing()
    answers.stub.add_client_error("create_change_set", "AlreadyExistsException")
    answers.stands("CREATE_COMPLETE")
    answers.stands("CREATE_COMPLETE")
    assert propose(clients)


def test_a_refused_change_set_is_told(clients: Clients, answers: Answers) -> None:
    """AWS's reason is in the message."""
    answers.stack()
    answers.missing()
    answers.stub.add_client_error("create_change_set", "InsufficientCapabilitiesException", "Requires CAPABILITY_X")
    answers.missing()
    with pytest.raises(NotPossible, match="CAPABILITY_X"):
        propose(clients)


def test_a_change_set_without_changes_is_taken_away(clients: Clients, answers: Answers) -> None:
    """CloudFormation calls that a failure; for us it is an answer."""
    answers.stack()
    answers.missing()
    answers.made()
    answers.stands(
        "FAILED", StatusReason="The submitted information didn't contain changes. Submit different information."
    )
    answers.deleted()
    assert propose(clients) is False


def test_a_failed_change_set_is_told_and_taken_away(clients: Clients, answers: Answers) -> None:
    """Its name is free for another try."""
    answers.stack()
    answers.stands("FAILED", StatusReason="Transform failed.", ExecutionStatus="UNAVAILABLE")
    answers.stands("FAILED", StatusReason="Transform failed.", ExecutionStatus="UNAVAILABLE")
    answers.deleted()
    with pytest.raises(NotPossible, match=r"change set of shop: Transform failed\.$"):
        propose(clients)


def test_an_obsolete_change_set_is_made_anew(clients: Clients, answers: Answers) -> None:
    """Somebody has updated the stack since."""
    answers.stack()
    answers.stands("CREATE_COMPLETE", ExecutionStatus="OBSOLETE")
    answers.deleted()
    answers.made()
    answers.stands("CREATE_COMPLETE", ExecutionStatus="AVAILABLE")
    assert propose(clients)


@pytest.mark.parametrize(("status", "fine"), [("EXECUTE_IN_PROGRESS", True), ("UNAVAILABLE", False)])
def test_carrying_out_twice_is_once(clients: Clients, answers: Answers, status: str, *, fine: bool) -> None:
    """A request whose answer was lost is refused when it is repeated; what is under way goes on."""
    answers.stub.add_client_error("execute_change_set", "InvalidChangeSetStatus")
    answers.stands("CREATE_COMPLETE", ExecutionStatus=status)
    stacks = CloudFormationStacks(clients)
    if fine:
        stacks.execute("shop", change_set="r1")
        return
    with pytest.raises(NotPossible):
        stacks.execute("shop", change_set="r1")
