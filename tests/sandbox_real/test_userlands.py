from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sandbox_real.living import descendants, gone, until

from pipeline.errors import StepFailed
from pipeline.sandbox.machines import (
    CommandOutput,
    FreezeState,
    Machines,
    MachineSpec,
    MachineState,
    Tier,
)
from pipeline.sandbox.real import SSH_PORT, open_machines, open_port, probe
from pipeline.sandbox.real.userland import namespaces
from pipeline.sandbox.real.userland.probe import userland_fault
from pipeline.sandbox.real.userland.rootfs import unpack

NET = "127.29.2"
FAULT = userland_fault()
pytestmark = [
    pytest.mark.userland,
    pytest.mark.mirror,  # the base image is built when the cache does not have it
    pytest.mark.skipif(FAULT is not None, reason=f"no tier C on this machine: {FAULT}"),
]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep one folder for the module: unpacking the base image costs more than most tests."""
    folder = tmp_path_factory.mktemp("sandbox")
    folder.chmod(0o755)
    yield folder
    namespaces.run(namespaces.as_owner("rm", "-rf", str(folder)))


@pytest.fixture
def lines() -> list[str]:
    """Collect what the machines say."""
    return []


@pytest.fixture
def machines(state: Path, lines: list[str]) -> Iterator[Machines]:
    """Open tier C; afterwards no child of ours may be left."""
    before = descendants(os.getpid())
    opened = open_machines(Tier.USERLAND, state_dir=state, speed=10, on_line=lines.append)
    yield opened
    opened.close()
    until(lambda: descendants(os.getpid()) <= before)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a key pair as EC2 does."""
    path = tmp_path_factory.mktemp("keys") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", path], check=True)
    return path


def spec(number: int, image: str = "ami-base", *, key: Path | None = None, user_data: bytes = b"") -> MachineSpec:
    """Describe an instance."""
    keys = (key.with_suffix(".pub").read_text(),) if key else ()
    return MachineSpec(
        instance=f"i-{number}",
        image=image,
        address=f"{NET}.{number}",
        authorized_keys=keys,
        user_data=user_data,
    )


def boot(machines: Machines, *specs: MachineSpec) -> None:
    """Boot and wait."""
    for one in specs:
        machines.boot(one)
    until(lambda: all(machines.state(one.instance) is not MachineState.BOOTING for one in specs))
    assert [machines.state(one.instance) for one in specs] == [MachineState.RUNNING] * len(specs)


def run(machines: Machines, number: int, script: str, seconds: float = 60) -> CommandOutput:
    """Run a command to its end."""
    command = machines.command(f"i-{number}", script, timedelta(seconds=seconds))
    until(lambda: command.poll() is not None, within=seconds + 10)
    output = command.poll()
    assert output is not None
    return output


def said(machines: Machines, number: int, script: str) -> str:
    """Run a command that must succeed and answer what it said."""
    output = run(machines, number, script)
    assert output.status == "Success", output
    return output.stdout.strip()


def ended(machines: Machines, number: int) -> None:
    """Stop and wait."""
    machines.stop(f"i-{number}")
    until(lambda: machines.state(f"i-{number}") is MachineState.STOPPED)


def test_the_probe_tries_and_finds_tier_c() -> None:
    """The skip above rests on it."""
    assert probe().tier is Tier.USERLAND


@pytest.mark.parametrize("user", ["root", "admin"])
def test_ssh_leads_into_it(machines: Machines, key: Path, tmp_path: Path, user: str) -> None:
    """With the instance's key, as root and as admin, who may become root; files go over sftp."""
    if shutil.which("ssh") is None or shutil.which("sftp") is None:
        pytest.skip("there is no ssh client on this machine")
    boot(machines, spec(1, key=key))
    options = ["-q", "-i", str(key), "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oBatchMode=yes"]
    there = f"{user}@{NET}.1"
    done = subprocess.run(
        ["ssh", *options, "-p", str(SSH_PORT), there, "id -un; sudo id -un; hostname"],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.stdout.split() == [user, "root", "ip-127-29-2-1"]
    (tmp_path / "file").write_text("sent")
    batch = f"put {tmp_path}/file sent-by-{user}\n"
    subprocess.run(
        ["sftp", *options, "-P", str(SSH_PORT), "-b", "-", there],
        input=batch,
        text=True,
        check=True,
        capture_output=True,
    )
    assert said(machines, 1, f"cat ~{user}/sent-by-{user}") == "sent"


def test_it_is_a_debian_of_its_own(machines: Machines) -> None:
    """Own processes, files, name and identity; the machine's resolver; nobody else's address."""
    boot(machines, spec(1), spec(2))
    assert said(machines, 1, ". /etc/os-release; echo $ID $VERSION_ID") == "debian 12"
    assert said(machines, 1, "cat /proc/1/cmdline | tr '\\0' ' '") == "/bin/sh /run/sandbox/init"
    assert said(machines, 1, "cat /etc/machine-id") != said(machines, 2, "cat /etc/machine-id")
    assert said(machines, 1, "id -u; echo $SANDBOX_ADDRESS").split() == ["0", f"{NET}.1"]
    assert said(machines, 1, "cat /etc/resolv.conf") == Path("/etc/resolv.conf").read_text().strip()
    assert said(machines, 1, "grep -c bookworm-security /etc/apt/sources.list") == "1"
    with urllib.request.urlopen(f"http://{NET}.2:{open_port(80)}/", timeout=5) as response:
        assert "nginx" in response.headers["Server"]


def test_user_data_runs_once_and_the_start_contract_each_time(machines: Machines) -> None:
    """As cloud-init and a service would; user data that is no script is left alone."""
    script = b"#!/bin/sh\necho once >>/var/log/first\nmkdir -p /opt/app\nprintf '%s\\n' '#!/bin/sh' "
    script += b"'echo $SANDBOX_ADDRESS >>/var/log/started; exec sleep 1000' >/opt/app/start\nchmod +x /opt/app/start\n"
    boot(machines, spec(1, user_data=script), spec(2, user_data=b"not a script"))
    until(lambda: run(machines, 1, "cat /var/log/started").stdout == f"{NET}.1\n")
    ended(machines, 1)
    boot(machines, spec(1, user_data=script))
    until(lambda: run(machines, 1, "cat /var/log/started").stdout == f"{NET}.1\n" * 2)
    assert said(machines, 1, "cat /var/log/first") == "once"
    assert said(machines, 2, "ls /run/sandbox") == said(machines, 1, "ls /run/sandbox")


def test_an_image_keeps_what_was_changed_and_nothing_of_its_machine(machines: Machines, state: Path) -> None:
    """New, changed and removed files survive two layers; keys and identity that were cleaned up stay away."""
    boot(machines, spec(1))
    said(machines, 1, "echo one >/srv/file; rm -r /etc/skel /var/www/html; mkdir /var/www/html; chown admin /srv/file")
    said(machines, 1, "rm -f /etc/ssh/ssh_host_* /root/.ssh/authorized_keys; : >/etc/machine-id")
    ended(machines, 1)
    machines.freeze("i-1", "ami-1")
    until(lambda: machines.image_state("ami-1") is not FreezeState.PENDING)
    assert machines.image_state("ami-1") is FreezeState.AVAILABLE
    disk = state / "images" / "ami-1" / "disk"
    assert not list(disk.glob("etc/ssh/ssh_host_*"))
    assert (disk / "etc" / "machine-id").read_text() == ""
    assert not list(disk.glob("run/*"))
    machines.terminate("i-1")
    until(lambda: machines.state("i-1") is MachineState.GONE)
    boot(machines, spec(2, "ami-1"))
    assert (
        said(machines, 2, "cat /srv/file; stat -c %U /srv/file; ls -d /etc/skel; ls /var/www/html; true")
        == "one\nadmin"
    )
    said(machines, 2, "echo two >>/srv/file")
    machines.freeze("i-2", "ami-2")
    until(lambda: machines.image_state("ami-2") is FreezeState.AVAILABLE)
    boot(machines, spec(3, "ami-2"))
    assert said(machines, 3, "cat /srv/file; ls -d /etc/skel 2>&1 | wc -l") == "one\ntwo\n1"
    for image in ("ami-1", "ami-2"):
        machines.forget_image(image)


def test_apt_reaches_the_archive(machines: Machines) -> None:
    """There are security updates to install, and the box can see them."""
    boot(machines, spec(1))
    assert run(machines, 1, "apt-get -q update").status == "Success"
    updates = said(machines, 1, "apt-get -s upgrade | grep ^Inst")
    assert "Debian-Security" in updates


def test_commands_end_with_their_time_and_with_their_machine(machines: Machines) -> None:
    """What they started in the box ends with them."""
    boot(machines, spec(1))
    assert run(machines, 1, "sleep 333", 0.3) == CommandOutput(status="TimedOut", exit_status=-1)
    until(lambda: "sleep 333" not in said(machines, 1, "ps ax"))
    command = machines.command("i-1", "sleep 333", timedelta(seconds=60))
    ended(machines, 1)
    output = command.poll()
    assert output is not None
    assert output.status == "Cancelled"


def test_a_box_that_cannot_come_up_has_failed(machines: Machines, lines: list[str]) -> None:
    """Here because its disk has no shell to run; the console says so."""
    boot(machines, spec(1))
    said(machines, 1, "rm /bin/sh /usr/sbin/sshd; true")
    ended(machines, 1)
    machines.boot(spec(1))
    until(lambda: machines.state("i-1") is MachineState.FAILED)
    until(lambda: any("i-1 is failed" in line and "/bin/sh" in line for line in lines))


def test_a_boot_can_be_given_up(machines: Machines) -> None:
    """A stop does not wait for sshd."""
    machines.boot(spec(1))
    machines.stop("i-1")
    until(lambda: machines.state("i-1") is MachineState.STOPPED)
    machines.boot(spec(1))
    machines.terminate("i-1")
    until(lambda: machines.state("i-1") is MachineState.GONE)


def test_no_box_outlives_a_killed_sandbox(state: Path) -> None:
    """Kill -9 leaves no process of it, whoever started what inside."""
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from pipeline.sandbox.machines import *\nfrom pipeline.sandbox.real import open_machines\n"
        "m = open_machines(Tier.USERLAND, state_dir=Path(sys.argv[1]), speed=1)\n"
        f"m.boot(MachineSpec(instance='i-1', image='ami-1', address='{NET}.77'))\n"
        "while m.state('i-1') is not MachineState.RUNNING: time.sleep(0.01)\n"
        "from datetime import timedelta\n"
        "m.command('i-1', 'setsid sleep 444 & sleep 444', timedelta(seconds=60))\n"
        "time.sleep(0.2)\nprint('up', flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, state], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        children = descendants(parent.pid)
        assert len(children) > 5
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    until(lambda: gone(children))


def test_a_tarball_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    """A half-unpacked base would boot, and fail later."""
    (tmp_path / "base.tar").write_text("no tarball")
    with pytest.raises(StepFailed, match="tar"):
        unpack(tmp_path / "base.tar", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
