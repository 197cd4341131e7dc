from __future__ import annotations

from datetime import timedelta

import nouns
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.good import Good, Ledger
from pipeline.model.ids import ImageId
from pipeline.planning.good import renewed

DAY, WEEK = timedelta(days=1), timedelta(days=7)


def ledger(text: str) -> Ledger:
    """Read ``image:days ago`` words, newest first."""
    words = [word.split(":") for word in text.split()]
    return tuple(Good(image=ImageId(image), since=nouns.NOW - int(days) * DAY) for image, days in words)


@pytest.mark.parametrize(
    ("before", "image", "after"),
    [
        ("", "b", "b:0 a:0"),
        ("a:30", "b", "b:0 a:30"),
        ("b:6 a:30", "c", "c:0 b:6 a:30"),
        ("b:7 a:30", "c", "c:0 b:7"),
        ("b:7 a:30", "b", "b:7"),
        ("c:1 b:6 a:30", "b", "b:6 a:30"),
        ("c:1 b:6 a:30", "a", "a:30"),
        ("d:1 c:2 b:8", "e", "e:0 d:1 c:2 b:8"),
    ],
)
def test_what_stays_protected(before: str, image: str, after: str) -> None:
    """The newest that is proven is the last; whoever is come back to was good, and what came after it was not."""
    found = renewed(ledger(before), ImageId(image), before=ImageId("a"), now=nouns.NOW, keep=WEEK)
    assert found == ledger(after)


@given(st.lists(st.sampled_from("abcdef"), max_size=30))
def test_the_image_now_and_a_proven_one_are_always_there(images: list[str]) -> None:
    """Whatever is rolled, a day each: the newest is the image now, nothing older than the newest proven one stays."""
    known: Ledger = ()
    for day, image in enumerate(images):
        now = nouns.NOW + day * DAY
        known = renewed(known, ImageId(image), before=None, now=now, keep=WEEK)
        assert known[0].image == image
        assert [one for one in known[:-1] if now - one.since >= WEEK] == []
        assert renewed(known, ImageId(image), before=None, now=now, keep=WEEK) == known


def test_a_ledger_fits_into_its_parameter() -> None:
    """Of hundreds within the time the newest stay, and the proven one."""
    many = tuple(
        Good(image=ImageId(f"ami-{number:017x}"), since=nouns.NOW - number * timedelta(minutes=9))
        for number in range(1, 2000)
    )
    found = renewed(many, ImageId("ami-new"), before=None, now=nouns.NOW, keep=WEEK)
    assert len("\n".join(f"{one.image} {one.since.isoformat()}" for one in found)) < 4096
    assert nouns.NOW - found[-1].since >= WEEK
