"""A family's recipe: its template rendered, and every file that the template reads, by relative path.

Nothing here changes from run to run (no run ids, time stamps, source images, endpoints): the bake key hashes it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from pipeline.errors import ConfigError
from pipeline.model.images import Architecture
from pipeline.model.packages import Package
from pipeline.model.settings import AnsibleStep, Baseline, Connect, Family, FileStep, Provision, Secret, ShellStep
from pipeline.packer import hcl
from pipeline.packer.archive import content, pack, text, visible_files
from pipeline.packer.templates import JINJA_SUFFIX, SUFFIX, builtin_names, render
from pipeline.ports.builder import Rendered

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RESERVED = "rebake_"
_ANSIBLE = (
    *("roles", "templates", "files", "group_vars", "host_vars", "vars", "tasks", "handlers"),
    *("library", "module_utils", "filter_plugins"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A provisioning step as templates see it: its kind (shell, file, ansible) and its path in the build's folder."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A variable of the family as templates see it: never its value."""

    name: str
    secret: bool


PATCHES = PurePath("patches")
"""The file that a template's install script reads: exact packages, a line each."""


def render_survey(family: Family, *, builtins: Path) -> Rendered:
    """Render the template of a family so that it only surveys its source image: no image, no step, no variable.

    Raises:
        ConfigError: as for `render_recipe`, or the template cannot survey.
    """
    bare = replace(family, variables={}, provision=())
    rendered = render_recipe(bare, builtins=builtins, survey=True)
    if not any(b"rebake-survey" in content for path, content in rendered.files.items() if path.suffix == ".hcl"):
        raise _cannot_be_ruled(family)
    return rendered


def render_recipe(
    family: Family, *, builtins: Path, install: tuple[Package, ...] | None = None, survey: bool = False
) -> Rendered:
    """Render the template of a family and gather what it reads.

    ``install`` are the exact packages that a baseline of rules came to; None: the baseline is one word.

    Raises:
        ConfigError: all faults of the family's recipe that can be known without Packer.
    """
    _check(family)
    recipe, sources, folders = _template(family, builtins)
    files: dict[PurePath, bytes] = {}
    if install is not None:
        files[PATCHES] = "".join(f"{package}\n" for package in install).encode()
    steps = []
    for number, step in enumerate(family.provision, start=1):
        staged, path = _stage(step, number)
        files |= staged
        steps.append(path)
    context = {
        "family": family,
        "baseline": family.baseline if isinstance(family.baseline, Baseline) else "packages",
        "survey": survey,
        "steps": steps,
        "variables": [
            Declared(name=name, secret=isinstance(value, Secret)) for name, value in sorted(family.variables.items())
        ],
    }
    texts = {}
    for target, source in sources.items():
        if source.name.endswith(JINJA_SUFFIX):
            texts[target.with_name(target.name.removesuffix(".j2"))] = render(source, context, builtins=builtins)
        else:
            files[target] = content(source)
            if source.name.endswith(SUFFIX):
                texts[target] = text(source)
    for written in texts.values():
        files |= _read_by(written, folders)
    _check_use(family, texts, steps)
    if install is not None and not any(f'"{PATCHES}"' in text for text in texts.values()):
        raise _cannot_be_ruled(family)
    return Rendered(recipe=recipe, files=files | {path: written.encode() for path, written in texts.items()})


def _check(family: Family) -> None:
    where = f"families.{family.name}"
    build = family.build
    bad = (name for name in family.variables if not _NAME.fullmatch(name) or name.startswith(RESERVED))
    faults = [
        f"{where}.variables: {name!r} is no name for a variable (letters, digits, _; not {RESERVED}…)" for name in bad
    ]
    if build.connect is not Connect.SESSION_MANAGER and not build.source_cidr:
        faults.append(f"{where}.build.source_cidr: {build.connect} opens a port and must say to whom")
    if build.source_cidr and ipaddress.ip_network(build.source_cidr, strict=False).prefixlen == 0:
        faults.append(f"{where}.build.source_cidr: {build.source_cidr} would open the build instance to everyone")
    windows = family.template.startswith("windows-")
    if windows and family.architecture is Architecture.ARM64:
        faults.append(f"{where}.architecture: EC2 has no Windows Server for arm64")
    if windows and build.connect is Connect.SESSION_MANAGER:
        faults.append(
            f"{where}.build.connect: Packer's session-manager carries SSH only, and Windows is built over WinRM"
        )
    if faults:
        raise ConfigError(tuple(faults), hint="correct rebake.yaml")


def _template(family: Family, builtins: Path) -> tuple[str, Mapping[PurePath, Path], tuple[Path, ...]]:
    """Find the template: its name for the reader, its files by target path, and the folders its paths may mean."""
    if family.template in builtin_names(builtins):
        source = builtins / family.template / f"image{JINJA_SUFFIX}"
        return f"built-in template {family.template}", {PurePath(source.name): source}, (source.parent, builtins)
    path = Path(family.template)
    if path.is_dir():
        sources = {PurePath(found.relative_to(path)): found for found in visible_files(path)}
        if any(target.parent == PurePath() and str(target).endswith((SUFFIX, JINJA_SUFFIX)) for target in sources):
            return f"folder {path}", sources, (builtins,)
    elif path.is_file() and path.name.endswith((SUFFIX, JINJA_SUFFIX)):
        folders = (path.parent, builtins) if path.name.endswith(JINJA_SUFFIX) else (path.parent,)
        return f"template {path}", {PurePath(path.name): path}, folders
    known = ", ".join(builtin_names(builtins))
    kinds = f"*{SUFFIX}, *{JINJA_SUFFIX} or a folder of them"
    fault = f"families.{family.name}.template: {family.template} is no template ({kinds})"
    raise ConfigError((fault,), hint=f"correct the path, or use a built-in template: {known}")


def _stage(step: Provision, number: int) -> tuple[Mapping[PurePath, bytes], Staged]:
    folder = PurePath("provision")
    match step:
        case ShellStep(script=script):
            path = folder / f"{number:02}-{_plain(script.name)}"
            return {path: _read(Path(script))}, Staged(kind="shell", path=str(path))
        case FileStep(source=source, destination=destination):
            path = folder / f"{number:02}-{_plain(source.name)}.tar"
            return {path: pack(Path(source), destination)}, Staged(kind="file", path=str(path))
        case AnsibleStep(playbook=playbook):
            base, target = Path(playbook).parent, folder / f"{number:02}-ansible"
            path = target / _plain(playbook.name)
            # Only what Ansible itself looks for beside a playbook: the project's other files have no part in the image.
            beside = [found for name in _ANSIBLE for found in visible_files(base / name)]
            files = {target / found.relative_to(base): content(found) for found in beside}
            return files | {path: _read(Path(playbook))}, Staged(kind="ansible", path=str(path))


def _plain(name: str) -> str:
    """Name a file so that HCL, Packer's own template engine and a shell all read it as it is."""
    return re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise ConfigError(
            (f"{path} does not exist, and a provisioning step runs it",), hint="correct its path in rebake.yaml"
        )
    return content(path)


def _read_by(template: str, folders: tuple[Path, ...]) -> dict[PurePath, bytes]:
    """Gather the files and folders that a template's strings name, relative to itself."""
    files = {}
    for written in hcl.strings(template):
        named = PurePath(written.removeprefix("${path.root}/"))
        if not named.parts or named.is_absolute() or ("/" not in written and not named.suffix) or "$" in str(named):
            continue
        for folder in folders:
            found = folder / named
            if not _exists(found):
                continue
            if ".." in named.parts:
                fault = f"the template reads {written}, which lies outside its own folder"
                raise ConfigError((fault,), hint="name the folder above as the template, or move the file")
            for path in visible_files(found) if found.is_dir() else (found,):
                files[PurePath(path.relative_to(folder))] = content(path)
            break
    return files


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a string too long for a file name, or with a NUL: no path
        return False


def _cannot_be_ruled(family: Family) -> ConfigError:
    fault = f"families.{family.name}.baseline: a template of your own patches by itself, so no rules can be held to"
    return ConfigError((fault,), hint=f"say baseline: none, or extend linux{JINJA_SUFFIX} in a template of yours")


def _check_use(family: Family, texts: Mapping[PurePath, str], steps: list[Staged]) -> None:
    """Refuse what the template would silently ignore."""
    whole = "\n".join(texts.values())
    known = hcl.declared(whole)
    where = f"families.{family.name}"
    faults = [
        f"{where}.variables.{name}: the template declares no such variable"
        for name in family.variables
        if name not in known
    ]
    if any(f'"{step.path}"' not in whole for step in steps):
        faults.append(
            f"{where}.provision: a template of your own runs its own provisioners, so these steps would be ignored"
        )
    if faults:
        hint = f"declare the variables there; for provisioning steps extend linux{JINJA_SUFFIX} in a template of yours"
        raise ConfigError(tuple(faults), hint=hint)
