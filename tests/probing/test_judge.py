import json
import os
import socket
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from servers import HOME, OK, heard, says, serving

from pipeline.model.gates import Answer, GateVerdict, JudgeGate
from pipeline.probing import ExternalJudge

FACTS = {"fleet": "web-prod", "new-image": "ami-0new"}
NONE_OF = "its answer is none of continue, wait, abort, complete"
SECRET = "hunter2-of-the-environment"


def ruled(root: Path, script: str, *, timeout: float = 20) -> GateVerdict:
    """Ask a shell script that stands in the folder."""
    (root / "judge.sh").write_text(f"#!/bin/sh\n{script}\n")
    (root / "judge.sh").chmod(0o755)
    gate = JudgeGate(command=("./judge.sh", "an argument; with spaces"), timeout=timedelta(seconds=timeout))
    return ExternalJudge(root).ask(gate, FACTS)


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("continue", Answer.PASS),
        ("wait", Answer.WAIT),
        ("abort", Answer.REFUSE),
        ("complete", Answer.COMPLETE),
    ],
)
def test_the_last_line_of_a_command_is_its_answer(tmp_path: Path, word: str, answer: Answer) -> None:
    """Whatever was printed before, the last line that is not empty counts."""
    verdict = ruled(tmp_path, f"echo abort; echo '  {word} '; echo")
    assert verdict == GateVerdict(gate="judge ./judge.sh", answer=answer, reason=f"answered {word}")


def test_a_command_is_told_what_is_known(tmp_path: Path) -> None:
    """Facts come as JSON on standard input and as variables; the arguments pass no shell; the folder is the file's."""
    verdict = ruled(tmp_path, 'cat >facts; echo "$REBAKE_FLEET $REBAKE_NEW_IMAGE $1" >variables; echo continue')
    assert verdict.answer is Answer.PASS
    assert json.loads((tmp_path / "facts").read_text()) == FACTS
    assert (tmp_path / "variables").read_text() == "web-prod ami-0new an argument; with spaces\n"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo continue please", NONE_OF),
        ("echo CONTINUE", NONE_OF),
        ("echo", "said nothing"),
        ("printf '\\377\\376'", NONE_OF),
        ("echo continue; exit 3", "ended with status 3"),
        ("echo continue; kill -KILL $$", "ended by signal 9"),
        ("yes | head -c 100000", NONE_OF),
    ],
    ids=["more words", "capitals", "nothing", "bytes", "status", "signal", "much"],
)
def test_anything_else_is_unknown(tmp_path: Path, script: str, reason: str) -> None:
    """Another word, another status and a violent end are unknown, each with its reason."""
    verdict = ruled(tmp_path, script)
    assert (verdict.answer, verdict.reason) == (Answer.UNKNOWN, reason)


def test_no_secret_of_the_environment_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A command inherits the environment; what it prints is not in the reason, and its complaints are the reader's."""
    monkeypatch.setenv("API_TOKEN", SECRET)
    verdict = ruled(tmp_path, 'echo "token $API_TOKEN"; echo no metrics >&2')
    assert SECRET not in repr(verdict)
    assert verdict.answer is Answer.UNKNOWN
    assert capfd.readouterr().err == "no metrics\n"


@pytest.mark.parametrize("command", ["./absent", "absent-from-path", "./folder"])
def test_a_command_that_cannot_be_run_is_unknown(tmp_path: Path, command: str) -> None:
    """A program that is not there, or no program, is told in the system's words."""
    (tmp_path / "folder").mkdir()
    verdict = ExternalJudge(tmp_path).ask(JudgeGate(command=(command,)), FACTS)
    assert verdict.answer is Answer.UNKNOWN
    assert verdict.reason in {"cannot be run: No such file or directory", "cannot be run: Permission denied"}


def test_a_name_is_looked_up_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare name is found where the PATH says."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    gate = JudgeGate(command=("python3", "-c", "print('complete')"))
    assert ExternalJudge(tmp_path).ask(gate, FACTS).answer is Answer.COMPLETE


def test_a_command_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    """After its time the whole process group is gone, and the answer is unknown."""
    began = time.monotonic()
    verdict = ruled(tmp_path, "echo continue; sleep 300 & echo $! >child; wait", timeout=0.5)
    assert (verdict.answer, verdict.reason) == (Answer.UNKNOWN, "did not answer within 0 s")
    assert time.monotonic() - began < 10
    assert gone(int((tmp_path / "child").read_text()))


def test_what_a_command_leaves_behind_delays_nothing(tmp_path: Path) -> None:
    """A process in the background that holds the output open is not waited for, and ended."""
    began = time.monotonic()
    verdict = ruled(tmp_path, "sleep 300 & echo $! >child; echo continue")
    assert verdict.answer is Answer.PASS
    assert time.monotonic() - began < 10
    assert gone(int((tmp_path / "child").read_text()))


def gone(pid: int) -> bool:
    """Tell whether a process ends within two seconds; a zombie has ended."""
    ends = time.monotonic() + 2
    while time.monotonic() < ends:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


def answered(body: str, *, status: str = "200 OK", seen: list[bytes] | None = None) -> GateVerdict:
    """Ask a URL that answers so."""
    raw = body.encode()
    answer = f"HTTP/1.1 {status}\r\nContent-Length: {len(raw)}\r\n\r\n".encode() + raw
    with serving(says(answer, seen=seen)) as port:
        return ExternalJudge(Path()).ask(JudgeGate(url=f"http://{HOME}:{port}/judge?of=web"), FACTS)


def test_a_url_is_posted_the_facts() -> None:
    """A URL hears the facts as JSON, and its reason is the verdict's."""
    seen: list[bytes] = []
    verdict = answered(json.dumps({"verdict": "abort", "reason": "too many\n \x1b[31merrors."}), seen=seen)
    assert (verdict.answer, verdict.reason) == (Answer.REFUSE, "too many [31merrors")
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /judge?of=web HTTP/1.1\r\n")
    assert b"Content-Type: application/json" in head
    assert json.loads(body) == FACTS


@pytest.mark.parametrize(
    ("body", "answer", "reason"),
    [
        ("continue\n", Answer.PASS, "answered continue"),
        ('{"verdict": "wait"}', Answer.WAIT, "answered wait"),
        ('{"verdict": "complete", "reason": ""}', Answer.COMPLETE, "answered complete"),
        ('{"verdict": "perhaps", "reason": "x"}', Answer.UNKNOWN, NONE_OF),
        ('{"reason": "x"}', Answer.UNKNOWN, NONE_OF),
        ('["continue"]', Answer.UNKNOWN, NONE_OF),
        ("[" * 60_000, Answer.UNKNOWN, NONE_OF),
        ("", Answer.UNKNOWN, "said nothing"),
    ],
    ids=["text", "no reason", "empty reason", "another word", "no verdict", "list", "deep", "nothing"],
)
def test_a_url_answers_in_json_or_text(body: str, answer: Answer, reason: str) -> None:
    """JSON with a verdict, or one of the four words as plain text; anything else is unknown."""
    verdict = answered(body)
    assert (verdict.answer, verdict.reason) == (answer, reason)


@pytest.mark.parametrize("status", ["500 Oops", "302 Found", "404 Not Found"])
def test_a_url_that_answers_with_another_status_is_unknown(status: str) -> None:
    """Only a success counts, whatever the body says."""
    verdict = answered("continue", status=status)
    assert (verdict.answer, verdict.reason) == (Answer.UNKNOWN, f"answered with status {status[:3]}")


def test_a_url_that_does_not_answer_is_unknown() -> None:
    """Silence ends with the time given, and a refused connection at once."""

    def silent(line: socket.socket) -> None:
        heard(line)
        time.sleep(2)
        line.sendall(OK)

    judge = ExternalJudge(Path())
    with serving(silent) as port:
        gate = JudgeGate(url=f"http://{HOME}:{port}", timeout=timedelta(seconds=1))
        verdict = judge.ask(gate, FACTS)
    assert (verdict.answer, verdict.reason) == (Answer.UNKNOWN, "no answer (not within 1 s)")
    refused = judge.ask(gate, FACTS)
    assert refused.answer is Answer.UNKNOWN
    assert "refused" in refused.reason
