from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config import load
from pipeline.errors import ConfigError
from pipeline.model.settings import Settings

Faults = Callable[[str], list[str]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ":1: is empty; `rebake init` writes a starter file"),
        ("version: [1\nfamilies: {}", ":2: not valid YAML: "),
        ("version: 1\n\ttab: 2", ":2: not valid YAML: "),
        ("a: 1\n---\nb: 2", ":2: not valid YAML: "),
        ("a: \x01", ":1: not valid YAML: a character that may not stand here"),
        ("[" * 500, ":1: nested too deeply"),
        ("fleets: {a: {gates: " + "[{all_of: " * 99 + "x" + "}]" * 99 + "}}", "all_of: must be a list, not 'x'"),
        ("a: 1\nb: 2\na: 3", ":3: a: stands twice; first on line 1"),
        ("a: !secret x", ":1: a: the tag !secret has no meaning here"),
        ("a: &a [*a]", ":1: a[0]: an alias may not contain itself"),
        ("? [1]\n: 2", ":1: a key must be a word"),
        ("<<: {a: 1}", ":1: merge keys (<<) are not YAML 1.2; write the keys out"),
        ('a: "\\0"', ":1: a: contains a control character"),
        ("- 1", ":1: must be a mapping (key: value), not a list"),
        ("a: [&b " + "[" * 9 + "x, x" + "]" * 9 + "]", ":1: a: unknown key; known here: version"),
    ],
)
def test_faults_of_yaml_itself_have_lines(faults: Faults, text: str, said: str) -> None:
    """Whatever is wrong with the YAML is told with its line."""
    assert any(said in fault for fault in faults(text))


def test_aliases_that_multiply_are_refused(faults: Faults) -> None:
    """A small file that unfolds into millions of values ends with a fault, not with the memory."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "too many values" in faults("\n".join(lines))[0]


def told(path: Path) -> tuple[str, ...] | None:
    """Load the file; its faults, or None when there are none."""
    try:
        assert isinstance(load(path), Settings)
    except ConfigError as error:
        return error.faults
    return None


_WORDS = st.sampled_from(
    [
        *(
            "version",
            "families",
            "fleets",
            "source",
            "owner",
            "name",
            "1",
            "web",
            "~",
            "*a",
            "&a",
            "!x",
            "\\0",
            "{",
            "}",
        ),
        *(
            "[",
            "]",
            ": ",
            "- ",
            "\n",
            "\n  ",
            "\n    ",
            ",",
            "'",
            '"',
            "|",
            "%YAML 9.9\n",
            "---",
            "#",
            "<<",
            "\ud800",
            "?",
        ),
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(), st.lists(_WORDS).map("".join)))
def test_any_text_gives_settings_or_faults(tmp_path: Path, text: str) -> None:
    """No text whatever makes loading fail otherwise than with a ConfigError that has lines."""
    path = tmp_path / "rebake.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert all(fault.startswith("rebake.yaml:") for fault in told(path) or ())


_KEYS = st.sampled_from(
    [
        *(
            "template",
            "source",
            "build",
            "smoke",
            "group",
            "family",
            "strategy",
            "instance_refresh",
            "tag",
            "web",
            "to",
        ),
        *("variables", "http", "owner", "name", "suites", "provision", "file", "from"),
        *("blue_green", "rule", "shifts", "partner", "gates", "all_of", "judge", "command", "probe", "patch_group"),
        *("wave", "canary", "floor"),
    ]
)
_VALUES = st.recursive(
    st.none() | st.sampled_from(["", "x", "1", "true", "-5", "ami-12345678", "g", "nul\x00", "90s"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(families=_VALUES, fleets=_VALUES, groups=_VALUES)
def test_any_structure_gives_settings_or_faults(
    tmp_path: Path, families: object, fleets: object, groups: object
) -> None:
    """No structure under the right top-level keys breaks the checks between parts."""
    path = tmp_path / "rebake.yaml"
    text = f"families: {_flow(families)}\nfleets: {_flow(fleets)}\npatch_groups: {_flow(groups)}\n"
    path.write_text(f"version: 1\n{text}", encoding="utf-8")
    assert all(fault.startswith("rebake.yaml:") for fault in told(path) or ())


def _flow(value: object) -> str:
    """Write a value in YAML's flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return "~" if value is None else '"' + str(value).replace("\x00", "\\0") + '"'
