"""Reading journals that lie in two places: which runs there are, and whom they concern."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from nouns import fleet, settings

from pipeline.errors import RebakeError, Unavailable, UsageError
from pipeline.model.ids import RunId
from pipeline.runs.journal import names_about, newest, told

FIRST, SECOND, THIRD = (RunId(f"2026112{day}T181500-kqzt") for day in (3, 4, 5))


class Place:
    """Journals in memory; ``down``: where they cannot be read."""

    def __init__(self, runs: dict[RunId, Sequence[str]], *, down: bool = False) -> None:
        self._runs = runs
        self._down = down

    def keep(self, run: RunId, number: int, line: str) -> None:
        """Nothing is written here."""
        raise AssertionError(run, number, line)

    def runs(self) -> tuple[RunId, ...]:
        """List them."""
        self._answer()
        return tuple(self._runs)

    def lines(self, run: RunId, *, ends: bool = False) -> tuple[str, ...]:
        """Fetch them."""
        self._answer()
        lines = tuple(self._runs.get(run, ()))
        return (*lines[:1], *lines[1:][-1:]) if ends else lines

    def _answer(self) -> None:
        if self._down:
            raise Unavailable("S3 does not answer.", hint="Wait.")


def record(run: RunId, seq: int, kind: str, **data: object) -> str:
    """Write a record as the journal does."""
    at = f"2026-11-23T18:15:{seq:02}+00:00"
    return json.dumps(
        {"schema": 1, "at": at, "run": run, "seq": seq, "kind": kind, "target": "", "text": "", "data": data}
    )


def whole(run: RunId, *targets: str, words: Sequence[str] = ()) -> tuple[str, ...]:
    """Write a run of four records."""
    begun = record(run, 1, "begun", targets=targets, words=words)
    return (begun, record(run, 2, "started"), record(run, 3, "finished"), record(run, 4, "ended", exit_code=0))


def loud(error: RebakeError) -> None:
    """Nothing is to be told."""
    raise error


def test_runs_of_both_places_are_one_list() -> None:
    """Newest first, each once, as many as asked; what is whole here is not fetched again."""
    here = Place({FIRST: whole(FIRST, "web"), THIRD: whole(THIRD, "api")})
    there = Place({FIRST: (), SECOND: whole(SECOND, "web-prod"), THIRD: ()})
    assert [one.run for one in newest([here, there], 2, loud)] == [THIRD, SECOND]
    assert [one.run for one in newest([here, there], 9, loud, about={"web", "web-prod"})] == [SECOND, FIRST]


def test_a_refused_run_is_found_by_its_words() -> None:
    """It has no plan, so no targets: what was asked names the fleet."""
    here = Place({FIRST: whole(FIRST, words=("roll", "web-prod"))})
    assert len(newest([here], 9, loud, about={"web-prod"})) == 1
    assert newest([here], 9, loud, about={"web-dev"}) == ()


def test_what_is_missing_here_comes_from_there() -> None:
    """The disk was full: the middle and the end are in the other place, progress only here."""
    first, second, third, last = whole(FIRST, "web")
    here, there = Place({FIRST: (first, second)}), Place({FIRST: (first, third, last)})
    assert [one.seq for one in told([here, there], FIRST, loud)] == [1, 2, 3, 4]
    (past,) = newest([here, there], 9, loud)
    assert past.ended is not None


def test_a_place_that_is_down_hides_no_other() -> None:
    """It is told; only what is nowhere else is an error."""
    first, *_ = whole(FIRST, "web")
    here, down = Place({FIRST: (first,)}), Place({}, down=True)
    warned: list[RebakeError] = []
    assert [one.ended for one in newest([here, down], 9, warned.append)] == [None]
    assert len(told([here, down], FIRST, warned.append)) == 1
    assert [error.message for error in warned] == ["S3 does not answer."] * 2
    with pytest.raises(Unavailable):
        told([here, down], SECOND, warned.append)
    with pytest.raises(UsageError, match="No journal here has a run latest"):
        told([here], "latest", loud)


def test_a_name_stands_for_what_concerns_it() -> None:
    """A family for its fleets, a fleet for its family, both for the cords of their scopes; nobody for the others."""
    fleets = (replace(fleet("web-prod"), patch_group="prod"), fleet("web-dev"), replace(fleet("api"), family="api"))
    configured = settings(*fleets)
    shared = {"web", "all", "web-prod", "fleet-web-prod", "group-prod"}
    assert names_about(configured, "web-prod") == shared
    assert names_about(configured, "web") == shared | {"web-dev", "fleet-web-dev"}
    assert names_about(configured, "gone") == {"gone"}
