"""The schedules that docs/triggers.md shows can be copied: each is read as what it is for would read it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import boto3
import pytest
import typer.main
from botocore.validate import validate_parameters
from ruamel.yaml import YAML

from pipeline.cli.main import app

TEXT = (Path(__file__).parents[1] / "docs" / "triggers.md").read_text()


def blocks(language: str) -> list[str]:
    """Every example in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def commands(language: str) -> Iterator[list[str]]:
    """Every command in the examples of a language, in words."""
    for block in blocks(language):
        for words in re.findall(r"(?:^|[ /])rebake (release [^>|\n\"]*)", block, re.MULTILINE):
            yield shlex.split(words)


@pytest.mark.parametrize("language", ["cron", "ini", "yml"])
def test_the_commands_are_those_of_the_tool(language: str) -> None:
    """Their options exist, and none of them waits for a person."""
    found = [*commands(language)]
    assert found
    for verb, *words in found:
        group: Any = typer.main.get_command(app)
        given = group.commands[verb].make_context(f"rebake {verb}", words).params
        assert (given["if_due"], given["no_wait"], given["yes"]) == (True, True, True)


def test_the_line_of_cron() -> None:
    """Five fields and a command; a percent sign would end it."""
    (line,) = blocks("cron")
    *fields, command = line.split(maxsplit=5)
    assert all(re.fullmatch(r"[\d*/,-]+", field) for field in fields)
    assert "%" not in command


def test_the_units_of_systemd() -> None:
    """A service that runs once and a timer that starts it."""
    units: list[Any] = []
    for block in blocks("ini"):
        parser = RawConfigParser()
        parser.optionxform = str  # type: ignore[assignment,method-assign] # systemd tells case apart
        parser.read_string(block)
        units.append({section: dict(parser[section]) for section in parser.sections()})
    service, timer = units
    assert service["Service"]["Type"] == "oneshot"
    assert service["Service"]["ExecStart"].startswith("/")
    assert re.fullmatch(r"\d+/\d+:\d+", timer["Timer"]["OnCalendar"])
    assert timer["Install"] == {"WantedBy": "timers.target"}


@pytest.mark.parametrize(
    ("number", "service", "operation"), [(0, "events", "PutRule"), (1, "scheduler", "CreateSchedule")]
)
def test_what_is_given_to_aws(number: int, service: str, operation: str) -> None:
    """The request is one that the API's model takes; what stands in it as text is JSON as well."""
    request = json.loads(blocks("json")[number])
    session: Any = boto3.Session(region_name="us-east-1")
    model = session.client(service).meta.service_model.operation_model(operation)
    validate_parameters(request, model.input_shape)
    inner = json.loads(request["EventPattern"] if number == 0 else request["Target"]["Input"])
    if number == 0:
        assert inner["source"] == ["aws.inspector2", "inspector2.ami.ondemand"]


def test_the_workflows_of_github_and_gitlab() -> None:
    """Both are YAML with a schedule, and never run twice at a time."""
    github, gitlab = (YAML(typ="safe", pure=True).load(block) for block in blocks("yml"))
    assert re.fullmatch(r"\S+ \S+ \* \* \*", github["on"]["schedule"][0]["cron"])
    assert github["concurrency"]["cancel-in-progress"] is False
    assert all(step.keys() & {"uses", "run"} for step in github["jobs"]["release"]["steps"])
    assert gitlab["rebake"]["resource_group"]
    assert isinstance(gitlab["rebake"]["script"], list)
