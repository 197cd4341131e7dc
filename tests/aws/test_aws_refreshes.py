"""What Auto Scaling is asked for instance refreshes, and how its answers are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws.answers import Stub

from pipeline.aws.refreshes import AutoScalingRefreshes
from pipeline.aws.session import Clients
from pipeline.errors import AccessDenied, HeldError, NotPossible, Unavailable
from pipeline.model.fleets import Group, RefreshStatus, TemplateRef
from pipeline.model.ids import GroupName, ImageId, TemplateId
from pipeline.model.strategies import OnBusy, RefreshStrategy

WEB = GroupName("web")
TEMPLATE = TemplateId("lt-0abc")
AT = datetime(2026, 11, 2, 12, tzinfo=UTC)
GROUP = Group(name=WEB, desired=4, minimum=2, maximum=8, template=TemplateRef(id=TEMPLATE, version="3"))


def refresh(identity: str, status: str, *, version: str = "4", started: datetime | None = AT) -> dict[str, Any]:
    """Make a refresh as DescribeInstanceRefreshes answers it."""
    entry: dict[str, Any] = {
        "InstanceRefreshId": identity,
        "AutoScalingGroupName": "web",
        "Status": status,
        "DesiredConfiguration": {"LaunchTemplate": {"LaunchTemplateId": TEMPLATE, "Version": version}},
    }
    return entry | ({"StartTime": started} if started else {})


def start(clients: Clients, group: Group = GROUP, strategy: RefreshStrategy | None = None) -> str:
    """Start a refresh to version 4."""
    return AutoScalingRefreshes(clients).start(
        group,
        template=TEMPLATE,
        version=4,
        image=ImageId("ami-new"),
        strategy=strategy or RefreshStrategy(),
        auto_rollback=True,
    )


def test_refreshes_are_read_over_all_pages_newest_first(clients: Clients, stub: Stub) -> None:
    """A refresh that has not started yet is the newest."""
    asked = {"AutoScalingGroupName": "web", "MaxRecords": 100}
    old = refresh("a", "RollbackSuccessful", started=AT - timedelta(days=1))
    old |= {
        "EndTime": AT,
        "PercentageComplete": 40,
        "InstancesToUpdate": 3,
        "StatusReason": "alarm",
        "RollbackDetails": {"RollbackReason": "an alarm rang"},
    }
    scaling = stub("autoscaling")
    scaling.add_response("describe_instance_refreshes", {"InstanceRefreshes": [old], "NextToken": "more"}, asked)
    scaling.add_response(
        "describe_instance_refreshes",
        {"InstanceRefreshes": [refresh("b", "InProgress"), refresh("c", "Pending", started=None)]},
        {**asked, "NextToken": "more"},
    )
    found = AutoScalingRefreshes(clients).listed(WEB)
    assert [entry.id for entry in found] == ["c", "b", "a"]
    assert found[2].status is RefreshStatus.ROLLBACK_SUCCESSFUL
    assert (found[2].percentage, found[2].remaining) == (40, 3)
    assert (found[2].reason, found[2].rollback_reason) == ("alarm", "an alarm rang")
    assert found[1].desired == TemplateRef(id=TEMPLATE, version="4")


def test_a_refresh_states_every_preference_that_has_two_defaults(clients: Clients, stub: Stub) -> None:
    """Minimum and maximum are both sent; what the strategy leaves out is left to AWS."""
    stub("autoscaling").add_response(
        "start_instance_refresh",
        {"InstanceRefreshId": "r-1"},
        {
            "AutoScalingGroupName": "web",
            "Strategy": "Rolling",
            "DesiredConfiguration": {"LaunchTemplate": {"LaunchTemplateId": TEMPLATE, "Version": "4"}},
            "Preferences": {
                "MinHealthyPercentage": 90,
                "MaxHealthyPercentage": 110,
                "SkipMatching": True,
                "AutoRollback": True,
                "ScaleInProtectedInstances": "Wait",
                "StandbyInstances": "Wait",
            },
        },
    )
    assert start(clients) == "r-1"


def test_a_full_strategy_reaches_aws(clients: Clients, stub: Stub) -> None:
    """Warm-up, checkpoints, soak and alarms have their AWS names; busy instances have one word for each kind."""
    preferences = {
        "MinHealthyPercentage": 50,
        "MaxHealthyPercentage": 100,
        "SkipMatching": False,
        "AutoRollback": True,
        "ScaleInProtectedInstances": "Refresh",
        "StandbyInstances": "Terminate",
        "InstanceWarmup": 60,
        "CheckpointPercentages": [20, 100],
        "CheckpointDelay": 600,
        "BakeTime": 300,
        "AlarmSpecification": {"Alarms": ["web-5xx"]},
    }
    stub("autoscaling").add_response(
        "start_instance_refresh",
        {"InstanceRefreshId": "r-1"},
        {
            "AutoScalingGroupName": "web",
            "Strategy": "Rolling",
            "DesiredConfiguration": {"LaunchTemplate": {"LaunchTemplateId": TEMPLATE, "Version": "4"}},
            "Preferences": preferences,
        },
    )
    strategy = RefreshStrategy(
        min_healthy=50,
        max_healthy=100,
        warmup=timedelta(minutes=1),
        checkpoints=(20, 100),
        checkpoint_delay=timedelta(minutes=10),
        skip_matching=False,
        soak=timedelta(minutes=5),
        alarms=("web-5xx",),
        protected=OnBusy.REPLACE,
        standby=OnBusy.REPLACE,
    )
    start(clients, strategy=strategy)


@pytest.mark.parametrize(("code", "status"), [("InstanceRefreshInProgress", 400), ("InternalFailure", 500)])
def test_a_refresh_whose_answer_was_lost_is_adopted(clients: Clients, stub: Stub, code: str, status: int) -> None:
    """A retry of a request that did start is answered "in progress": the one that goes where we want is ours."""
    scaling = stub("autoscaling")
    scaling.add_client_error("start_instance_refresh", code, http_status_code=status)
    scaling.add_response(
        "describe_instance_refreshes",
        {"InstanceRefreshes": [refresh("old", "Successful"), refresh("ours", "InProgress")]},
    )
    assert start(clients) == "ours"


def test_a_refresh_of_somebody_else_is_not_adopted(clients: Clients, stub: Stub) -> None:
    """One that goes to another version holds the group."""
    scaling = stub("autoscaling")
    scaling.add_client_error("start_instance_refresh", "InstanceRefreshInProgress")
    scaling.add_response(
        "describe_instance_refreshes", {"InstanceRefreshes": [refresh("other", "InProgress", version="9")]}
    )
    with pytest.raises(HeldError):
        start(clients)


@pytest.mark.parametrize("status", ["Cancelling", "RollbackInProgress"])
def test_a_refresh_on_its_way_back_is_not_adopted(clients: Clients, stub: Stub, status: str) -> None:
    """It was started for the wanted version and goes away from it."""
    scaling = stub("autoscaling")
    scaling.add_client_error("start_instance_refresh", "InstanceRefreshInProgress")
    scaling.add_response("describe_instance_refreshes", {"InstanceRefreshes": [refresh("ours", status)]})
    with pytest.raises(HeldError):
        start(clients)


def test_an_ended_refresh_is_not_adopted(clients: Clients, stub: Stub) -> None:
    """When the request was lost, nothing of ours runs: the reader may run again."""
    scaling = stub("autoscaling")
    scaling.add_client_error("start_instance_refresh", "ResourceContention", http_status_code=500)
    scaling.add_response("describe_instance_refreshes", {"InstanceRefreshes": [refresh("old", "Cancelled")]})
    with pytest.raises(Unavailable):
        start(clients)


def test_a_refusal_is_not_looked_into(clients: Clients, stub: Stub) -> None:
    """Without permission nothing can have started, and describing it would only hide the cause."""
    stub("autoscaling").add_client_error("start_instance_refresh", "AccessDenied", http_status_code=403)
    with pytest.raises(AccessDenied) as raised:
        start(clients)
    assert raised.value.action == "autoscaling:StartInstanceRefresh"


def test_cancelling_without_a_refresh_is_done_already(clients: Clients, stub: Stub) -> None:
    """Cancelling twice is no error."""
    scaling = stub("autoscaling")
    scaling.add_response("cancel_instance_refresh", {"InstanceRefreshId": "r"}, {"AutoScalingGroupName": "web"})
    scaling.add_client_error("cancel_instance_refresh", "ActiveInstanceRefreshNotFound")
    fleets = AutoScalingRefreshes(clients)
    fleets.cancel(WEB)
    fleets.cancel(WEB)


def test_rolling_back_answers_the_refresh(clients: Clients, stub: Stub) -> None:
    """What cannot be rolled back is refused with the way that is left."""
    scaling = stub("autoscaling")
    scaling.add_response("rollback_instance_refresh", {"InstanceRefreshId": "r"}, {"AutoScalingGroupName": "web"})
    scaling.add_client_error("rollback_instance_refresh", "IrreversibleInstanceRefresh")
    fleets = AutoScalingRefreshes(clients)
    assert fleets.roll_back(WEB) == "r"
    with pytest.raises(NotPossible) as raised:
        fleets.roll_back(WEB)
    assert "roll forward" in raised.value.hint


def test_the_mixed_template_of_a_refresh_is_read(clients: Clients, stub: Stub) -> None:
    """A refresh of a mixed group carries its template inside of the policy; one without configuration has none."""
    mixed = refresh("m", "InProgress")
    mixed["DesiredConfiguration"] = {
        "MixedInstancesPolicy": {
            "LaunchTemplate": {"LaunchTemplateSpecification": {"LaunchTemplateId": TEMPLATE, "Version": "7"}}
        }
    }
    bare = refresh("n", "Successful", started=AT - timedelta(days=1))
    del bare["DesiredConfiguration"]
    stub("autoscaling").add_response("describe_instance_refreshes", {"InstanceRefreshes": [mixed, bare]})
    found = AutoScalingRefreshes(clients).listed(WEB)
    assert found[0].desired == TemplateRef(id=TEMPLATE, version="7")
    assert found[1].desired is None


def test_a_status_that_is_not_known_is_told_by_its_word(clients: Clients, stub: Stub) -> None:
    """When AWS adds a status, the reader gets a sentence with it."""
    stub("autoscaling").add_response("describe_instance_refreshes", {"InstanceRefreshes": [refresh("r", "Paused")]})
    with pytest.raises(Unavailable, match="an instance refresh as 'Paused'") as raised:
        AutoScalingRefreshes(clients).listed(WEB)
    assert "newer rebake" in raised.value.hint
