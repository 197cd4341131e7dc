"""File steps as archives: one upload that keeps modes and links, and the same bytes for the same files.

Packer's own upload drops a folder as a file where the destination does not exist, loses the execute bit of single
files, and writes as the login user; an archive unpacked by root has none of these traps.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pipeline.errors import ConfigError

_SKIPPED = {"__pycache__"}
_EXECUTABLE = 0o100


def visible_files(folder: Path) -> tuple[Path, ...]:
    """List the files and links below a folder, sorted, leaving out hidden folders and caches."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return tuple(sorted(path for path in found if not _skipped(path.relative_to(folder))))


def content(path: Path) -> bytes:
    """Read a file that goes into a build.

    Raises:
        ConfigError: it is a link to a folder, leads nowhere, or may not be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        cause = "is a link to a folder" if path.is_dir() else "leads nowhere" if path.is_symlink() else "cannot be read"
        why = "" if path.is_symlink() else f" ({error.strerror})"
        raise ConfigError(
            (f"{path} {cause}{why}, and the build would read it",),
            hint="put a readable copy in its place, or remove it",
        ) from error


def text(path: Path) -> str:
    """Read a template.

    Raises:
        ConfigError: as for `content`, or it is not UTF-8.
    """
    try:
        return content(path).decode()
    except UnicodeDecodeError as error:
        line = content(path).count(b"\n", 0, error.start) + 1
        raise ConfigError((f"{path}:{line}: is not UTF-8 text",), hint="save the template as UTF-8") from error


def pack(source: Path, destination: str) -> bytes:
    """Pack a file, or a folder's content, under its absolute names on the build instance.

    A file goes to exactly ``destination``, or into it when that ends with a slash; owner is root, modes are 0644 or
    0755.

    Raises:
        ConfigError: the source does not exist, or the destination is not absolute.
    """
    target = re.sub(r"^[A-Za-z]:", "", destination.replace("\\", "/"))
    if not target.startswith("/"):
        raise ConfigError(
            (f"the destination {destination!r} of {source} is not absolute",), hint="start it with a slash"
        )
    if not source.exists():
        raise ConfigError(
            (f"{source} does not exist, and a file step copies it",), hint="correct its path in rebake.yaml"
        )
    base = PurePosixPath(target.lstrip("/"))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, name in _members(source, base, into=target.endswith("/")):
            _add(archive, path, str(name))
    return buffer.getvalue()


def _members(source: Path, base: PurePosixPath, *, into: bool) -> Iterator[tuple[Path, PurePosixPath]]:
    if source.is_dir():
        for path in visible_files(source):
            yield path, base / path.relative_to(source).as_posix()
    else:
        yield source, base / source.name if into else base


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    if path.is_symlink():
        entry.type = tarfile.SYMTYPE
        entry.linkname = str(path.readlink())
        archive.addfile(entry)
        return
    data = content(path)
    entry.size = len(data)
    entry.mode = 0o755 if path.stat().st_mode & _EXECUTABLE else 0o644
    archive.addfile(entry, io.BytesIO(data))


def _skipped(relative: Path) -> bool:
    return any(part.startswith(".") or part in _SKIPPED for part in relative.parts[:-1])
