"""The base image: a Debian of the release day, without the updates since, so that a bake has something to patch.

Built by mmdebstrap from suite ``bookworm`` alone, with ``bookworm-security`` in its sources; kept as a tarball under
the XDG cache folder, by a key over everything that goes into it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.errors import StepFailed
from pipeline.sandbox.real.children import kill_group
from pipeline.sandbox.real.userland.apt import SUITE, Archive, fetch_package, find_archive
from pipeline.sandbox.real.userland.namespaces import PATH, as_owner, is_root, run

PACKAGES = ("openssh-server", "nginx-light", "curl", "ca-certificates", "sudo", "procps")
_HERE = Path(__file__).parent
_HOOKS = ("slim.sh", "customize.sh")
_APT = Path("/etc/apt")
_AUTHORITIES = Path("/usr/local/share/ca-certificates")
_GRACE = 5.0  # seconds for mmdebstrap to unmount its tree


def cache_folder() -> Path:
    """Tell where base images are kept: ``$XDG_CACHE_HOME/rebake`` or ``~/.cache/rebake``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "rebake"


def obtain(cache: Path, on_line: Callable[[str], None]) -> Path:
    """Take the base image's tarball from the cache, or build it (about 20 s on two cores).

    Raises:
        Unavailable: Debian's archive cannot be reached.
        StepFailed: mmdebstrap failed; its output went to ``on_line``.
    """
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / f"{SUITE}-{_key()}.tar{_suffix()}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second sandbox waits for the first one's image instead of building it too
        if target.exists():
            on_line(f"base image from the cache: {target.name}")
            return target
        with tempfile.TemporaryDirectory(prefix="apt-", dir=cache) as scratch:
            _build(target, find_archive(Path(scratch)), cache, on_line)
    return target


def unpack(tarball: Path, folder: Path) -> Path:
    """Unpack the base image below a folder, once; answer the tree.

    Raises:
        StepFailed: the tarball cannot be read, or the disk is full.
    """
    tree = folder / tarball.name.partition(".")[0]
    if tree.exists():
        return tree
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{tree.name}.part"
    run(as_owner("rm", "-rf", str(part)))
    part.mkdir(mode=0o755)
    try:
        # Device nodes cannot be made by ordinary users, and a boot mounts its own /dev.
        run(as_owner("tar", "-xf", str(tarball), "-C", str(part), "--numeric-owner", "--exclude=./dev/*"))
    except BaseException:
        run(as_owner("rm", "-rf", str(part)))
        raise
    part.rename(tree)
    return tree


def _key() -> str:
    """Hash what goes into the image. Of apt it takes the configuration's files: asking apt-get costs a second."""
    digest = hashlib.sha256("\0".join((SUITE, *PACKAGES)).encode())
    files = [_HERE / name for name in _HOOKS]
    for pattern in ("sources.list", "sources.list.d/*", "apt.conf", "apt.conf.d/*"):
        files += sorted(_APT.glob(pattern))
    for path in (*files, *_authorities()):
        if path.is_file() and os.access(path, os.R_OK):
            digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _authorities() -> list[Path]:
    return sorted(_AUTHORITIES.rglob("*.crt")) if _AUTHORITIES.is_dir() else []


def _suffix() -> str:
    # Measured on 155 MB: zstd -1 0.4 s and 52 MB, gzip -1 2.6 s and 56 MB.
    return ".zst" if shutil.which("zstd", path=PATH) else ".gz"


def _build(target: Path, archive: Archive, cache: Path, on_line: Callable[[str], None]) -> None:
    begun = time.monotonic()
    on_line(f"building a base image from Debian's {SUITE}: {', '.join(PACKAGES)}")
    part = cache / f"part-{target.name}"
    # Not below the cache: mmdebstrap drops privileges and could not step through a private home folder.
    work = Path(tempfile.mkdtemp(prefix="rebake-build-"))
    work.chmod(0o755)
    try:
        _seed(work, archive)
        _run_mmdebstrap(_arguments(part, archive, work), _search_path(archive, cache), work, on_line)
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
        run(as_owner("rm", "-rf", str(work)))
    on_line(f"base image built in {time.monotonic() - begun:.0f} s, {target.stat().st_size // 2**20} MiB")


def _seed(seed: Path, archive: Archive) -> None:
    (seed / "sources.list").write_text(archive.sources)
    (seed / "apt.conf").write_text("".join(f"{line}\n" for line in archive.settings))
    for name in _HOOKS:
        (seed / name).write_bytes((_HERE / name).read_bytes())
    if authorities := _authorities():
        (seed / "certificates").mkdir()
        for path in authorities:
            (seed / "certificates" / path.name).write_bytes(path.read_bytes())


def _arguments(part: Path, archive: Archive, seed: Path) -> list[str]:
    settings = [f"--aptopt={line.rstrip(';')}" for line in archive.settings]
    return [
        "mmdebstrap",
        "--variant=minbase",
        f"--mode={'root' if is_root() else 'unshare'}",
        f"--include={','.join(PACKAGES)}",
        "--dpkgopt=force-unsafe-io",
        *settings,
        f'--essential-hook=sh {seed}/slim.sh "$1"',
        f'--customize-hook=sh {seed}/customize.sh "$1" {seed}',
        SUITE,
        str(part),
        f"deb {archive.uri} {SUITE} main",
    ]


def _search_path(archive: Archive, cache: Path) -> str:
    if shutil.which("mmdebstrap", path=PATH) and shutil.which("mmtarfilter", path=PATH):
        return PATH
    tools = fetch_package("mmdebstrap", archive, cache / "tools")
    return f"{tools}/usr/bin:{PATH}"


def _run_mmdebstrap(words: Sequence[str], path: str, work: Path, on_line: Callable[[str], None]) -> None:
    process = subprocess.Popen(
        [*_leash(), *words],
        env={"PATH": path, "LC_ALL": "C.UTF-8", "HOME": str(Path.home()), "TMPDIR": str(work)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    last = ""
    try:
        for line in process.stdout or ():
            last = line.rstrip() or last
            on_line(line.rstrip())
        code = process.wait()
    except BaseException:
        _stop(process)
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()
    if code:
        raise StepFailed(f"mmdebstrap failed with {code}: {last}", hint="its output is above; tier B works without it")


def _leash() -> tuple[str, ...]:
    """Tell how to start a build that cannot outlive us: pdeathsig follows this thread, which waits for the build."""
    if not is_root():
        return ("setpriv", "--pdeathsig", "TERM")  # mmdebstrap makes its own namespaces
    # As root it mounts in the namespace it is in: killed, it would leave its mounts on the machine.
    spaces = ("--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    return ("setpriv", "--pdeathsig", "KILL", "unshare", *spaces, "--")


def _stop(process: subprocess.Popen[str]) -> None:
    """Stop a build: its whole group, for mmdebstrap itself only waits for the dpkg it has under way."""
    if not is_root():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    kill_group(process)
    process.wait()
