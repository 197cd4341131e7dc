from __future__ import annotations

from datetime import timedelta

import pytest
from watching import watched
from world import Fleet, World

WARM = {"InstanceWarmup": 60}


def made(world: World, size: int = 10) -> Fleet:
    """Make a fleet of a size with a second template version."""
    fleet = world.fleet("web", world.base(), size=size)
    world.version(fleet.template, InstanceType="t3.medium")
    return fleet


def test_ninety_percent_replaces_one_of_ten_at_a_time(prompt: World) -> None:
    """Minimum 90 on ten instances goes in steps of ten percent, one a minute, 605 seconds in all."""
    fleet = made(prompt)
    prompt.start(fleet, 2, MinHealthyPercentage=90, **WARM)
    seen, lowest, highest = watched(prompt)
    assert seen[:3] == [(0, "Pending", 0), (5, "InProgress", 0), (65, "InProgress", 10)]
    assert [percent for _, _, percent in seen[1:]] == list(range(0, 101, 10))
    assert seen[-1] == (605, "Successful", 100)
    assert (lowest, highest) == (9, 10)


def test_fifty_percent_replaces_half_at_a_time(prompt: World) -> None:
    """Minimum 50 takes two batches of five."""
    prompt.start(made(prompt), 2, MinHealthyPercentage=50, **WARM)
    seen, lowest, highest = watched(prompt)
    assert seen[1:] == [(5, "InProgress", 0), (65, "InProgress", 50), (125, "Successful", 100)]
    assert (lowest, highest) == (5, 10)


def test_launch_before_terminate_never_goes_below_desired(prompt: World) -> None:
    """Minimum 100 with maximum 150 launches five more first."""
    prompt.start(made(prompt), 2, MinHealthyPercentage=100, MaxHealthyPercentage=150, **WARM)
    seen, lowest, highest = watched(prompt)
    assert seen[-1][1:] == ("Successful", 100)
    assert (lowest, highest) == (10, 15)


def test_explicit_hundred_launches_first(prompt: World) -> None:
    """Minimum and maximum both 100: one at a time, launched before the old one goes."""
    prompt.start(made(prompt, 2), 2, MinHealthyPercentage=100, MaxHealthyPercentage=100, **WARM)
    seen, lowest, highest = watched(prompt)
    assert seen[-1] == (125, "Successful", 100)
    assert (lowest, highest) == (2, 3)


def test_omitted_maximum_terminates_and_launches_together(prompt: World) -> None:
    """Minimum 100 without a maximum takes the only instance away while the new one comes."""
    prompt.start(made(prompt, 1), 2, MinHealthyPercentage=100, **WARM)
    _, lowest, highest = watched(prompt)
    assert (lowest, highest) == (0, 1)


def test_minimum_nought_replaces_all_at_once(prompt: World) -> None:
    """Minimum 0 is one batch."""
    prompt.start(made(prompt), 2, MinHealthyPercentage=0, **WARM)
    seen, lowest, _ = watched(prompt)
    assert seen[1:] == [(5, "InProgress", 0), (65, "Successful", 100)]
    assert lowest == 0


def test_eighty_percent_of_ten_is_exactly_two(prompt: World) -> None:
    """Minimum 80, maximum 100 on ten instances replaces exactly two at a time."""
    prompt.start(made(prompt), 2, MinHealthyPercentage=80, MaxHealthyPercentage=100, **WARM)
    seen, lowest, highest = watched(prompt)
    assert [percent for _, _, percent in seen[1:]] == [0, 20, 40, 60, 80, 100]
    assert (lowest, highest) == (8, 10)


@pytest.mark.parametrize(("size", "low", "high"), [(100, 90, 120)])
def test_hundred_stays_between_its_bounds(prompt: World, size: int, low: int, high: int) -> None:
    """Desired 100, minimum 90, maximum 120: between 90 and 120 instances."""
    prompt.start(made(prompt, size), 2, MinHealthyPercentage=90, MaxHealthyPercentage=120, **WARM)
    seen, lowest, highest = watched(prompt)
    assert seen[-1][1:] == ("Successful", 100)
    assert (lowest, highest) == (low, high)


def test_documented_checkpoint_timetable(prompt: World) -> None:
    """Ten instances, checkpoints 20 and 50, 15 minutes, minimum 80, warm-up 10 minutes: AWS's own timetable."""
    prompt.start(
        made(prompt),
        2,
        MinHealthyPercentage=80,
        InstanceWarmup=600,
        CheckpointPercentages=[20, 50],
        CheckpointDelay=900,
    )
    seen, _, _ = watched(prompt)
    # 0:00 two; 0:10 warm; 0:25 two; 0:35 warm, then one; 0:45 warm and the end, at half of the group
    minutes = [((second - 5) // 60, status, percent) for second, status, percent in seen[1:]]
    assert minutes == [(0, "InProgress", 0), (10, "InProgress", 20), (35, "InProgress", 40), (45, "Successful", 50)]
    assert prompt.versions("web") == ["1"] * 5 + ["2"] * 5


def test_checkpoints_up_to_hundred_replace_everything(prompt: World) -> None:
    """Checkpoints 20, 50 and 100 wait twice; 100 is the end, not a wait."""
    prompt.start(
        made(prompt), 2, MinHealthyPercentage=80, CheckpointPercentages=[20, 50, 100], CheckpointDelay=600, **WARM
    )
    seen, lowest, _ = watched(prompt)
    assert seen[2] == (65, "InProgress", 20)
    assert seen[3] == (725, "InProgress", 40)
    assert seen[-1] == (1565, "Successful", 100)
    assert lowest == 8
    reached = [event for event in prompt.cloud.events if event.detail_type.endswith("Checkpoint Reached")]
    assert [event.detail["CheckPointPercentage"] for event in reached] == ["20", "50"]


def test_checkpoint_rounds_up(prompt: World) -> None:
    """Four instances at a checkpoint of 20 percent: one is replaced, 25 percent."""
    prompt.start(made(prompt, 4), 2, MinHealthyPercentage=50, CheckpointPercentages=[20], **WARM)
    seen, _, _ = watched(prompt)
    assert seen[-1] == (65, "Successful", 25)


def test_checkpoint_that_is_overtaken_is_skipped(prompt: World) -> None:
    """Two instances with checkpoints 10, 40 and 100: after the first 50 percent, so only 40 is told of."""
    prompt.start(made(prompt, 2), 2, MinHealthyPercentage=50, CheckpointPercentages=[10, 40, 100], **WARM)
    watched(prompt)
    reached = [event for event in prompt.cloud.events if event.detail_type.endswith("Checkpoint Reached")]
    assert [event.detail["CheckPointPercentage"] for event in reached] == ["40"]


def test_scale_out_reaches_a_checkpoint_again(prompt: World) -> None:
    """A checkpoint that is lost by a scale-out and reached again is told of again, and waited at again."""
    fleet = made(prompt, 4)
    prompt.start(fleet, 2, MinHealthyPercentage=50, CheckpointPercentages=[50, 100], CheckpointDelay=600, **WARM)
    prompt.wait(70)
    assert prompt.refresh("web")["PercentageComplete"] == 50
    prompt.cloud.virtual.boot_time = timedelta(seconds=30)
    prompt.autoscaling.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=8)
    prompt.wait(5)
    assert prompt.refresh("web")["PercentageComplete"] == 25
    prompt.wait(120)
    reached = [event for event in prompt.cloud.events if event.detail_type.endswith("Checkpoint Reached")]
    assert [event.detail["CheckPointPercentage"] for event in reached] == ["50", "50"]


def test_scale_out_launches_the_desired_configuration(prompt: World) -> None:
    """During a refresh new instances are launched from what it goes towards."""
    fleet = made(prompt, 2)
    prompt.start(fleet, 2, MinHealthyPercentage=50, **WARM)
    prompt.wait(10)
    prompt.autoscaling.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=4)
    prompt.wait(10)
    assert prompt.versions("web") == ["1", "2", "2", "2"]


def test_bake_time_waits_before_the_end(prompt: World) -> None:
    """BakeTime keeps the refresh in Baking at 100 percent; the group is rewritten only at the end."""
    fleet = made(prompt, 2)
    prompt.start(fleet, 2, MinHealthyPercentage=0, BakeTime=300, **WARM)
    prompt.wait(66)
    assert (prompt.refresh("web")["Status"], prompt.refresh("web")["PercentageComplete"]) == ("Baking", 100)
    assert prompt.group("web")["LaunchTemplate"]["Version"] == "1"
    prompt.wait(300)
    assert prompt.refresh("web")["Status"] == "Successful"
    assert prompt.group("web")["LaunchTemplate"]["Version"] == "2"


def test_older_instances_go_first_after_a_partial_refresh(prompt: World) -> None:
    """A refresh after a partial one does not go on where that stood: it begins with the oldest instances."""
    fleet = made(prompt, 4)
    prompt.start(fleet, 2, MinHealthyPercentage=50, CheckpointPercentages=[50], **WARM)
    watched(prompt)
    prompt.start(fleet, 2, MinHealthyPercentage=50, CheckpointPercentages=[50], **WARM)
    watched(prompt)
    assert prompt.versions("web") == ["2"] * 4
