"""JUnit XML: what the suites and probes write, in one file, and what it says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

from pipeline.model.outcomes import TestResult, Verdict

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HOST = re.compile(r"ssm://[^\]\-]*(?:-[0-9a-f]+)?-?")
_UNREADABLE = "collection failure"
_VERDICTS = {"failure": Verdict.FAILED, "error": Verdict.ERROR, "skipped": Verdict.SKIPPED}
_TAGS = {verdict: tag for tag, verdict in _VERDICTS.items()}
UNKNOWN = "unknown: "
"""What the message of a skipped test begins with when the reason is that a fact could not be had."""


def suite(name: str, results: Iterable[TestResult]) -> ET.Element:
    """Make a test suite from results."""
    element = ET.Element("testsuite", name=_clean(name))
    for result in results:
        add(element, result)
    return element


def add(element: ET.Element, result: TestResult) -> None:
    """Append a result to a test suite."""
    case = ET.SubElement(element, "testcase", name=_clean(result.name), time=f"{result.took.total_seconds():.3f}")
    if tag := _TAGS.get(result.verdict):
        ET.SubElement(case, tag, message=_clean(result.message))


def read(path: Path) -> ET.Element | None:
    """Read the test suite that pytest wrote; None when it wrote none, or not to the end."""
    try:
        return ET.parse(path).find("testsuite")  # noqa: S314 - written by our own child process
    except (OSError, ET.ParseError):
        return None


def results(element: ET.Element) -> tuple[TestResult, ...]:
    """List the results in a test suite."""
    return tuple(map(_result, element.iter("testcase")))


def merged(suites: Iterable[ET.Element]) -> str:
    """Write one file with all suites, counted."""
    root = ET.Element("testsuites", name="rebake")
    for element in suites:
        cases = list(element.iter("testcase"))
        counts = {
            f"{tag}s".replace("skippeds", "skipped"): sum(case.find(tag) is not None for case in cases)
            for tag in _VERDICTS
        }
        element.attrib.update({"tests": str(len(cases)), **{name: str(count) for name, count in counts.items()}})
        root.append(element)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _result(case: ET.Element) -> TestResult:
    verdict, message = Verdict.PASSED, ""
    for tag, meaning in _VERDICTS.items():
        if (found := case.find(tag)) is not None:
            verdict, message = meaning, found.get("message", "")
            if message == _UNREADABLE:  # the cause is the last line of the traceback
                message = f"{message}: {(found.text or '').strip().splitlines()[-1].removeprefix('E').strip()}"
            elif meaning is Verdict.SKIPPED and message.startswith(UNKNOWN):
                verdict = Verdict.UNKNOWN
            break
    name = _HOST.sub("", case.get("name", "")).replace("[]", "").replace("-]", "]")
    where = case.get("classname", "")
    return TestResult(
        name=f"{where}::{name}" if where else name,
        verdict=verdict,
        took=timedelta(seconds=float(case.get("time", "0"))),
        message=message.removeprefix("Failed: ").removeprefix(UNKNOWN),
    )


def _clean(text: str) -> str:
    """Drop characters that XML cannot carry."""
    return _NOT_XML.sub("�", text)
