from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.ids import BakeKey, ImageId
from pipeline.model.images import Architecture
from pipeline.model.settings import Baseline, Family, Secret
from pipeline.planning.bake_key import bake_key, family_key

NAMES = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=8)
FILES = st.dictionaries(NAMES.map(PurePath), st.binary(max_size=16), max_size=4)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SECRETS = st.builds(Secret, service=st.sampled_from(["ssm", "secret"]), name=NAMES)
VARIABLES: st.SearchStrategy[dict[str, str | Secret]] = st.dictionaries(NAMES, VALUES | SECRETS, max_size=4)
RECIPES = st.tuples(
    FILES, NAMES.map(ImageId), st.sampled_from(list(Architecture)), st.sampled_from(list(Baseline)), VARIABLES
)
Recipe = tuple[dict[PurePath, bytes], ImageId, Architecture, Baseline, dict[str, str | Secret]]


class Parts(TypedDict):
    """The keyword arguments of a bake key."""

    source: ImageId
    architecture: Architecture
    baseline: Baseline
    variables: Mapping[str, str | Secret]


def parts(**changes: object) -> Parts:
    """Answer the usual recipe with some parts changed."""
    usual = {
        "source": ImageId("ami-1"),
        "architecture": Architecture.X86_64,
        "baseline": Baseline.SECURITY,
        "variables": {"app_version": "2.4.1"},
    }
    return {**usual, **changes}  # type: ignore[typeddict-item]  # the tests name parts that exist


RENDERED = {PurePath("image.pkr.hcl"): b"source {}\n", PurePath("scripts/app.sh"): b"#!/bin/sh\n"}


def key(recipe: Recipe) -> BakeKey:
    """Hash a generated recipe."""
    files, source, architecture, baseline, variables = recipe
    return bake_key(files, source=source, architecture=architecture, baseline=baseline, variables=variables)


def test_vectors() -> None:
    """The encoding never changes silently: these keys are written on images."""
    assert bake_key(RENDERED, **parts()) == "1af1b950782a66c2b2fe6f6c5077c4c5f778b39b3baa7f7cca2757f1792b6693"
    assert (
        bake_key({}, **parts(variables={"t": Secret(service="ssm", name="/t")}))
        == "7066c8b223a7cc96c680f6f47030dc0f54587e69eb6d8d0957265b6492c03f79"
    )


@given(RECIPES, RECIPES)
def test_different_recipes_have_different_keys(one: Recipe, other: Recipe) -> None:
    """Keys agree exactly when everything else does."""
    assert (key(one) == key(other)) == (one == other)


@given(RECIPES)
def test_order_does_not_matter(recipe: Recipe) -> None:
    """Files and variables may come in any order."""
    files, source, architecture, baseline, variables = recipe
    again = (
        dict(reversed(files.items())), source, architecture, baseline, dict(reversed(variables.items())),
    )  # fmt: skip
    assert key(again) == key(recipe)


@pytest.mark.parametrize(
    "changed",
    [
        parts(source=ImageId("ami-2")),
        parts(architecture=Architecture.ARM64),
        parts(baseline=Baseline.ALL),
        parts(variables={}),
        parts(variables={"app_version": "2.4.2"}),
        parts(variables={"app_versio": "n2.4.1"}),
        parts(variables={"app_version": Secret(service="ssm", name="2.4.1")}),
        parts(variables={"app_version": Secret(service="secret", name="2.4.1")}),
    ],
)
def test_any_changed_part_changes_the_key(changed: Parts) -> None:
    """A new source, architecture, baseline or variable is a new image."""
    assert bake_key(RENDERED, **changed) != bake_key(RENDERED, **parts())


def test_file_boundaries_count() -> None:
    """Moving bytes between a name and its content, or between files, changes the key."""
    keys = {
        bake_key(files, **parts())
        for files in (
            {PurePath("a"): b"bc"},
            {PurePath("ab"): b"c"},
            {PurePath("a"): b"b", PurePath("c"): b""},
            {PurePath("a"): b"", PurePath("c"): b"b"},
        )
    }
    assert len(keys) == 4


def test_a_secret_counts_by_reference() -> None:
    """The key of a recipe with a secret depends on where the secret is kept, and there is no way to pass its value."""
    here = bake_key({}, **parts(variables={"t": Secret(service="ssm", name="/a")}))
    there = bake_key({}, **parts(variables={"t": Secret(service="ssm", name="/b")}))
    assert here != there


def test_the_key_of_a_family(family: Family) -> None:
    """A family's key is that of its recipe's parts."""
    whole = family_key(family, RENDERED, ImageId("ami-1"))
    assert whole == bake_key(RENDERED, **parts(baseline=family.baseline, variables=family.variables))
