"""Gates as they are written, and how they become those of `pipeline.model.gates`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from pipeline.config.fields import (
    Duration,
    FinePercent,
    Latency,
    MetricName,
    Percent,
    Section,
    Url,
    UrlPath,
    a_file,
    below_root,
    lasting,
    shaped,
    some,
)
from pipeline.model import gates as model


def _program(command: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    """Find a program that is named by a relative path; a bare name is looked up on PATH when it is run."""
    if not command or not command[0]:
        raise ValueError("must begin with a program")
    if "/" not in command[0] or command[0].startswith("/"):
        return command
    return (str(a_file(below_root(command[0], info))), *command[1:])


def _whole_minutes(value: timedelta) -> timedelta:
    if value % timedelta(minutes=1):
        raise ValueError("must be whole minutes, as CloudWatch keeps them")
    return value


class _Asked(Section):
    """A gate whose fields are those of the model's."""

    noun: ClassVar[Callable[..., model.Gate]]

    def gate(self) -> model.Gate:
        """Say it in the model's words."""
        return self.noun(**dict(self))


class Targets(_Asked):
    """What the load balancer says of the new instances."""

    noun = model.TargetGate
    healthy: Percent = Field(default=100, ge=1, le=100, description="Percent of the new targets; default: 100.")


class Probe(_Asked):
    """Requests from where rebake runs: to one url, or to port and path of every new instance."""

    noun = model.ProbeGate
    url: Url = Field(default="", description="One address to ask; default: every new instance's own.")
    port: int = Field(default=80, ge=1, le=65535, description="Default: 80.")
    path: UrlPath = Field(default="/", description="Default: /.")
    status: int = Field(default=200, ge=100, le=599, description="The one status that is no failure; default: 200.")
    requests: int = Field(default=20, ge=1, le=1000, description="So many each time; default: 20.")
    error_rate_below: FinePercent = Field(default=1.0, gt=0, description="Percent of requests that fail; default: 1.")
    above_old: FinePercent | None = Field(
        default=None, description="So many percent more than with the old instances; default: not compared."
    )
    latency_below: Latency | None = Field(
        default=None, description="For the slowest of the fastest 95 percent, such as 300ms; default: any."
    )

    @model_validator(mode="after")
    def _one_place(self) -> Probe:
        if self.url and self.model_fields_set & {"port", "path"}:
            raise ValueError("say a url, or port and path of every new instance, not both")
        if self.url and self.above_old is not None:
            raise ValueError("above_old compares new instances with old ones, which one url cannot tell apart")
        return self


class Judge(_Asked):
    """Somebody else's opinion: continue, wait, abort or complete."""

    noun = model.JudgeGate
    command: Annotated[tuple[str, ...], AfterValidator(_program)] = Field(
        default=(), description="A program and its arguments, without a shell; relative to the folder of this file."
    )
    url: Url = Field(default="", description="An address that is posted the facts as JSON.")
    timeout: Annotated[Duration, lasting(timedelta(seconds=1), timedelta(hours=1))] = Field(
        default=timedelta(minutes=1), description="No answer until then is unknown; default: 1m."
    )

    @model_validator(mode="after")
    def _one(self) -> Judge:
        if bool(self.command) == bool(self.url):
            raise ValueError("say exactly one of command and url")
        return self


class Metric(Section):
    """A CloudWatch metric with one value for each instance."""

    namespace: MetricName = Field(description="Such as AWS/EC2.")
    name: MetricName = Field(description="Such as CPUUtilization.")
    statistic: Annotated[str, *shaped(r"Average|Sum|Minimum|Maximum|SampleCount|p\d\d?(\.\d+)?", "Average or p99")] = (
        Field(default="Average", description="Average, Sum, Minimum, Maximum, SampleCount or p99; default: Average.")
    )
    dimension: MetricName = Field(default="InstanceId", description="Which tells instances apart; default: InstanceId.")
    harm: model.Harm = Field(default=model.Harm.INCREASE, description="Which change is harm; default: increase.")


class Canary(_Asked):
    """Old instances against new ones by their metrics."""

    noun = model.CanaryGate
    metrics: Annotated[tuple[Metric, ...], *some] = Field(description="Each of them may refuse.")
    period: Annotated[Duration, lasting(timedelta(minutes=1), timedelta(days=1)), AfterValidator(_whole_minutes)] = (
        Field(default=timedelta(minutes=1), description="One value for each; default: 1m.")
    )
    samples: int = Field(
        default=10, ge=5, le=1000, description="Values on either side, fewer of which are unknown; default: 10."
    )
    confidence: Percent = Field(default=98, ge=50, le=99, description="50-99 percent; default: 98.")
    tolerance: Percent = Field(default=25, le=1000, description="Percent that the median may worsen; default: 25.")

    def gate(self) -> model.Gate:
        """Say it in the model's words."""
        metrics = tuple(model.CanaryMetric(**dict(metric)) for metric in self.metrics)
        return model.CanaryGate(**{**dict(self), "metrics": metrics})


class Approval(_Asked):
    """A person's yes."""

    noun = model.ApprovalGate
    within: Annotated[Duration, lasting(timedelta(minutes=1), timedelta(days=7))] = Field(
        default=timedelta(hours=8), description="Silence until then refuses; default: 8h."
    )


class Gate(Section):
    """A condition: exactly one of these."""

    alarms: Annotated[tuple[MetricName, ...], *some] = Field(
        default=(), description="CloudWatch alarms, metric or composite, that must be OK."
    )
    targets: Targets | None = Field(default=None, description="The load balancer's word on the new instances.")
    probe: Probe | None = Field(default=None, description="HTTP requests from here.")
    judge: Judge | None = Field(default=None, description="A command or a URL that knows more.")
    canary: Canary | None = Field(default=None, description="Old instances against new ones.")
    approval: Approval | None = Field(default=None, description="A person's yes; not inside all_of and any_of.")
    all_of: Annotated[tuple[_Inner, ...], *some] = Field(default=(), description="Every one of them must pass.")
    any_of: Annotated[tuple[_Inner, ...], *some] = Field(default=(), description="One of them must pass.")

    @model_validator(mode="after")
    def _one(self) -> Gate:
        if len(self.model_fields_set) != 1:
            words = ", ".join(type(self).model_fields)
            raise ValueError(f"a gate is exactly one of {words}; one with nothing more to say is written with {{}}")
        return self

    def gate(self) -> model.Gate:
        """Say it in the model's words."""
        if self.alarms:
            return model.AlarmGate(alarms=self.alarms)
        if self.all_of:
            return model.AllOf(gates=gates(self.all_of))
        if self.any_of:
            return model.AnyOf(gates=gates(self.any_of))
        sections = (self.targets, self.probe, self.judge, self.canary, self.approval)
        return next(section.gate() for section in sections if section)


def _unasked(gate: Gate) -> Gate:
    if gate.approval:
        raise ValueError("approval stands at the top only: a person is asked once, not as one condition of several")
    return gate


_Inner = Annotated[Gate, AfterValidator(_unasked)]


def gates(sections: tuple[Gate, ...]) -> tuple[model.Gate, ...]:
    """Say them in the model's words."""
    return tuple(section.gate() for section in sections)
