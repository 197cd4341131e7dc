"""``rebake due`` and ``rebake watch-sources``: who is due and why, once, or as it comes about."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Collection, Sequence
from datetime import UTC, timedelta

from pipeline.cli.encode import dump
from pipeline.cli.output import table
from pipeline.errors import ExitCode, RebakeError
from pipeline.model.findings import Notice
from pipeline.planning.due import FamilyDue
from pipeline.runs.due import due
from pipeline.runs.room import Room

_LONG_POLL, _PAUSE = timedelta(seconds=20), timedelta(minutes=1)
_MOST_BATCHES = 50
"""So many batches of events come to one look: a scan of an account tells thousands at once."""


def text(families: Sequence[FamilyDue]) -> str:
    """Write a line a reason, grouped by family, unknown ones after those that are known."""
    return table(row for one in families for row in _rows(one))


def exit_code(families: Sequence[FamilyDue]) -> ExitCode:
    """Choose it: some are due; else not all is known; else none is."""
    if any(one.due for one in families):
        return ExitCode.CHANGES
    return ExitCode.PARTIAL if any(one.unknown for one in families) else ExitCode.DONE


def watch(
    room: Room, names: Sequence[str], *, every: timedelta, survey_within: timedelta | None, as_json: bool
) -> None:
    """Look until Ctrl-C, and tell of each family whenever what is known of it has changed.

    Events only make the next look come at once; what is due is always read from AWS, so that one that is lost costs
    time and nothing else. They are deleted once that look has been told.
    """
    seen: dict[str, FamilyDue] = {}
    pending: tuple[Notice, ...] = ()
    answered: deque[str] = deque(maxlen=10_000)
    try:
        while True:
            try:
                for one in due(room, names, survey_within=survey_within):
                    if seen.get(one.family) != one:
                        seen[one.family] = one
                        _tell(room, one, as_json=as_json)
                _done(room, pending)
                answered += [notice.key for notice in pending]
                pending = _await(room, every, answered)
            except RebakeError as error:
                if not error.passing:
                    raise
                print(f"{_time(room)} {error.message} It is tried again.", file=sys.stderr, flush=True)
                room.tools.clock.sleep(_PAUSE)
    except KeyboardInterrupt:
        print(file=sys.stderr)  # to look away is no failure


def _await(room: Room, every: timedelta, answered: Collection[str]) -> tuple[Notice, ...]:
    """Wait for the next look: until it is time, or until an event tells something new."""
    clock, queue = room.tools.clock, room.settings.queue
    if queue is None:
        clock.sleep(every)
        return ()
    until = clock.now() + every
    fresh: list[Notice] = []
    while clock.now() < until:
        begun, wait = clock.now(), timedelta() if fresh else _LONG_POLL
        batch = room.tools.notices.receive(queue, wait)
        if not batch and (rest := begun + wait - clock.now()) > timedelta():
            clock.sleep(rest)  # a queue that does not poll, such as the sandbox's
        _done(room, [notice for notice in batch if notice.key in answered])
        fresh += [notice for notice in batch if notice.key not in answered]
        if fresh and (not batch or len(fresh) >= 10 * _MOST_BATCHES):
            break
    return tuple(fresh)


def _done(room: Room, notices: Sequence[Notice]) -> None:
    if notices and room.settings.queue is not None:
        room.tools.notices.done(room.settings.queue, notices)


def _tell(room: Room, one: FamilyDue, *, as_json: bool) -> None:
    if as_json:
        print(dump({"at": room.tools.clock.now(), "family": one}), flush=True)
    else:
        print("\n".join(f"{_time(room)} {line}" for line in text([one]).splitlines()), flush=True)


def _time(room: Room) -> str:
    return f"{room.tools.clock.now().astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def _rows(one: FamilyDue) -> list[tuple[str, str, str, str]]:
    rows: list[tuple[str, str, str]] = [("due", reason.trigger, reason.text) for reason in one.reasons]
    rows += [("unknown", reason.trigger, reason.text) for reason in one.unknown]
    rows = rows or [("-", "", "nothing is due")]
    return [(one.family if number == 0 else "", *row) for number, row in enumerate(rows)]
