from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sandbox_real.booting import CHECK, DOOR, NET, answers, boot, door, get, group, run, spec
from sandbox_real.living import descendants, gone, until

from pipeline.errors import NotPossible
from pipeline.sandbox.machines import (
    CommandOutput,
    FreezeState,
    Machines,
    MachineState,
    Target,
    TargetGroup,
    Tier,
    Traffic,
)
from pipeline.sandbox.real import open_machines, open_port

SPEED = 10.0


@pytest.fixture
def lines() -> list[str]:
    """Collect what the machines say."""
    return []


@pytest.fixture
def machines(tmp_path: Path, lines: list[str]) -> Iterator[Machines]:
    """Open tier B; afterwards no child of ours may be left."""
    before = descendants(os.getpid())
    opened = open_machines(Tier.PROCESS, state_dir=tmp_path, speed=SPEED, on_line=lines.append)
    yield opened
    opened.close()
    until(lambda: descendants(os.getpid()) <= before)


def test_an_instance_answers_on_its_own_address(machines: Machines) -> None:
    """It says which it is, and is online until it is stopped."""
    boot(machines, spec(1), spec(2, "sick"))
    assert machines.tier is Tier.PROCESS
    assert get(f"{NET}.1") == (200, {"instance": "i-1", "image": "ami-1", "status": 200})
    assert get(f"{NET}.2")[0] == 500
    assert machines.online("i-1")
    machines.stop("i-1")
    until(lambda: machines.state("i-1") is MachineState.STOPPED)
    assert not machines.online("i-1")
    boot(machines, spec(1))
    assert get(f"{NET}.1")[0] == 200


def test_what_is_asked_twice_is_done_once(machines: Machines) -> None:
    """The control plane reconciles by asking again; instances it never heard of are gone."""
    boot(machines, spec(1))
    machines.boot(spec(1))
    assert machines.state("i-1") is MachineState.RUNNING
    for _ in range(2):
        machines.stop("i-1")
        machines.terminate("i-1")
        machines.terminate("i-9")
        machines.stop("i-9")
    until(lambda: machines.state("i-1") is MachineState.GONE)
    machines.boot(spec(1))
    assert machines.state("i-1") is MachineState.GONE
    assert machines.state("i-9") is MachineState.GONE


def test_a_machine_whose_process_dies_is_stopped(machines: Machines, tmp_path: Path) -> None:
    """As an instance is that shuts itself down; it can be started again."""
    boot(machines, spec(1))
    for pid in descendants(os.getpid()):
        if Path(f"/proc/{pid}/cwd").resolve() == tmp_path / "machines" / "i-1":
            os.kill(pid, signal.SIGKILL)
    until(lambda: machines.state("i-1") is MachineState.STOPPED)
    boot(machines, spec(1))


def test_an_address_that_is_taken_fails_the_boot(machines: Machines, lines: list[str]) -> None:
    """The state and a line say so; nothing waits for ever."""
    with socket.create_server((f"{NET}.1", open_port(80))):
        machines.boot(spec(1))
        until(lambda: machines.state("i-1") is MachineState.FAILED)
    until(lambda: any("is taken" in line for line in lines))


def test_a_folder_that_cannot_be_made_fails_the_boot(machines: Machines, tmp_path: Path, lines: list[str]) -> None:
    """The reason is told."""
    (tmp_path / "machines").write_text("in the way")
    machines.boot(spec(1))
    until(lambda: machines.state("i-1") is MachineState.FAILED)
    assert any("i-1 cannot boot" in line for line in lines)


def test_health_follows_behaviour(machines: Machines) -> None:
    """Each behaviour ends in the state and with the reason that ELB gives."""
    kinds = ["healthy", "sick", "dead", "slow:5", "turns-sick-after:8"]
    boot(machines, spec(1))
    machines.route([door()], [group(1)])
    until(lambda: machines.health("tg", "i-1", 80).state == "healthy")
    boot(machines, *(spec(n, kind) for n, kind in enumerate(kinds, 1)))
    machines.route([door()], [group(1, 2, 3, 4, 5)])
    assert machines.health("tg", "i-4", 80).state == "initial"
    until(lambda: machines.health("tg", "i-5", 80).state == "healthy")
    until(lambda: machines.health("tg", "i-2", 80).reason == "Target.ResponseCodeMismatch")
    until(lambda: machines.health("tg", "i-3", 80).reason == "Target.FailedHealthChecks")
    assert machines.state("i-3") is MachineState.IMPAIRED
    assert not machines.online("i-3")
    until(lambda: machines.health("tg", "i-4", 80).state == "healthy")
    until(lambda: machines.health("tg", "i-5", 80).reason == "Target.ResponseCodeMismatch")
    assert get(DOOR)[0] == 200
    seen: list[Traffic] = []

    def heard() -> bool:
        seen.extend(machines.traffic())
        return bool(seen)

    until(heard)
    assert [(one.listener, one.group, dict(one.answers)) for one in seen] == [("l", "tg", {"Target_2XX": 1})]
    machines.route([], [])


def test_a_balancer_that_dies_is_started_again(machines: Machines) -> None:
    """With the same routing, by the next reconciliation."""
    boot(machines, spec(1))
    before = descendants(os.getpid())
    for _ in range(2):
        machines.route([door()], [group(1)])
        until(lambda: machines.health("tg", "i-1", 80).state == "healthy")
    balancers = descendants(os.getpid()) - before
    assert len(balancers) == 1
    for pid in balancers:
        os.kill(pid, signal.SIGKILL)
    until(lambda: gone(balancers))
    machines.route([door()], [group(1)])
    assert len(descendants(os.getpid()) - before - balancers) == 1
    until(lambda: answers(DOOR))


def test_a_target_on_another_port_is_served(machines: Machines) -> None:
    """The instance learns of the port from the routing, before or after its boot."""
    port = 18099
    one = TargetGroup(
        arn="tg",
        check=CHECK,
        targets=tuple(Target(instance=f"i-{n}", image="ami-1", address=f"{NET}.{n}", port=port) for n in (1, 2)),
    )
    boot(machines, spec(1))
    machines.boot(spec(2))
    machines.route([door()], [one])
    until(lambda: all(machines.health("tg", f"i-{n}", port).state == "healthy" for n in (1, 2)))


def test_an_image_is_a_copy_of_the_disk(machines: Machines, tmp_path: Path) -> None:
    """Instances of it find the files, images of images too; forgetting one leaves the others whole."""
    boot(machines, spec(1))
    assert run(machines, "i-1", "echo one >file; pwd").stdout == f"{tmp_path}/machines/i-1\n"
    machines.freeze("i-1", "ami-2")
    until(lambda: machines.image_state("ami-2") is FreezeState.AVAILABLE)
    boot(machines, spec(2, image="ami-2"))
    run(machines, "i-2", "echo two >>file")
    machines.freeze("i-2", "ami-3")
    until(lambda: machines.image_state("ami-3") is FreezeState.AVAILABLE)
    machines.forget_image("ami-2")
    boot(machines, spec(3, image="ami-3"))
    assert run(machines, "i-3", "cat file").stdout == "one\ntwo\n"
    assert machines.image_state("ami-base") is FreezeState.AVAILABLE
    machines.forget_image("ami-3")
    for number in (2, 3):
        machines.terminate(f"i-{number}")
    until(lambda: not any((tmp_path / "images").iterdir()))


def test_an_image_is_found_by_the_next_sandbox(tmp_path: Path) -> None:
    """Images outlive the sandbox that made them; machines do not."""
    for number, expected in ((1, ""), (2, "kept\n")):
        opened = open_machines(Tier.PROCESS, state_dir=tmp_path, speed=SPEED)
        try:
            boot(opened, spec(number, image="ami-2"))
            assert run(opened, f"i-{number}", "cat file; echo kept >file").stdout == expected
            opened.freeze(f"i-{number}", "ami-2")
            until(lambda: opened.image_state("ami-2") is FreezeState.AVAILABLE)  # noqa: B023 - used in this turn only
        finally:
            opened.close()
        assert not list((tmp_path / "machines").iterdir())


def test_an_image_of_nothing_fails(machines: Machines, tmp_path: Path, lines: list[str]) -> None:
    """Of a machine that is not there, or onto a disk that does not take it."""
    machines.freeze("i-9", "ami-9")
    assert machines.image_state("ami-9") is FreezeState.FAILED
    boot(machines, spec(1))
    (tmp_path / "images" / "ami-8").mkdir()
    (tmp_path / "images" / "ami-8" / "disk").write_text("in the way")
    machines.freeze("i-1", "ami-8")
    until(lambda: machines.image_state("ami-8") is FreezeState.FAILED)
    assert any("ami-8 cannot be made" in line for line in lines)


@pytest.mark.parametrize(
    ("script", "seconds", "expected"),
    [
        (
            "echo out; echo err >&2; exit 3",
            10,
            CommandOutput(status="Failed", exit_status=3, stdout="out\n", stderr="err\n"),
        ),
        ("echo $SANDBOX_INSTANCE", 10, CommandOutput(status="Success", exit_status=0, stdout="i-1\n")),
        ("kill -9 $$", 10, CommandOutput(status="Failed", exit_status=137)),
        ("echo begun; sleep 60", 0.3, CommandOutput(status="TimedOut", exit_status=-1, stdout="begun\n")),
        ("sleep 60 & echo left", 10, CommandOutput(status="Success", exit_status=0, stdout="left\n")),
    ],
)
def test_a_command_ends_as_run_command_says(
    machines: Machines, script: str, seconds: float, expected: CommandOutput
) -> None:
    """Status, exit status and both outputs; what it leaves running does not hold it up."""
    boot(machines, spec(1))
    before = descendants(os.getpid())
    assert run(machines, "i-1", script, seconds) == expected
    for pid in orphans(before):
        os.kill(pid, signal.SIGKILL)


def orphans(before: set[int]) -> set[int]:
    """Find sleeps that a command of this test left behind."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        if words.startswith(b"sleep\x0060") and f"SANDBOX_ADDRESS={NET}.1".encode() in environment:
            found.add(int(folder.name))
    return found - before


def test_a_command_can_be_cancelled(machines: Machines) -> None:
    """By its caller, and by the end of its machine; cancelling an ended one changes nothing."""
    boot(machines, spec(1))
    first = machines.command("i-1", "sleep 60", timedelta(seconds=60))
    second = machines.command("i-1", "sleep 60", timedelta(seconds=60))
    assert first.poll() is None
    first.cancel()
    until(lambda: first.poll() is not None)
    first.cancel()
    machines.stop("i-1")
    until(lambda: machines.state("i-1") is MachineState.STOPPED)
    for command in (first, second):
        output = command.poll()
        assert output is not None
        assert (output.status, output.exit_status) == ("Cancelled", -1)


def test_a_command_for_a_machine_that_does_not_run_fails(machines: Machines) -> None:
    """It says why."""
    command = machines.command("i-9", "true", timedelta(seconds=1))
    command.cancel()
    output = command.poll()
    assert output is not None
    assert output.stderr == "the machine is not running"


def test_tier_a_has_no_machines(tmp_path: Path) -> None:
    """Asking for them is a mistake with a next step."""
    with pytest.raises(NotPossible, match="tier A"):
        open_machines(Tier.API, state_dir=tmp_path, speed=1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_the_sandbox(tmp_path: Path, number: signal.Signals) -> None:
    """Not even when it is killed without a word."""
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from pipeline.sandbox.machines import *\nfrom pipeline.sandbox.real import open_machines\n"
        "m = open_machines(Tier.PROCESS, state_dir=Path(sys.argv[1]), speed=1)\n"
        f"m.boot(MachineSpec(instance='i-1', image='ami-1', address='{NET}.77'))\n"
        "t = TargetGroup(arn='tg', check=HealthCheck(), targets=())\n"
        f"m.route([Listener(arn='l', address='{DOOR}', port=18077, rules=())], [t])\n"
        "while m.state('i-1') is not MachineState.RUNNING: time.sleep(0.01)\n"
        "print('up', flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        children = descendants(parent.pid)
        assert len(children) == 2
        parent.send_signal(number)
        parent.wait()
    until(lambda: gone(children))
