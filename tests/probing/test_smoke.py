import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest

from pipeline.errors import AccessDenied, ExitCode, NotPossible, ToolMissing
from pipeline.model.outcomes import SmokeReport, TestResult, Verdict
from pipeline.model.settings import SmokeSettings, TcpProbe
from pipeline.ports.clock import Clock
from pipeline.ports.instances import Instance, RunCommand
from pipeline.ports.smoke import SmokeRunner
from pipeline.probing import SmokeTests


class Commands(RunCommand, Protocol):
    """Run Command that can be told to fail."""

    fault: Exception | None
    scripts: list[str]


Smoke = Callable[..., SmokeReport]
Suite = Callable[[str], Path]


@pytest.fixture
def smoke(commands: Commands, clock: Clock, instance: Instance, tmp_path: Path) -> Smoke:
    """Run suites without the hygiene suite."""
    runner: SmokeRunner = SmokeTests(commands, clock, tmp_path / "state" / "smoke")

    def smoke(*paths: Path, timeout: float = 60, hygiene: bool = False) -> SmokeReport:
        settings = SmokeSettings(suites=paths, hygiene=hygiene, timeout=timedelta(seconds=timeout))
        return runner.run(settings, instance)

    return smoke


def by_name(report: SmokeReport) -> dict[str, TestResult]:
    """List results by name."""
    return {test.name: test for test in report.tests}


def test_a_suite_sees_the_instance(smoke: Smoke, suite: Suite, tmp_path: Path) -> None:
    """Testinfra's own modules work over Run Command: files with any bytes, commands, quoting, parametrised tests."""
    content = bytes(range(256)) * 400 + os.urandom(30_000)
    (tmp_path / "a file").write_bytes(content)
    report = smoke(
        suite(f"""
import pytest
def test_file(host):
    content = host.file({str(tmp_path / "a file")!r}).content
    assert len(content) == {len(content)} and content == open({str(tmp_path / "a file")!r}, "rb").read()
def test_command(host):
    done = host.run("echo %s; echo caf\\u00e9 >&2; exit 3", "it's ${{HOME}} %")
    assert (done.rc, done.stdout, done.stderr) == (3, "it's ${{HOME}} %\\n", "caf\\u00e9\\n")
@pytest.mark.parametrize("word", ["a-b", "c"])
def test_words(host, word):
    assert host.check_output("echo " + word) == word
def test_backend(host):
    assert host.backend.get_connection_type() == "ssm"
""")
    )
    assert [(test.name, test.verdict, test.message) for test in report.tests] == [
        ("test_web::test_file", Verdict.PASSED, ""),
        ("test_web::test_command", Verdict.PASSED, ""),
        ("test_web::test_words[a-b]", Verdict.PASSED, ""),
        ("test_web::test_words[c]", Verdict.PASSED, ""),
        ("test_web::test_backend", Verdict.PASSED, ""),
    ]
    assert report.passed
    assert (report.image, report.instance, report.instance_type) == (
        "ami-0123456789abcdef0",
        "i-0123456789abcdef0",
        "t3.small",
    )


def test_failures_speak_for_themselves(smoke: Smoke, suite: Suite) -> None:
    """Failed, skipped and broken tests are told apart, each with its own words, and the JUnit file has them all."""
    report = smoke(
        suite("""
import pytest
def test_right(host): pass
def test_wrong(host): assert host.run("exit 4").rc == 0, "the app is down"
def test_skipped(host): pytest.skip("not on this machine")
def test_broken(nothing): pass
""")
    )
    tests = by_name(report)
    assert tests["test_web::test_right"].verdict is Verdict.PASSED
    assert tests["test_web::test_wrong"].verdict is Verdict.FAILED
    assert "the app is down" in tests["test_web::test_wrong"].message
    assert (tests["test_web::test_skipped"].verdict, tests["test_web::test_skipped"].message) == (
        Verdict.SKIPPED,
        "not on this machine",
    )
    assert tests["test_web::test_broken"].verdict is Verdict.ERROR
    assert not report.passed
    assert '<testsuite name="test_web" errors="1" failures="1" skipped="1" tests="4"' in report.junit


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "the suite has no test"),
        ("import os; os._exit(0)", "the test process ended with status 0 and no report"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", f"ended with status -{signal.SIGKILL.value}"),
        ("def test_x(host): import pytest; pytest.exit('enough', 2)", "the suite stopped itself"),
    ],
)
def test_a_suite_that_says_nothing_is_no_pass(smoke: Smoke, suite: Suite, text: str, said: str) -> None:
    """A suite without tests, or one whose process ends early, is an error."""
    report = smoke(suite(text))
    assert not report.passed
    assert report.tests[-1].verdict is Verdict.ERROR
    assert said in report.tests[-1].message


def test_a_suite_that_cannot_be_read_is_an_error(smoke: Smoke, suite: Suite) -> None:
    """A syntax error is told once, in pytest's words."""
    report = smoke(suite("def test_x(:"))
    assert [test.verdict for test in report.tests] == [Verdict.ERROR]
    assert report.tests[0].message.startswith("collection failure: SyntaxError: ")


def test_a_broken_conftest_is_an_error(smoke: Smoke, suite: Suite) -> None:
    """When pytest cannot even start, its last words are in the report."""
    folder = suite("def test_x(host): pass").parent
    (folder / "conftest.py").write_text("import no_such_module", encoding="utf-8")
    report = smoke(folder)
    assert [test.verdict for test in report.tests] == [Verdict.ERROR]
    assert report.tests[0].message.startswith("pytest could not start: ")
    assert "no_such_module" in report.tests[0].message


def test_a_suite_that_calls_nothing_a_success_is_no_pass(smoke: Smoke, suite: Suite) -> None:
    """A conftest.py that turns "no tests" into success does not get past the report."""
    folder = suite("x = 1").parent
    (folder / "conftest.py").write_text("def pytest_sessionfinish(session): session.exitstatus = 0", encoding="utf-8")
    report = smoke(folder)
    assert [test.message for test in report.tests] == ["the suite has no test"]


def test_a_slow_suite_is_stopped(smoke: Smoke, suite: Suite) -> None:
    """When the budget is spent the suite is stopped, what it had finished is kept, and the report says why it ended."""
    report = smoke(suite("import time\ndef test_quick(host): pass\ndef test_slow(host): time.sleep(60)"), timeout=5)
    tests = by_name(report)
    assert tests["test_web::test_quick"].verdict is Verdict.PASSED
    assert tests["suite test_web.py"].verdict is Verdict.ERROR
    assert "did not finish within" in tests["suite test_web.py"].message
    assert not report.passed


def test_the_child_gets_no_secrets(smoke: Smoke, suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in our environment, and those in our home, are out of the suite's reach."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    home = os.environ["HOME"]
    report = smoke(
        suite(f"import os\ndef test_x(host): assert 'canary' not in str(os.environ) and os.environ['HOME'] != {home!r}")
    )
    assert report.passed


def test_a_suite_may_be_a_folder_with_its_own_fixtures(smoke: Smoke, suite: Suite) -> None:
    """A folder's conftest.py and helper modules are found; nothing is left beside them."""
    folder = suite("from helper import WORD\ndef test_x(host, word): assert word == WORD").parent
    (folder / "conftest.py").write_text("import pytest\n@pytest.fixture\ndef word(): return 'x'", encoding="utf-8")
    (folder / "helper.py").write_text("WORD = 'x'", encoding="utf-8")
    assert smoke(folder).passed
    assert sorted(path.name for path in folder.iterdir()) == ["conftest.py", "helper.py", "test_web.py"]


def test_lost_permissions_do_not_judge_the_image(commands: Commands, smoke: Smoke, suite: Suite) -> None:
    """When AWS cannot be used the run stops with that error: no verdict on the candidate comes out."""
    commands.fault = AccessDenied("ssm:SendCommand", "ssm:SendCommand is not allowed.")
    with pytest.raises(AccessDenied) as caught:
        smoke(suite("def test_x(host): host.run('true')"))
    assert caught.value.exit_code is ExitCode.UNAVAILABLE


def test_an_adapter_that_breaks_is_not_hidden(commands: Commands, smoke: Smoke, suite: Suite) -> None:
    """A defect of ours surfaces as what it is."""
    commands.fault = ZeroDivisionError("a defect")
    with pytest.raises(ZeroDivisionError, match="a defect"):
        smoke(suite("def test_x(host): host.run('true')"))


def test_an_instance_without_agent_fails_its_tests(commands: Commands, smoke: Smoke, suite: Suite) -> None:
    """An instance that cannot be managed is the candidate's fault."""
    commands.fault = NotPossible("i-1 is not managed by SSM.")
    report = smoke(suite("def test_x(host): host.run('true')"))
    assert report.tests[0].verdict is Verdict.FAILED
    assert "i-1 is not managed by SSM." in report.tests[0].message


def test_nothing_to_test_is_no_pass(smoke: Smoke) -> None:
    """A report without a test does not pass."""
    report = smoke()
    assert report.tests == ()
    assert not report.passed


def test_probes_come_before_suites(commands: Commands, clock: Clock, instance: Instance, tmp_path: Path) -> None:
    """Probes are in the report and in the JUnit file, under a suite of their own."""
    settings = SmokeSettings(hygiene=False, probes=(TcpProbe(port=1, within=timedelta(seconds=3)),))
    report = SmokeTests(commands, clock, tmp_path).run(settings, instance)
    assert [(test.name, test.verdict) for test in report.tests] == [("probe tcp :1", Verdict.FAILED)]
    assert 'name="probes" tests="1" failures="1" errors="0" skipped="0"' in report.junit


def test_the_missing_extra_is_named(smoke: Smoke, suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without testinfra the hint says how to get it."""
    monkeypatch.setitem(__import__("sys").modules, "testinfra", None)
    with pytest.raises(ToolMissing) as caught:
        smoke(suite("def test_x(host): pass"))
    assert caught.value.hint == "pip install 'rebake[smoke]'"


def test_the_report_is_taken_apart_from_the_answer(commands: Commands, smoke: Smoke, suite: Suite) -> None:
    """A command whose output fits costs one Run Command call."""
    assert smoke(suite("def test_x(host): assert host.run('echo x').stdout == 'x\\n'")).passed
    assert len(commands.scripts) == 1


def test_what_cannot_be_known_is_neither_passed_nor_failed(smoke: Smoke, suite: Suite) -> None:
    """A test skipped as unknown is shown as skipped with its words, and the report is no pass; failures outweigh it."""
    text = """
import pytest
def test_right(host): pass
def test_unknown(host): pytest.skip("unknown: the mirror does not answer")
"""
    report = smoke(suite(text))
    result = by_name(report)["test_web::test_unknown"]
    assert (result.verdict, result.message) == (Verdict.UNKNOWN, "the mirror does not answer")
    assert (report.passed, report.unknown) == (False, True)
    assert 'skipped="1"' in report.junit
    assert 'message="unknown: the mirror does not answer"' in report.junit
    worse = smoke(suite(text + "def test_wrong(host): assert False"))
    assert (worse.passed, worse.unknown) == (False, False)
