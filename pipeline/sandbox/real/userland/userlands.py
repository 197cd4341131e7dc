"""The house of tier C.

Real: the userland, its packages, users, files and permissions; apt and dpkg; sshd (port 2222, root and ``admin``);
instances are separate in processes, mounts, host names and IPC. Not real: the kernel, disks, security groups, and the
network, which is this machine's: loopback addresses separate the instances, so a service has to listen on its own
address (``SANDBOX_ADDRESS``), never on all. There is no systemd; nothing pretends to be it. A boot runs sshd, nginx
where it is installed, user data (the first time, if it begins with ``#!``) and then ``/opt/app/start`` where it exists.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.sandbox.machines import MachineSpec, MachineState, Tier
from pipeline.sandbox.real.children import end
from pipeline.sandbox.real.commands import Invocation
from pipeline.sandbox.real.house import Box, Disk
from pipeline.sandbox.real.ports import open_port
from pipeline.sandbox.real.userland.namespaces import (
    ENVIRONMENT,
    as_owner,
    boxed,
    entered,
    overlay_options,
    run,
)

SSH_PORT = 2222
_HTTP = 80
_HERE = Path(__file__).parent
_UP_WITHIN = 30.0  # seconds to sshd's banner; 0.3 s on an idle machine
_POLL = 0.02
_SSHD = """\
Port {port}
ListenAddress {address}
PidFile /run/sshd.pid
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
# PAM would want a session manager that is not here.
UsePAM no
UseDNS no
MaxStartups 100
# Packer 1.6.6 signs with RSA and SHA-1, which OpenSSH no longer takes by itself.
PubkeyAcceptedAlgorithms +ssh-rsa
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
"""


class Userlands:
    """Boxes below one folder, all on one base tree."""

    def __init__(self, *, folder: Path, base: Path) -> None:
        self._folder = folder
        self._base = base

    @property
    def tier(self) -> Tier:
        """Tier C."""
        return Tier.USERLAND

    def layers(self, frozen: Sequence[Path]) -> tuple[Path, ...]:
        """Tell the base tree and everything frozen on top of it."""
        return (self._base, *frozen)

    def start(self, spec: MachineSpec, disk: Disk) -> Box:
        """Start a box: namespaces, overlay, process 1."""
        for name in ("upper", "work", "root", "seed"):
            (disk.folder / name).mkdir(parents=True, exist_ok=True)
            (disk.folder / name).chmod(0o755)  # `upper` becomes the box's /
        _seed(disk.folder / "seed", spec, first_boot=disk.first_boot)
        # Relative paths: mount takes one page of options, and a long chain of absolute ones would not fit.
        within = disk.folder.relative_to(self._folder)
        variables = {
            "LOWER": ":".join(str(layer.relative_to(self._folder)) for layer in reversed(disk.layers)),
            "UPPER": str(within / "upper"),
            "WORK": str(within / "work"),
            "ROOT": str(within / "root"),
            "SEED": str(within / "seed"),
            "OPTIONS": overlay_options(),
            "NAME": _host_name(spec),
        }
        log = disk.folder / "console.log"
        with log.open("ab") as console:
            process = subprocess.Popen(
                boxed("sh", str(_HERE / "boot.sh")),
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env={**ENVIRONMENT, **variables},
                start_new_session=True,
            )
        return _Userland(process, spec, log)

    def copy(self, source: Path, target: Path) -> None:
        """Copy what a box changed, with owners, whiteouts and opaque marks."""
        run(as_owner("rm", "-rf", str(target)))
        run(as_owner("cp", "-a", str(source / "upper"), str(target)))

    def remove(self, folder: Path) -> None:
        """Remove a box's folder, which holds files of other users."""
        run(as_owner("rm", "-rf", str(folder)))


class _Userland:
    def __init__(self, process: subprocess.Popen[bytes], spec: MachineSpec, console: Path) -> None:
        self._process = process
        self._spec = spec
        self._console = console
        self._init = 0

    def wait(self, given_up: Callable[[], bool]) -> MachineState:
        """Wait for the banner of its sshd."""
        limit = time.monotonic() + _UP_WITHIN
        while self.alive() and not given_up() and time.monotonic() < limit:
            if _greets(self._spec.address):
                self._init = _only_child(self._process.pid)
                return MachineState.RUNNING if self._init > 0 else MachineState.FAILED
            time.sleep(_POLL)
        return MachineState.FAILED

    def alive(self) -> bool:
        """Whether its process 1 runs."""
        return self._process.poll() is None

    def last_words(self) -> str:
        """Tell the last line of its console."""
        lines = self._console.read_text(errors="replace").splitlines()
        return lines[-1] if lines else ""

    def serve(self, port: int) -> None:
        """Learn of a port: what listens in a userland is its own business."""

    def invocation(self, script: str) -> Invocation:
        """Run as root inside."""
        env = {**ENVIRONMENT, "HOME": "/root", "USER": "root", **_facts(self._spec)}
        return Invocation(argv=entered(self._init, "/bin/sh", "-c", script), cwd=Path("/"), env=env)

    def end(self) -> None:
        """End process 1, and so everything inside."""
        end(self._process)


def _seed(seed: Path, spec: MachineSpec, *, first_boot: bool) -> None:
    """Write what a boot finds under /run/sandbox: in memory there, so that no image ever carries it."""
    name = _host_name(spec)
    port = open_port(_HTTP)
    environment = "".join(f"export {key}='{value}'\n" for key, value in {**ENVIRONMENT, **_facts(spec)}.items())
    texts = {
        "init": (_HERE / "init.sh").read_text(),
        "environment": f"{environment}export HOME=/root\n",
        "sshd_config": _SSHD.format(port=SSH_PORT, address=spec.address),
        "nginx-listen.conf": f"listen {spec.address}:{port} default_server;\n",
        "hosts": f"127.0.0.1 localhost\n{spec.address} {name}\n",
        "authorized_keys": "".join(f"{key.strip()}\n" for key in spec.authorized_keys),
    }
    for file, text in texts.items():
        (seed / file).write_text(text)
    user_data = seed / "user-data"
    user_data.unlink(missing_ok=True)
    if first_boot and spec.user_data.startswith(b"#!"):
        user_data.write_bytes(spec.user_data)
        user_data.chmod(0o700)


def _facts(spec: MachineSpec) -> dict[str, str]:
    return {
        "SANDBOX_INSTANCE": spec.instance,
        "SANDBOX_IMAGE": spec.image,
        "SANDBOX_ADDRESS": spec.address,
        "SANDBOX_HTTP_PORT": str(open_port(_HTTP)),
    }


def _host_name(spec: MachineSpec) -> str:
    return f"ip-{spec.address.replace('.', '-')}"


def _greets(address: str) -> bool:
    try:
        with socket.create_connection((address, SSH_PORT), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _only_child(pid: int) -> int:
    """Find process 1 of a box as this machine numbers it: the one child of its unshare."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else 0
