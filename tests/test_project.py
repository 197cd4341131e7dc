"""House rules that no linter knows: sizes, tables that repeat the code, the lock, the wheel, what no file may name."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import errors
from pipeline.cli.main import app
from pipeline.errors import ExitCode, RebakeError

ROOT = Path(__file__).parents[1]
FOLDERS = (".ci", "docs", "packer_templates", "pipeline", "scripts", "tests")
FILE_LINES = 300
BODY_LINES = 40
# In fragments, so that this file does not name what it forbids.
HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("golang", "org/dl"),
        ("proxy", "golang", "org"),
        ("crates", "io"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("snapshot", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("releases", "hashicorp", "com"),
    )
]
PLACES = [
    "/".join(parts)
    for parts in (("", "work", "main"), ("", "work", "shared"), ("", "opt", "wheels"), ("", "tmp", "v", ""))
]
UNFINISHED = ["TO" + "DO", "FIX" + "ME", "pragma: no" + " cover"]


def committed() -> Iterator[Path]:
    """Every text file of the project; generated folders lie beside these, not within."""
    yield from (ROOT / name for name in ("LICENSE", "Makefile"))
    yield from (path for path in ROOT.iterdir() if path.suffix in {".lock", ".md", ".toml", ".yaml"})
    for folder in FOLDERS:
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix != ".pyc")


def sources(*folders: str) -> list[Path]:
    """The Python files of these folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The length of a function without its signature and its docstring."""
    first = function.body[1:2] if ast.get_docstring(function) else function.body[:1]
    return (function.end_lineno or 0) - first[0].lineno + 1 if first else 0


def phony_targets() -> set[str]:
    """The targets that the Makefile declares, variables expanded."""
    text = (ROOT / "Makefile").read_text()
    variables = dict(re.findall(r"^(\w+) = (.*)$", text, re.MULTILINE))
    declared = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)[0]
    return set(re.sub(r"\$\((\w+)\)", lambda match: variables[match[1]], declared).split())


def test_exit_codes_are_documented() -> None:
    """docs/exit-codes.md lists exactly the codes of ExitCode, by number and name."""
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", (ROOT / "docs/exit-codes.md").read_text(), re.MULTILINE)
    assert [(int(code), name) for code, name in rows] == [(code.value, code.name) for code in ExitCode]


def test_the_error_tree_is_drawn_as_it_is() -> None:
    """The docstring of pipeline.errors shows every class under its parent, with the exit code it inherits."""
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (inspect.getdoc(errors) or "").splitlines()[2:]:
        if match := re.match(r"^ *([|` -]*)([A-Z]\w+)(?: |$)(?:.* exit (\d+)$)?", line):
            depth = len(match[1]) // 4
            path[depth:] = [match[2]]
            drawn[match[2]] = path[depth - 1] if depth else "Exception"
            if match[3]:
                assert int(match[3]) == getattr(errors, match[2]).exit_code
        elif drawn:
            break
    classes = [thing for thing in vars(errors).values() if inspect.isclass(thing) and issubclass(thing, RebakeError)]
    assert drawn == {error.__name__: error.__base__.__name__ for error in classes if error.__base__}


def test_no_file_is_too_long() -> None:
    """A Python file above the limit says that a wall is missing."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources("pipeline", "scripts")
    }
    assert {name: length for name, length in lengths.items() if length > FILE_LINES} == {}


def test_no_function_is_too_long() -> None:
    """A function body above the limit does more than one thing."""
    long = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": body_lines(node)
        for path in sources("pipeline", "scripts")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > BODY_LINES
    }
    assert long == {}


@pytest.mark.parametrize("forbidden", [HOSTS, PLACES, UNFINISHED], ids=["hosts", "places", "unfinished"])
def test_no_file_names(forbidden: list[str]) -> None:
    """No index or mirror, no path of somebody's machine, nothing unfinished."""
    pattern = re.compile(r"(?<!\w)(" + "|".join(map(re.escape, forbidden)) + r")(?!\w)")
    assert [
        str(path.relative_to(ROOT)) for path in committed() if pattern.search(path.read_text(errors="replace"))
    ] == []


def test_every_exception_to_a_rule_has_its_reason() -> None:
    """What silences a linter says why, on the same line."""
    silent = re.compile(r"# (noqa(?!: [A-Z0-9, ]+ - \w)|type: ignore(?!\[[\w, -]+\] +(#|-) ?\w))")
    assert [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources("pipeline", "scripts", "tests")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if silent.search(line) and path != Path(__file__)
    ] == []


def test_links_between_documents_hold() -> None:
    """Every relative link in a Markdown file leads to a file."""
    broken = [
        f"{document.relative_to(ROOT)}: {link}"
        for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
        if not (document.parent / link).exists()
    ]
    assert broken == []


def test_the_sandbox_is_shown_by_tests_that_exist() -> None:
    """docs/sandbox.md names tests of the sandbox, by file or by pattern, and each of them is there."""
    rows = re.findall(r"^\|.*\| ([^|]*) \|$", (ROOT / "docs/sandbox.md").read_text(), re.MULTILINE)
    named = {name for cell in rows for name in re.findall(r"[\w/]*test_[\w*]+", cell)}
    places = [name if "/" in name else f"tests/sandbox/{name}" for name in named]
    assert places
    assert [place for place in places if not any(ROOT.glob(f"{place}.py"))] == []


def test_decisions_are_numbered_and_listed() -> None:
    """ADRs count from 0001 without a gap, carry their number as title, and stand in the index under that title."""
    records = sorted((ROOT / "docs/adr").glob("0*.md"))
    titles = [record.read_text().splitlines()[0].removeprefix("# ") for record in records]
    listed = re.findall(r"^\| \[(\d{4})\]\((.+)\) \| (.+) \|$", (ROOT / "docs/adr/README.md").read_text(), re.MULTILINE)
    assert [title[:4] for title in titles] == [f"{number:04}" for number in range(1, len(records) + 1)]
    assert [(name, f"{number} {title}") for number, name, title in listed] == [
        (record.name, title) for record, title in zip(records, titles, strict=True)
    ]


def test_the_lock_is_complete_and_names_no_index() -> None:
    """Each package has hashes, each dependency of pyproject.toml is there, and no line is an option or an address."""
    lock = (ROOT / "requirements.lock").read_text()
    entries = re.findall(
        r"^([a-z0-9-]+)(?:\[[\w,-]+\])?==\S+ \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", lock, re.MULTILINE
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    names = {re.split(r"[\[<>=~! ]", name, maxsplit=1)[0].replace(".", "-") for name in wanted}
    assert names <= {name for name, _ in entries}
    assert [
        line for line in lock.splitlines() if not re.match(r"[a-z0-9-]+==\S+ \\$|    --hash=|    #|#|$", line)
    ] == []
    assert "://" not in lock


def test_make_help_tells_of_every_target() -> None:
    """`make help` names each target, and each verb has one; for `check` it is `preflight`."""
    told = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = phony_targets()
    verbs = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    assert {target for target in targets if not re.search(rf"(make|\|) {target}\b", told)} == {"help"}
    assert verbs - {"check"} <= targets
    assert "preflight" in targets


def test_the_wheel_carries_the_templates(tmp_path: Path) -> None:
    """A wheel built from the tree has every template, the type marker and the licence, and no test."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    folder = ROOT / "packer_templates"
    templates = {
        f"pipeline/packer/templates/{path.relative_to(folder)}" for path in folder.rglob("*") if path.is_file()
    }
    assert templates | {"pipeline/py.typed"} <= names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert not any(name.startswith("tests/") for name in names)
