"""Running one suite in a pytest process of its own, so that nothing of it can reach or end ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

from pipeline.model.outcomes import TestResult, Verdict
from pipeline.probing import junit
from pipeline.probing.bridge import ADDRESS

# What a test process needs of ours. Credentials, proxies and tokens are not among it.
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
_RAN = {0, 1}
_MEANING = {
    5: "the suite has no test",
    4: "pytest could not start",
    3: "pytest broke",
    2: "the suite stopped itself",
}
_GRACE = 5.0  # seconds between asking pytest to stop, which lets it write its report, and ending it


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A file or folder of tests for one instance, and the socket behind which the instance is."""

    path: Path
    instance: str
    address: str
    services: Sequence[str] = ()


def run(suite: Suite, *, scratch: Path, budget: timedelta) -> ET.Element:
    """Run a suite and answer its JUnit element; a suite that collects nothing or breaks has an error in it.

    ``scratch`` is an empty folder for this run; ``budget`` is real time, for the process is real.
    """
    (scratch / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")  # the project's own settings are not for here
    with (scratch / "output").open("wb") as output:
        child = subprocess.Popen(
            _command(suite, scratch),
            cwd=_root(suite),
            env=_environment(suite, scratch),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            in_time = _ended(child, budget.total_seconds())
            if not in_time:
                signal_group(child, signal.SIGINT)
                _ended(child, _GRACE)
        finally:
            signal_group(child, signal.SIGKILL)
            child.wait()
    return _judged(suite, scratch, child.returncode, in_time=in_time, budget=budget)


def _root(suite: Suite) -> Path:
    return suite.path if suite.path.is_dir() else suite.path.parent


def _command(suite: Suite, scratch: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", "--quiet", "--color=no", "--tb=short"),
        *("-p", "testinfra.plugin", "-p", "pipeline.probing.plugin", "-p", "no:cacheprovider"),
        *("-c", str(scratch / "pytest.ini"), f"--rootdir={_root(suite)}"),
        *(f"--junitxml={scratch / 'junit.xml'}", "-o", "junit_family=xunit2"),
        f"--hosts=ssm://{suite.instance}",
        *(f"--required-service={name}" for name in suite.services),
        str(suite.path),
    ]


def _environment(suite: Suite, scratch: Path) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        "HOME": str(scratch),  # ~/.aws stays out of reach of an absent-minded test
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        ADDRESS: suite.address,
    }


def _ended(child: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        child.wait(max(seconds, 0))
    except subprocess.TimeoutExpired:
        return False
    return True


def signal_group(child: subprocess.Popen[bytes], number: int) -> None:
    """Signal whatever the child started, too; its group may be gone already."""
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return


def _judged(suite: Suite, scratch: Path, status: int, *, in_time: bool, budget: timedelta) -> ET.Element:
    """Add to what pytest reported what it could not report itself."""
    found = junit.read(scratch / "junit.xml")
    element = found if found is not None else ET.Element("testsuite")
    element.set("name", suite.path.stem)
    broken = any(result.verdict is Verdict.ERROR for result in junit.results(element))
    text = ""
    if not in_time:
        text = f"did not finish within {budget.total_seconds():.0f} s"
    elif found is None or status not in _RAN:
        text = _MEANING.get(status, f"the test process ended with status {status} and no report")
        text = "" if broken else f"{text}: {_tail(scratch / 'output')}"
    elif not junit.results(element):
        text = _MEANING[5]
    if text:
        junit.add(element, TestResult(name=f"suite {suite.path.name}", verdict=Verdict.ERROR, message=text))
    return element


def _tail(path: Path) -> str:
    """Take the last words of a process that said nothing better."""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:])
