"""Debian's archive as this machine knows it: where it is, and how to get through to it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import Unavailable

SUITE = "bookworm"
_INDEX = "$(ORIGIN)|$(RELEASE)|$(REPO_URI)"
# What a box needs to reach the same archive: proxies, certificates, and a mirror's relaxed dates.
_CARRIED = ("Acquire::http::", "Acquire::https::", "Acquire::Check-", "Acquire::Retries", "Acquire::Languages")
_FILES = ("::CaInfo", "::SslCert", "::SslKey")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """``uri`` and ``security`` are repositories; ``settings`` are apt.conf lines; ``options`` go before apt's verbs."""

    uri: str
    security: str
    settings: tuple[str, ...]
    options: tuple[str, ...] = ()

    @property
    def sources(self) -> str:
        """The sources.list of an instance: the release, and its security updates, which the base does not have yet."""
        return f"deb {self.uri} {SUITE} main\ndeb {self.security} {SUITE}-security main\n"


def find_archive(scratch: Path) -> Archive:
    """Find Debian's archive in this machine's apt configuration; ``scratch`` takes package lists where it has none.

    Raises:
        Unavailable: the machine has no Debian archive configured, or it cannot be reached.
    """
    options: tuple[str, ...] = ()
    found = _repositories(options)
    if not found:
        lists = scratch / "lists"
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        options = ("-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={scratch}")
        apt([*options, "update"])
        found = _repositories(options)
    main = found.get(SUITE) or next((uri for name, uri in found.items() if "-" not in name), None)
    security = found.get(f"{SUITE}-security") or next((u for n, u in found.items() if n.endswith("-security")), None)
    if main is None or security is None:
        raise Unavailable(
            "apt on this machine names no Debian archive with its security updates",
            hint="add both to /etc/apt and run apt-get update, or use tier B",
        )
    return Archive(uri=main, security=security, settings=_settings(), options=options)


def apt(words: Sequence[str], *, cwd: Path | None = None) -> str:
    """Run apt-get and answer what it says.

    Raises:
        Unavailable: it failed; the message carries its last line.
    """
    done = subprocess.run(
        ["apt-get", "-q", *words],
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Unavailable(f"apt-get {words[-1]} failed: {last}", hint="see whether apt-get update works here")
    return done.stdout


def fetch_package(name: str, archive: Archive, folder: Path) -> Path:
    """Unpack a Debian package into a folder without installing it, and answer the folder; cached.

    Raises:
        Unavailable: it cannot be downloaded.
    """
    target = folder / name
    if target.exists():
        return target
    part = folder / f"{name}.{os.getpid()}.part"
    shutil.rmtree(part, ignore_errors=True)
    (part / "tree").mkdir(parents=True)
    # APT::Sandbox::User: root's apt would otherwise complain that its download user cannot write here.
    apt([*archive.options, "-o", "APT::Sandbox::User=root", "download", name], cwd=part)
    for package in part.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, part / "tree"], check=True)
    if not target.exists():
        (part / "tree").rename(target)
    shutil.rmtree(part, ignore_errors=True)
    return target


def _repositories(options: Sequence[str]) -> dict[str, str]:
    listed = apt([*options, "indextargets", "Created-By: Packages", "--format", _INDEX])
    rows = (line.split("|") for line in listed.splitlines())
    return {release: uri for origin, release, uri in rows if origin == "Debian"}


def _settings() -> tuple[str, ...]:
    done = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True)
    lines = (line for line in done.stdout.splitlines() if line.startswith(_CARRIED) and ' "";' not in line)
    # A file named here is this machine's; the box finds its certificates among its own authorities.
    return tuple(line for line in lines if not any(f"{name} " in line for name in _FILES))
