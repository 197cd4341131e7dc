"""Smoke tests as they are written, and how they become `pipeline.model.settings.SmokeSettings`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function

from pipeline.config.fields import Duration, ExistingPath, Flag, InstanceType, Section, UrlPath, lasting, shaped
from pipeline.model.settings import HttpProbe, SmokeSettings, TcpProbe

_Within = Annotated[Duration, lasting(timedelta(seconds=1), timedelta(hours=1))]


class Http(Section):
    """A request that the candidate must answer, sent from where rebake runs."""

    port: int = Field(default=80, ge=1, le=65535, description="Default: 80.")
    path: UrlPath = Field(default="/", description="Default: /.")
    status: int = Field(default=200, ge=100, le=599, description="The one status that passes; default: 200.")
    within: _Within = Field(default=timedelta(minutes=2), description="Tried again until then; default: 2m.")


class Tcp(Section):
    """A port that the candidate must open."""

    port: int = Field(ge=1, le=65535, description="Which must be open.")
    within: _Within = Field(default=timedelta(minutes=2), description="Tried again until then; default: 2m.")


class _OneOrMany:
    """Accepts a single mapping where a list is meant, and says so in the schema."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(lambda it: [it] if isinstance(it, dict) else it, handler(source))

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        many = handler(core)
        return {"anyOf": [many["items"], many]}


class Smoke(Section):
    """How a candidate is proven before anything runs it."""

    suites: list[ExistingPath] = Field(default_factory=list, description="pytest-testinfra files or folders.")
    hygiene: Flag = Field(default=True, description="Run the built-in hygiene suite too; default: true.")
    services: list[Annotated[str, *shaped(r"[A-Za-z0-9@_.:-]{1,100}", "a service's name")]] = Field(
        default_factory=list, description="Services that must run; checked by the hygiene suite."
    )
    http: Annotated[list[Http], _OneOrMany] = Field(default_factory=list, description="A probe, or a list of probes.")
    tcp: Annotated[list[Tcp], _OneOrMany] = Field(default_factory=list, description="A probe, or a list of probes.")
    instance_types: list[InstanceType] = Field(
        default_factory=list, description="Boot the candidate on each of these; default: the build's first type."
    )
    timeout: Annotated[Duration, lasting(timedelta(seconds=10), timedelta(hours=4))] = Field(
        default=timedelta(minutes=15), description="For all suites and probes on one instance; default: 15m."
    )

    @model_validator(mode="after")
    def _something(self) -> Smoke:
        if not (self.hygiene or self.suites or self.http or self.tcp):
            raise ValueError("nothing would be tested: keep hygiene, or name a suite, http or tcp")
        if self.services and not self.hygiene:
            raise ValueError("services are checked by the hygiene suite, which is switched off")
        return self

    def settings(self) -> SmokeSettings:
        """Say it in the model's words."""
        http = (HttpProbe(port=one.port, path=one.path, status=one.status, within=one.within) for one in self.http)
        return SmokeSettings(
            suites=tuple(self.suites),
            hygiene=self.hygiene,
            services=tuple(self.services),
            probes=(*http, *(TcpProbe(port=one.port, within=one.within) for one in self.tcp)),
            instance_types=tuple(self.instance_types),
            timeout=self.timeout,
        )
