"""Who is due, in an account: found, released because of it, and then no longer due."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import nouns
import pytest
import rooms
from rooms import Scene, SceneMaker
from runs.test_watching import Leaving

from pipeline.cli.due import exit_code, watch
from pipeline.errors import ExitCode, Throttled, UsageError
from pipeline.model.findings import Coverage, Finding, Notice, Severity
from pipeline.model.ids import ImageId, InstanceId
from pipeline.model.settings import Family
from pipeline.model.sources import SourceOwned
from pipeline.model.steps import BuildImage
from pipeline.planning.due import Trigger
from pipeline.ports.clock import Clock
from pipeline.ports.findings import Findings
from pipeline.runs import due
from pipeline.runs.apply import apply
from pipeline.runs.apply import exit_code as code_of

DAY = timedelta(days=1)
CVE = "CVE-2026-1234"


def watched(make: SceneMaker, **changes: object) -> Scene:
    """Make a scene with a fleet, whose family is watched for findings and age, scanned by Inspector."""
    family: Family = nouns.family(findings=Severity.HIGH, max_age=30 * DAY, **changes)
    scene = make(rooms.fleet(), families={"web": family}, queue="https://queue")
    scene.world.fleet("web-prod", scene.world.image("old"), size=1)
    scene.world.client("inspector2").enable(resourceTypes=["EC2"])
    return scene


def triggers(scene: Scene) -> list[Trigger]:
    """Name what the family is due for."""
    (found,) = due.due(scene.again())
    assert not found.unknown
    return [one.trigger for one in found.reasons]


def release(scene: Scene) -> tuple[ExitCode, list[str]]:
    """Release what is due; answer the exit code, and why each bake was made."""
    room = scene.again()
    plan = due.for_due(room)
    bakes = [planned.why for planned in plan.steps if isinstance(planned.step, BuildImage)]
    return code_of(plan, apply(room, plan)), bakes


def infect(scene: Scene, image: str, severity: str = "critical") -> None:
    """Let Inspector find a vulnerability on an image."""
    tag = {"Key": f"sandbox:cve:{CVE}", "Value": f"{severity} yes openssl"}
    scene.world.ec2.create_tags(Resources=[image], Tags=[tag])  # type: ignore[list-item] # plain dicts will do


def newest(scene: Scene) -> str:
    """Find the newest image of the family."""
    return scene.room.images_of("web").baked[0].id


def test_a_family_is_released_when_it_is_due_and_not_before(make: SceneMaker) -> None:
    """For a first image, a newer source, a vulnerability, its age; the fleet runs the new one each time."""
    scene = watched(make)
    assert triggers(scene) == [Trigger.FIRST]
    assert release(scene)[0] is ExitCode.DONE
    assert (triggers(scene), release(scene)) == ([], (ExitCode.DONE, []))
    scene.world.cloud.publish_base(like="debian-12-amd64", name="debian-12-amd64-20991231-1")
    assert triggers(scene) == [Trigger.SOURCE]
    release(scene)
    scene.world.cloud.clock.advance(2 * DAY)
    before = newest(scene)
    infect(scene, before)
    assert triggers(scene) == [Trigger.FINDING]
    assert release(scene) == (ExitCode.DONE, [f"{CVE} (critical, openssl) on {before}, with a fix"])
    assert (triggers(scene), newest(scene) == before) == ([], False)
    scene.world.cloud.clock.advance(31 * DAY)
    assert triggers(scene) == [Trigger.AGE]
    assert release(scene)[0] is ExitCode.DONE
    assert triggers(scene) == []


def test_what_one_bake_did_not_cure_is_not_baked_again(make: SceneMaker) -> None:
    """The new image has it from its first scan on: unknown what to do, and said with a code of its own."""
    scene = watched(make)
    release(scene)
    infect(scene, newest(scene))
    (found,) = due.due(scene.again())
    assert ([one.trigger for one in found.unknown], exit_code([found])) == ([Trigger.FINDING], ExitCode.PARTIAL)
    assert release(scene) == (ExitCode.PARTIAL, [])


@pytest.mark.parametrize("action", ["off", "inspector2:ListFindings"])
def test_findings_that_cannot_be_read_are_unknown(make: SceneMaker, action: str) -> None:
    """Inspector is off, or may not be asked: never the same as nothing found."""
    scene = watched(make)
    release(scene)
    if action == "off":
        scene.world.client("inspector2").disable(resourceTypes=["EC2"])
    else:
        scene.world.cloud.deny(action)
    (found,) = due.due(scene.again())
    assert (found.due, [one.trigger for one in found.unknown]) == (False, [Trigger.FINDING])
    assert exit_code([found]) is ExitCode.PARTIAL
    assert ("DISABLED" if action == "off" else action) in found.unknown[0].text


@pytest.mark.parametrize(
    ("action", "trigger"),
    [
        ("ssm:GetParameterHistory", Trigger.FIRST),
        ("ec2:DescribeImages", Trigger.FIRST),
        ("autoscaling:DescribeAutoScalingGroups", Trigger.ROLLOUT),
    ],
)
def test_what_may_not_be_read_is_unknown(make: SceneMaker, action: str, trigger: Trigger) -> None:
    """With the action, in the words of each look; a release of what is due does nothing and tells it, too."""
    scene = watched(make)
    release(scene)
    scene.world.cloud.deny(action)
    (found,) = due.due(scene.again())
    assert (found.due, [one.trigger for one in found.unknown]) == (False, [trigger])
    assert found.unknown[0].text.removeprefix("web-prod: ") == f"The caller may not do {action}."
    assert exit_code([found]) is ExitCode.PARTIAL
    assert release(scene) == (ExitCode.PARTIAL, [])


def test_a_source_that_is_gone_hides_no_finding(make: SceneMaker) -> None:
    """Both are told, and being due goes before being in doubt; a fleet without a group is in doubt, too."""
    scene = watched(make)
    release(scene)
    scene.world.cloud.clock.advance(2 * DAY)
    infect(scene, newest(scene))
    nothing = SourceOwned(owner=rooms.DEBIAN_OWNER, name="none-*")
    family = replace(scene.room.settings.families["web"], source=nothing)
    gone = rooms.fleet("web-gone")
    settings = replace(
        scene.room.settings, families={"web": family}, fleets={**scene.room.settings.fleets, "web-gone": gone}
    )
    (found,) = due.due(replace(scene.again(), settings=settings), ["web"])
    assert [one.trigger for one in found.reasons] == [Trigger.FINDING]
    assert [one.trigger for one in found.unknown] == [Trigger.SOURCE, Trigger.ROLLOUT]
    assert exit_code([found]) is ExitCode.CHANGES
    with pytest.raises(UsageError, match="no family named wob"):
        due.due(scene.again(), ["wob"])


@dataclass(slots=True)
class Queue:
    """A queue that gives out batches of events, one a call, and takes time when it has none."""

    clock: Clock
    batches: list[list[str]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    failing: int = 0

    def receive(self, queue: str, wait: timedelta) -> tuple[Notice, ...]:
        """Take the next batch; nobody is there any more once an hour is over."""
        assert queue == "https://queue"
        if self.failing:
            self.failing -= 1
            raise Throttled("AWS kept throttling.")
        batch = self.batches.pop(0) if self.batches else []
        if not batch:
            self.clock.sleep(wait)
        return tuple(Notice(key=key, receipt=f"{key} {number}") for number, key in enumerate(batch))

    def done(self, queue: str, notices: object) -> None:
        """Delete them."""
        assert queue
        assert isinstance(notices, tuple | list)
        self.deleted += [notice.receipt for notice in notices]


@dataclass(slots=True)
class Failing:
    """Findings that cannot be read so many times, and then are none."""

    times: int
    asked: list[str] = field(default_factory=list)

    def coverage(self, images: Sequence[ImageId], instances: Sequence[InstanceId]) -> Mapping[str, Coverage]:
        """Fail, or know everything."""
        if self.times:
            self.times -= 1
            raise Throttled("AWS kept throttling.")
        return dict.fromkeys([*images, *instances], Coverage())

    def found(
        self, images: Sequence[ImageId], instances: Sequence[InstanceId], *, closed: bool = False
    ) -> tuple[Finding, ...]:
        """Find nothing."""
        assert not closed
        self.asked += [*images, *instances]
        return ()

    def fixable(self, severities: Collection[Severity]) -> Iterator[Finding]:  # noqa: ARG002 - the port's name
        """Find nothing."""
        return iter(())


def looking(
    scene: Scene,
    capsys: pytest.CaptureFixture[str],
    *batches: list[str],
    failing: int = 0,
    looks: int = 5,
    findings: Findings | None = None,
) -> tuple[list[dict[str, object]], Queue, str]:
    """Watch until so many waits are over; answer what was told, the queue, and what was complained of."""
    room = scene.again()
    clock = Leaving(room.tools.clock, looks=looks)
    queue = Queue(clock, [*batches], failing=failing)
    tools = replace(room.tools, clock=clock, notices=queue, findings=findings or room.tools.findings)
    watch(replace(room, tools=tools), (), every=timedelta(minutes=1), survey_within=None, as_json=True)
    said = capsys.readouterr()
    decoder, told, text = json.JSONDecoder(), [], said.out.strip()
    while text:
        one, end = decoder.raw_decode(text)
        told.append(one)
        text = text[end:].strip()
    return told, queue, said.err


def test_a_family_is_told_once_until_something_changes(make: SceneMaker, capsys: pytest.CaptureFixture[str]) -> None:
    """However often it is looked at, and whatever events come twice; these are deleted after the look they led to."""
    scene = watched(make)
    told, queue, _ = looking(scene, capsys, ["a", "a", "b"], [], ["b"], ["c"], looks=9)
    assert [one["family"]["reasons"][0]["trigger"] for one in told] == ["never baked"]  # type: ignore[index] # JSON
    assert queue.deleted == ["a 0", "a 1", "b 2", "b 0", "c 0"]


def test_an_event_that_was_not_acted_on_stays(make: SceneMaker, capsys: pytest.CaptureFixture[str]) -> None:
    """The look after it failed, so that it is not deleted; a queue that does not answer is asked again."""
    scene = watched(make)
    told, queue, err = looking(scene, capsys, ["a"], failing=1, looks=2)
    assert (len(told), "AWS kept throttling. It is tried again." in err) == (1, True)
    told, queue, err = looking(scene, capsys, ["a"], looks=4, findings=Failing(times=1))
    assert (len(told), queue.deleted, "AWS kept throttling. It is tried again." in err) == (1, ["a 0"], True)
    told, queue, err = looking(scene, capsys, ["a"], looks=4, findings=Failing(times=9))
    assert (told, queue.deleted) == ([], [])


def test_a_change_is_told_in_words(make: SceneMaker, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a queue everything is looked at in turn; a line a reason, with the time."""
    scene = watched(make)

    def between(what: Callable[[], object]) -> Clock:
        @dataclass(slots=True)
        class Doing(Leaving):
            def sleep(self, duration: timedelta) -> None:
                what()
                Leaving.sleep(self, duration)

        return Doing(scene.room.tools.clock, looks=1)

    room = scene.again()
    settings = replace(room.settings, queue=None)
    tools = replace(room.tools, clock=between(lambda: release(scene)))
    watch(
        replace(room, settings=settings, tools=tools), (), every=timedelta(hours=1), survey_within=None, as_json=False
    )
    first, last = capsys.readouterr().out.splitlines()
    assert "Z web  due  never baked  source image ami-" in first
    assert last.endswith("Z web  -    nothing is due")
