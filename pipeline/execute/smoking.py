"""The SmokeTestImage step: boot the candidate on every type asked for, test it, write the result on the image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pipeline.errors import NotFound, StepFailed, TimedOut
from pipeline.execute.building import await_image
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import wait_for
from pipeline.model import names
from pipeline.model.images import Image, Stage
from pipeline.model.outcomes import Done, Failed, Outcome, Refused, SmokeReport, Verdict
from pipeline.model.settings import SmokeSettings
from pipeline.model.steps import SmokeTestImage
from pipeline.ports.instances import Instance, LaunchRequest

_PACE = timedelta(seconds=5)
_TAG_MAX = 255
_SEEN_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """How the candidate did on one instance type; ``fault`` is empty where it passed.

    ``unknown`` says that the fault is not the image's: something could not be known.
    """

    instance_type: str
    fault: str
    unknown: bool = False
    report: SmokeReport | None = None

    @property
    def tests(self) -> int:
        """How many tests ran."""
        return len(self.report.tests) if self.report else 0

    @property
    def word(self) -> str:
        """The result in one word."""
        return ("unknown" if self.unknown else "failed") if self.fault else "passed"


def smoke_test_image(bench: Workbench, step: SmokeTestImage) -> Outcome:
    """Test the image and move its stage to tested or rejected.

    Only what the image did wrong rejects it: an instance that AWS could not launch says nothing of the image, so
    that ends the step as failed and leaves the candidate a candidate. The instances are always terminated.
    """
    image = await_image(bench, step.family, bench.made.image(step.image))
    instances: list[Instance] = []
    whole = False
    try:
        for instance_type in step.instance_types:
            # One by one: a launch that fails must leave those before it in the list, to be terminated.
            instances.append(_launch(bench, step, image, instance_type))  # noqa: PERF401 - see above
        whole = True
        trials = [_try_out(bench, step.family, image, instance) for instance in instances]
    finally:
        _terminate(bench, instances, whole=whole)
    return _judge(bench, step.family, image, trials)


def _terminate(bench: Workbench, instances: list[Instance], *, whole: bool) -> None:
    """Terminate what was booted; where a launch broke off, also what AWS launched without our hearing of it."""
    found = {instance.id for instance in instances}
    if not whole:
        mine = {names.TAG_RUN: bench.run, names.TAG_PURPOSE: "smoke"}
        found |= {instance.id for instance in bench.tools.instances.tagged(mine)}
    if found:
        bench.tools.instances.terminate(tuple(sorted(found)))


def _launch(bench: Workbench, step: SmokeTestImage, image: Image, instance_type: str) -> Instance:
    family = bench.settings.families[step.family]
    request = LaunchRequest(
        image=image.id,
        instance_type=instance_type,
        tags=_instance_tags(bench, step.family, image),
        token=names.client_token("smoke", bench.run, image.id, instance_type),
        template=step.template,
        version=step.version,
        subnet=step.subnet,
        instance_profile=family.build.instance_profile,
    )
    bench.say(step.family, f"booting {image.id} on {instance_type}")
    return bench.tools.instances.launch(request)


def _instance_tags(bench: Workbench, family: str, image: Image) -> Mapping[str, str]:
    return {
        **bench.settings.tags,
        "Name": names.build_name(bench.run, family),
        names.TAG_RUN: bench.run,
        names.TAG_FAMILY: family,
        names.TAG_PURPOSE: "smoke",
        names.TAG_SOURCE_IMAGE: image.id,
    }


def _try_out(bench: Workbench, family: str, image: Image, instance: Instance) -> _Trial:
    settings = bench.settings.families[family].smoke
    running = _await_running(bench, instance, settings)
    try:
        wait_for(
            bench.tools.clock,
            lambda: bench.tools.commands.online(running.id) or None,
            every=_PACE,
            within=settings.timeout,
            what="the agent's answer",
        )
    except TimedOut as error:
        return _Trial(instance_type=instance.instance_type, fault=f"its SSM agent never answered ({error.message})")
    bench.say(family, f"testing {image.id} on {running.instance_type} ({running.id})")
    report = bench.tools.smoke.run(settings, running)
    where = bench.tools.evidence.keep_smoke(report)
    bench.say(family, f"{_summary(report)}; {where}", data={"tests": len(report.tests)})
    return _Trial(
        instance_type=instance.instance_type,
        fault="" if report.passed else _first_fault(report),
        unknown=report.unknown,
        report=report,
    )


def _await_running(bench: Workbench, instance: Instance, settings: SmokeSettings) -> Instance:
    def look() -> Instance | None:
        try:
            found = bench.tools.instances.get(instance.id)
        except NotFound:
            return None  # a new id may not be visible for some seconds
        if found.state in {"shutting-down", "terminated", "stopping", "stopped"}:
            raise StepFailed(
                f"Test instance {instance.id} went to {found.state}: {found.reason or 'AWS gives no reason'}.",
                hint="Client.InternalError usually means a KMS key that may not be used: rebake check --live",
            )
        return found if found.state == "running" else None

    return wait_for(bench.tools.clock, look, every=_PACE, within=settings.timeout, what=f"The boot of {instance.id}")


def _judge(bench: Workbench, family: str, image: Image, trials: list[_Trial]) -> Outcome:
    passed = all(not trial.fault for trial in trials)
    faults = "; ".join(f"{trial.instance_type}: {trial.fault}" for trial in trials if trial.fault)
    # Read anew: not all of its tags may have been visible when the test began, and people may have revoked it since.
    current = bench.tools.images.get([image.id]).get(image.id, image)
    owed = _owed(bench, family, current)
    tags = {} if owed else _evidence(bench, current, trials)
    if not passed and all(trial.unknown for trial in trials if trial.fault):
        bench.tools.images.tag(image, tags)
        return Failed(
            reason=f"{image.id} stays a candidate, for not all of its smoke tests could tell: {faults}",
            hint=f"see to what could not be known, and test it again: rebake smoke {family}",
        )
    matrix = " ".join(f"{trial.instance_type}={trial.word}" for trial in trials)
    if current.stage is Stage.REVOKED:  # meanwhile, by people: no test takes that back
        return Refused(reason=f"{image.id} was {current.barred} while it was tested", hint="bake another one")
    if passed and owed:  # a fault is told all the same: only a yes needs its evidence
        reason = f"{image.id} passed and stays what it was, for the tag that its bake's evidence hangs on is missing"
        return Failed(reason=reason, hint=owed)
    stage = Stage.TESTED if passed else Stage.REJECTED
    bench.tools.images.tag(image, {**tags, names.TAG_STAGE: stage, names.TAG_SMOKE: matrix[:_TAG_MAX]})
    if passed:
        return Done(facts={"image": image.id, "stage": stage, "tests": str(sum(trial.tests for trial in trials))})
    return Refused(
        reason=f"{image.id} failed its smoke tests and is rejected: {faults}",
        hint=f"the reports are kept; mend the recipe and bake again: rebake release {family}",
    )


def _owed(bench: Workbench, family: str, image: Image) -> str:
    """Say what to do where a bake's evidence should be on the image and is not: a chain without it would be cut.

    A tag that is not visible after an hour is not there: the image was baked by a release that kept no evidence.
    """
    if image.bake_key is None or names.TAG_EVIDENCE in image.tags:
        return ""
    if not image.imds_v2:  # a bake writes that last
        return f"its bake was cut short; finish it, or bake another: rebake bake {family}"
    young = bench.tools.clock.now() - image.created < _SEEN_WITHIN
    return f"EC2 may show its tags later; run it again: rebake smoke {family} --image {image.id}" if young else ""


def _evidence(bench: Workbench, image: Image, trials: list[_Trial]) -> Mapping[str, str]:
    """Add the reports to the image's evidence, and answer its tag; it counts once that is written, with the stage."""
    reports = [trial.report for trial in trials if trial.report]
    return {names.TAG_EVIDENCE: bench.tools.evidence.add_smoke(image, reports)} if reports else {}


def _summary(report: SmokeReport) -> str:
    passed = sum(test.verdict is Verdict.PASSED for test in report.tests)
    return f"{passed} of {len(report.tests)} smoke tests passed on {report.instance_type}"


def _first_fault(report: SmokeReport) -> str:
    for verdicts in ({Verdict.FAILED, Verdict.ERROR}, {Verdict.UNKNOWN}):
        for test in report.tests:
            if test.verdict in verdicts:
                first = test.message.strip().splitlines()
                return f"{test.name}: {first[0] if first else test.verdict}"
    return "no test ran"
