import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest
import testinfra.host
from testinfra.backend import BACKENDS, get_backend

from pipeline.model.ids import InstanceId
from pipeline.model.outcomes import Verdict
from pipeline.model.settings import SmokeSettings
from pipeline.ports.clock import Clock
from pipeline.ports.instances import Instance, RunCommand
from pipeline.probing import SmokeTests, plugin
from pipeline.probing.bridge import ADDRESS, bridge
from pipeline.probing.hygiene import test_hygiene as hygiene
from pipeline.probing.remote import RemoteShell

pytestmark = pytest.mark.userland


class Commands(RunCommand, Protocol):
    """Run Command through a shell that the test chooses."""

    shell: tuple[str, ...]
    scripts: list[str]


BOX = ("unshare", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c")
CLEAN = """
mount -t tmpfs none /etc/ssh
if [ -d /var/lib/dbus ]; then mount -t tmpfs none /var/lib/dbus; fi
: >{here}/machine-id; mount --bind {here}/machine-id /etc/machine-id
echo 'root:x:0:0::{here}/home:/bin/sh' >{here}/passwd; mount --bind {here}/passwd /etc/passwd
mkdir -p {here}/home/.ssh {here}/bin; keys={here}/home/.ssh/authorized_keys; rm -f $keys; id=/etc/machine-id
PATH={here}/bin:$PATH; export PATH
tool() {{ printf '#!/bin/sh\\n%s\\n' "$2" >{here}/bin/$1; chmod +x {here}/bin/$1; }}
tool apt-get 'echo "Inst tzdata [1] (2 Debian:12/oldstable-updates [all])"'
"""

Box = Callable[[str], testinfra.host.Host]


@pytest.fixture(scope="module", autouse=True)
def namespaces() -> None:
    """Skip where this user may not make namespaces."""
    if subprocess.run([*BOX, "mount -t tmpfs none /etc/ssh"], check=False, capture_output=True).returncode:
        pytest.skip("no namespaces for this user")


@pytest.fixture
def box(commands: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Box]:
    """Boot, for each command, a container whose first process starts now, after the given changes to a clean image."""
    assert BACKENDS["ssm"].startswith(str(plugin.__package__))
    with bridge(RemoteShell(commands, InstanceId("i-1"), lambda: timedelta(minutes=1))) as door:
        monkeypatch.setenv(ADDRESS, str(door.server_address))
        backend = get_backend("ssm://i-1")
        host = testinfra.host.Host(backend)
        backend.set_host(host)

        def box(changes: str) -> testinfra.host.Host:
            commands.shell = (*BOX, f'{CLEAN.format(here=tmp_path)}\n{changes}\nexec sh -c "$0"')
            return host

        yield box
        backend.close()


NO_APT = (
    "rm ${PATH%%:*}/apt-get; hide() { if [ -e $1 ]; then mount --bind /dev/null $1; fi; }; "
    "hide /usr/bin/apt-get; hide /usr/bin/dnf"
)
APPROVED = "mount -t tmpfs none /var/lib; mkdir /var/lib/rebake; echo 'openssl=3.0.22-1' >/var/lib/rebake/patches"
OLD = "touch -d '1 hour ago'"


@pytest.mark.parametrize(
    ("check", "changes", "said"),
    [
        (hygiene.test_no_ssh_host_keys_are_baked_in, f"{OLD} /etc/ssh/ssh_host_rsa_key", "image: ssh_host_rsa_key;"),
        (hygiene.test_no_machine_id_is_baked_in, f"echo 1 >$id; {OLD} $id", "/etc/machine-id was baked"),
        (hygiene.test_no_authorized_keys_are_baked_in, f"echo rsa A me >$keys; {OLD} $keys", "has its keys can log in"),
        (hygiene.test_no_authorized_keys_are_baked_in, "echo rsa A packer_6f >$keys", "temporary key of the build"),
        (
            hygiene.test_no_security_updates_are_pending,
            "tool apt-get 'echo \"Inst openssl [1] (2 Debian-Security:12/oldstable-security [amd64])\"'",
            "Pending security updates (1): openssl. Bake again.",
        ),
        (
            hygiene.test_no_security_updates_are_pending,
            f"{APPROVED}; tool dpkg-query 'echo 3.0.20-1'",
            "Approved, but not installed: openssl. Bake again.",
        ),
        (
            hygiene.test_disk_has_room,
            "tool df 'echo Filesystem; echo none 100 99 1 99% /'",
            "The root file system is full: 99 % of its space is used.",
        ),
        (hygiene.test_agent_answers, "tool sh 'exit 9'; tool mktemp 'exit 1'", "Run Command ended as Failed"),
    ],
)  # fmt: skip
def test_what_was_baked_in_is_found(
    box: Box, check: Callable[[testinfra.host.Host], None], changes: str, said: str
) -> None:
    """Each fault of an image makes its check fail in words that say what to do."""
    with pytest.raises((pytest.fail.Exception, RuntimeError)) as caught:
        check(box(changes))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        (hygiene.test_agent_answers, ""),
        (hygiene.test_no_ssh_host_keys_are_baked_in, ""),
        (hygiene.test_no_ssh_host_keys_are_baked_in, "touch /etc/ssh/ssh_host_rsa_key"),
        (hygiene.test_no_machine_id_is_baked_in, ""),
        (hygiene.test_no_machine_id_is_baked_in, "echo 0123 >/etc/machine-id"),
        (hygiene.test_no_machine_id_is_baked_in, f"echo uninitialized >/etc/machine-id; {OLD} /etc/machine-id"),
        (hygiene.test_no_authorized_keys_are_baked_in, ""),
        (hygiene.test_no_authorized_keys_are_baked_in, "echo ssh-rsa AAAA my-key-pair >$keys"),
        (hygiene.test_no_authorized_keys_are_baked_in, f"echo '# none' >$keys; {OLD} $keys"),
        (hygiene.test_no_security_updates_are_pending, ""),
        (
            hygiene.test_no_security_updates_are_pending,
            f"{APPROVED}; tool dpkg-query 'echo 3.0.22-1+b1'; tool apt-get 'echo \"Inst x [1] (2 A-security [all])\"'",
        ),
        (hygiene.test_disk_has_room, "tool df 'echo Filesystem; echo none 100 9 91 - /'"),
    ],
)
def test_what_is_made_at_boot_passes(box: Box, check: Callable[[testinfra.host.Host], None], changes: str) -> None:
    """What the boot made, or what is not there at all, is no fault."""
    check(box(changes))


def test_a_service_is_up_when_its_process_is(box: Box) -> None:
    """Without systemd a service is a process of its name."""
    hygiene.test_required_services_run(box("sleep 60 & sleep 0.1"), ["sleep.service"])


def test_a_service_that_stays_down_is_named(box: Box) -> None:
    """A service that does not come up in its minute fails by name (here a minute's sleeps take no time)."""
    with pytest.raises(pytest.fail.Exception, match="not running after a minute: nginx"):
        hygiene.test_required_services_run(box("tool sleep :"), ["nginx", "sh"])


def test_no_services_are_no_check() -> None:
    """Without required services there is nothing to check."""
    with pytest.raises(pytest.skip.Exception):
        hygiene.test_required_services_run(None, [])


def test_dnf_is_asked_where_there_is_no_apt(box: Box) -> None:
    """On Amazon Linux the advisories come from dnf."""
    listed = "tool dnf 'echo ALAS2023-2023-041 Important/Sec. openssl-3.0.8.x86_64'"
    with pytest.raises(pytest.fail.Exception, match=r"Pending security updates \(1\): openssl-3\.0\.8\.x86_64"):
        hygiene.test_no_security_updates_are_pending(box(f"{NO_APT}; {listed}"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ("tool apt-get 'echo no network; exit 100'", "the package lists cannot be fetched.\nno network"),
        (f"{NO_APT}; tool dnf 'echo no network >&2; exit 1'", "dnf failed.\nno network"),
    ],
)
def test_a_mirror_out_of_reach_is_no_fault_of_the_image(box: Box, changes: str, said: str) -> None:
    """What cannot be known is told as such, in words, and neither passes nor fails."""
    with pytest.raises(
        pytest.skip.Exception, match=re.escape(f"unknown: Whether updates are pending cannot be known: {said}")
    ):
        hygiene.test_no_security_updates_are_pending(box(changes))


def test_another_package_manager_does_not_apply(box: Box) -> None:
    """Where there is neither apt nor dnf, the check is skipped, not passed."""
    with pytest.raises(pytest.skip.Exception, match="neither apt-get nor dnf"):
        hygiene.test_no_security_updates_are_pending(box(NO_APT))


def test_the_suite_runs_as_a_whole(commands: Commands, clock: Clock, instance: Instance, tmp_path: Path) -> None:
    """The suite is found in the package, each check is one Run Command call, and services reach it."""
    here = tmp_path / "box"
    here.mkdir()
    commands.shell = (*BOX, f'{CLEAN.format(here=here)}\nsleep 60 & sleep 0.1\nexec sh -c "$0"')
    report = SmokeTests(commands, clock, tmp_path).run(SmokeSettings(services=("sleep",)), instance)
    assert {test.verdict for test in report.tests} == {Verdict.PASSED}, report.junit
    assert len(report.tests) == len(commands.scripts) == 7
    assert report.tests[0].name == "test_hygiene::test_agent_answers"
