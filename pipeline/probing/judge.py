"""Somebody else's opinion of a rollout: the port `pipeline.ports.judging.Judge`.

A command inherits our environment, secrets included. So a reason, which is kept, never quotes what it prints; more
words belong on its standard error, which is ours.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from pipeline.model.gates import Answer, GateVerdict, JudgeGate
from pipeline.probing.suites import signal_group
from pipeline.probing.web import FAULTS, Line

_WORDS = {"continue": Answer.PASS, "wait": Answer.WAIT, "abort": Answer.REFUSE, "complete": Answer.COMPLETE}
_TAIL = 4096  # bytes of output in which the last line is looked for
_REASON_MAX = 200


class ExternalJudge:
    """Asks a command, which runs in the folder ``root``, or a URL."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def ask(self, gate: JudgeGate, facts: Mapping[str, str]) -> GateVerdict:
        """Tell it the facts, as JSON and to a command also as ``REBAKE_…`` variables, and hear its word."""
        answer, reason = self._command(gate, facts) if gate.command else _url(gate, facts)
        return GateVerdict(gate=str(gate), answer=answer, reason=reason)

    def _command(self, gate: JudgeGate, facts: Mapping[str, str]) -> tuple[Answer, str]:
        named = {f"REBAKE_{re.sub(r'[^A-Z0-9]', '_', key.upper())}": value for key, value in facts.items()}
        # Files, not pipes: a grandchild that keeps a pipe open would keep us waiting for its end.
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
            given.write(json.dumps(dict(facts)).encode())
            given.seek(0)
            try:
                child = subprocess.Popen(
                    gate.command,
                    cwd=self._root,
                    env={**os.environ, **named},
                    stdin=given,
                    stdout=said,
                    start_new_session=True,
                )
            except OSError as error:
                return Answer.UNKNOWN, f"cannot be run: {error.strerror}"
            try:
                status = child.wait(gate.timeout.total_seconds())
            except subprocess.TimeoutExpired:
                return Answer.UNKNOWN, f"did not answer within {gate.timeout.total_seconds():.0f} s"
            finally:
                signal_group(child, signal.SIGKILL)
                child.wait()
            if status:
                return Answer.UNKNOWN, f"ended by signal {-status}" if status < 0 else f"ended with status {status}"
            said.seek(max(said.seek(0, os.SEEK_END) - _TAIL, 0))
            return _heard(said.read().decode(errors="replace"))


def _url(gate: JudgeGate, facts: Mapping[str, str]) -> tuple[Answer, str]:
    with closing(Line(gate.url, seconds=gate.timeout.total_seconds())) as line:
        try:
            reply, body = line.send("POST", json.dumps(dict(facts)).encode())
        except FAULTS as error:
            return Answer.UNKNOWN, f"no answer ({str(error) or type(error).__name__})"
    if not 200 <= reply.status < 300:  # noqa: PLR2004 - HTTP's own range of success
        return Answer.UNKNOWN, f"answered with status {reply.status}"
    text = body.decode(errors="replace")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return _heard(text)
    if not isinstance(document, dict):
        return _heard(text)
    reason = " ".join(str(document.get("reason") or "").split())[:_REASON_MAX]
    return _heard(str(document.get("verdict")), "".join(filter(str.isprintable, reason)).rstrip("."))


def _heard(text: str, reason: str = "") -> tuple[Answer, str]:
    """Take the last line that is not empty for the answer."""
    words = [line.strip() for line in text.splitlines() if line.strip()]
    if not words:
        return Answer.UNKNOWN, "said nothing"
    if words[-1] not in _WORDS:
        return Answer.UNKNOWN, f"its answer is none of {', '.join(_WORDS)}"
    return _WORDS[words[-1]], reason or f"answered {words[-1]}"
