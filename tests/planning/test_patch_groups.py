from __future__ import annotations

from dataclasses import replace

import nouns
import pytest

from pipeline.planning.patch_groups import astray, untagged


@pytest.mark.parametrize(
    ("own", "tags", "expected"),
    [
        (None, (None, None), {"in no patch group": 2}),
        (None, ("prod", None), {"in no patch group": 1}),
        ("prod", (None, None), {}),
        ("prod", ("prod", "prod"), {}),
        ("prod", ("prod", "dev"), {"tagged for patch group dev, not prod": 1}),
    ],
)
def test_instances_are_in_the_group_of_their_tag_or_of_their_fleet(
    own: str | None, tags: tuple[str | None, ...], expected: dict[str, int]
) -> None:
    """What is in none, and what is tagged for another than its fleet's, is counted."""
    view = nouns.fleet_view(nouns.OLD, nouns.OLD)
    members = tuple(replace(one, patch_group=tag) for one, tag in zip(view.group.members, tags, strict=True))
    settings = replace(view.settings, patch_group=own)
    view = replace(view, settings=settings, group=replace(view.group, members=members))
    assert astray(view) == expected
    assert untagged(view) == tags.count(None)


def test_an_instance_that_ec2_does_not_show_yet_is_not_counted() -> None:
    """Its tags are not known."""
    view = nouns.fleet_view(nouns.OLD)
    unseen = tuple(replace(one, image=None) for one in view.group.members)
    view = replace(view, group=replace(view.group, members=unseen))
    assert (astray(view), untagged(view)) == ({}, 0)
