"""What a group's own tags say: what is to be put back on it, and moments."""

from __future__ import annotations

from datetime import UTC, datetime

import nouns
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import NotPossible
from pipeline.model.names import TAG_RETIRE, TAG_UNDO
from pipeline.model.undo import Undo

SIZES = st.none() | st.integers(0, 10_000)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@given(
    undo=st.builds(
        Undo,
        run=st.just("20261124T120000-abcd"),
        minimum=SIZES,
        pinned=SIZES,
        resume=st.just(()) | st.just(("AZRebalance",)),
        unprotect=st.booleans(),
        version=SIZES,
        weight=st.none() | st.integers(0, 999),
        route=st.just("") | st.just("arn:listener-rule/web"),
    )
)
def test_what_is_written_down_is_read_back(undo: Undo) -> None:
    """Whatever was changed, its tags say it whole, each within the 256 characters that a tag's value has."""
    tags = undo.tags()
    assert nouns.group(tags=tags).undo == undo
    assert all(len(value) <= 256 for value in tags.values())


@pytest.mark.parametrize("text", ["", "x", "3", "[]", "null", '{"resume": 3}'])
def test_a_record_that_somebody_overwrote_is_told(text: str) -> None:
    """The group and the words are named: nothing is guessed, and nothing breaks off without a sentence."""
    with pytest.raises(NotPossible, match="web-prod is no record of a rollout") as caught:
        assert nouns.group(tags={TAG_UNDO: text}).undo
    assert "by hand" in caught.value.hint


@pytest.mark.parametrize("text", ["2026-11-24T12:00:00+00:00", "2026-11-24T12:00:00Z", "2026-11-24T12:00"])
def test_a_moment_may_be_written_by_hand(text: str) -> None:
    """To keep blue longer, say: without a zone it is UTC."""
    assert nouns.group(tags={TAG_RETIRE: text}).moment(TAG_RETIRE) == NOON
    assert nouns.group().moment(TAG_RETIRE) is None


def test_what_is_no_moment_is_told() -> None:
    """With the way to write one."""
    with pytest.raises(NotPossible, match="rebake:retire-after of group web-prod is no moment: soon") as caught:
        nouns.group(tags={TAG_RETIRE: "soon"}).moment(TAG_RETIRE)
    assert "2026-11-24T18:00:00Z" in caught.value.hint
