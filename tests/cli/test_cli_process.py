"""The command as a process of its own: what it imports, and how signals end it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from commands import Project
from packers import for_each_packer, running
from world import World

from pipeline.model.names import TAG_FAMILY, TAG_STAGE
from pipeline.sandbox.clock import WallClock
from pipeline.sandbox.cloud import Cloud

SPEED = 120
HEAVY = ("boto3", "botocore", "pydantic", "rich", "moto", "jinja2", "ruamel", "tenacity", "pipeline.model", "asyncio")

pytest_generate_tests = for_each_packer


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[World, str]]:
    """Serve one account to the whole file."""
    cloud = Cloud(clock=WallClock(SPEED))
    with cloud.serve() as endpoint:
        yield World(cloud, endpoint=endpoint), endpoint


@pytest.fixture
def world(account: tuple[World, str], monkeypatch: pytest.MonkeyPatch) -> World:
    """Point the command at the account and its time."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", account[1])
    monkeypatch.setenv("AWS_POLL_DELAY_SECONDS", "1")
    monkeypatch.setenv("REBAKE_TIME_SCALE", str(SPEED))
    return account[0]


def stopped(words: list[str], folder: Path, *, when: Callable[[], bool], by: signal.Signals) -> tuple[int, str, str]:
    """Start a command, send it a signal as soon as something has come about, and answer how it ended."""
    command = [sys.executable, "-m", "pipeline.cli", *words]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 60
            while not when():
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.1)
            process.send_signal(by)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, out, err


def test_help_imports_nothing_heavy() -> None:
    """--help answers before anything that takes its time is imported."""
    program = (
        "import sys; from pipeline.cli.main import run; code = run(['--help']); "
        f"print([name for name in sys.modules if name.startswith({HEAVY!r})], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_help_is_not_cut_off() -> None:
    """Each verb's first sentence fits on a terminal of 80 columns."""
    command = [sys.executable, "-m", "pipeline.cli", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "80"})
    assert "..." not in done.stdout.partition("Commands:")[2]
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_refresh_puts_the_fleet_back(world: World, project: Project, by: signal.Signals) -> None:
    """Stopped in the middle of a roll: exit 130, AWS rolls back, and what was done is one JSON document."""
    name = by.name.lower()
    folder = project(group=name, strategy=", checkpoints: [50, 100], checkpoint_delay: 20m")
    world.fleet(name, world.base(), size=4)
    new = world.image(name, tags={TAG_FAMILY: "web", TAG_STAGE: "tested"})

    def under_way() -> bool:
        found = world.autoscaling.describe_instance_refreshes(AutoScalingGroupName=name)["InstanceRefreshes"]
        return bool(found) and found[0]["Status"] == "InProgress" and bool(found[0].get("PercentageComplete"))

    words = ["roll", "web-prod", "--image", new, "--yes", "--json", "--report", "report.html"]
    code, out, err = stopped(words, folder, when=under_way, by=by)
    assert code == 130, err
    document = json.loads(out)
    assert document["error"] == (
        f"Stopped by {by.name}; web-prod: the run was interrupted; AWS is bringing it back to the image it had."
    )
    assert [step["planned"]["step"]["kind"] for step in document["fleets"][0]["results"]] == [
        "CreateTemplateVersion",
        "StartRefresh",
        "RollBackRefresh",
    ]
    assert "rebake status" in err.splitlines()[-1]
    assert "AWS is bringing it back" in (folder / "report.html").read_text()
    assert world.refresh(name)["Status"].startswith("Rollback")


def test_a_signal_before_anything_changes_says_so(world: World, project: Project) -> None:
    """Stopped while it looks: exit 130, and that nothing was changed; a signal in a call to AWS is not lost."""
    folder = project()
    world.cloud.faults.delay("*", timedelta(seconds=2 * SPEED))
    world.cloud.calls.clear()
    code, _, err = stopped(["plan"], folder, when=lambda: len(world.cloud.calls) > 0, by=signal.SIGTERM)
    world.cloud.faults.clear()
    assert code == 130, err
    assert err.splitlines()[0] == "rebake: Stopped by SIGTERM before anything was changed."
    assert world.changed == ()


def test_a_signal_after_something_was_changed_says_so(world: World, project: Project) -> None:
    """Stopped while a revocation looks for fleets: the mark stands, and nobody is told that nothing was changed."""
    folder = project()
    image = world.image("bad", tags={TAG_FAMILY: "web", TAG_STAGE: "tested"})
    world.cloud.faults.delay("autoscaling:*", timedelta(seconds=2 * SPEED))

    def marked() -> bool:
        tags = world.ec2.describe_images(ImageIds=[image])["Images"][0]["Tags"]
        return {"Key": TAG_STAGE, "Value": "revoked"} in tags

    code, _, err = stopped(["revoke", image, "--reason", "x"], folder, when=marked, by=signal.SIGINT)
    world.cloud.faults.clear()
    assert code == 130, err
    assert err.splitlines() == [
        "rebake: Stopped by SIGINT in the middle of revoke: what it had done stays.",
        "  -> run the same command again",
    ]


@pytest.mark.packer
def test_a_signal_during_a_build_leaves_nothing(
    world: World, project: Project, packer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped while Packer waits for SSH: exit 130; no instance, key or group is left, and no temporary folder."""
    folder = project()
    # A short path: Packer speaks to its plugins through Unix sockets there, whose paths end at 108 characters.
    with tempfile.TemporaryDirectory(dir="/tmp") as scratch:
        monkeypatch.setenv("TMPDIR", scratch)
        monkeypatch.setenv("REBAKE_PACKER", str(packer))
        code, _, err = stopped(["bake", "web", "--yes"], folder, when=lambda: bool(builders(world)), by=signal.SIGTERM)
        assert list(Path(scratch).iterdir()) == []
    assert code == 130, err
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("  -> ")
    assert builders(world) == []
    assert world.ec2.describe_key_pairs()["KeyPairs"] == []
    groups = world.ec2.describe_security_groups()["SecurityGroups"]
    assert [group["GroupName"] for group in groups if group["GroupName"] != "default"] == []


def builders(world: World, *states: str) -> list[str]:
    """List the instances that a build made: those that run, or are in these states."""
    found = world.ec2.describe_instances(
        Filters=[
            {"Name": "tag:rebake:purpose", "Values": ["bake", "build"]},
            {"Name": "instance-state-name", "Values": states or ["running"]},
        ]
    )
    return [instance["InstanceId"] for group in found["Reservations"] for instance in group["Instances"]]


OWN = """
variable "rebake_source_image" {}
variable "rebake_image_name" {}
variable "rebake_region" {}
variable "rebake_endpoint" {}
variable "rebake_instance_type" {}
variable "rebake_build_name" {}
variable "rebake_manifest" {}
variable "rebake_tags" {
  type = map(string)
}
variable "rebake_run_tags" {
  type = map(string)
}
source "amazon-ebs" "own" {
  communicator            = "none"
  region                  = var.rebake_region
  custom_endpoint_ec2     = var.rebake_endpoint
  skip_region_validation  = true
  skip_metadata_api_check = true
  source_ami              = var.rebake_source_image
  instance_type           = var.rebake_instance_type
  ami_name                = var.rebake_image_name
  tags                    = var.rebake_tags
  run_tags                = var.rebake_run_tags
  temporary_key_pair_name = var.rebake_build_name
}
build {
  sources = ["source.amazon-ebs.own"]
  provisioner "shell-local" {
    inline = ["touch FOLDER/started", "[ -e FOLDER/go ] || sleep 60"]
  }
  post-processor "manifest" {
    output = var.rebake_manifest
  }
}
"""


@pytest.mark.packer
@pytest.mark.parametrize(
    ("when", "who"),
    [("provisioning", "command"), ("provisioning", "packer"), ("imaging", "command"), ("imaging", "machine")],
)
def test_a_bake_that_is_killed_and_run_again_makes_one_image(
    world: World, project: Project, packer: Path, monkeypatch: pytest.MonkeyPatch, when: str, who: str
) -> None:
    """By SIGKILL: the command (Packer cleans up), Packer (its group ends, too), or all (what is left is marked)."""
    folder = project(template="own.pkr.hcl")
    monkeypatch.setenv("REBAKE_PACKER", str(packer))
    mark = f"AWS_TEST_MARK={folder}"
    monkeypatch.setenv(*mark.split("=", 1))
    # A recipe of this test alone: nothing of another one is adopted.
    (folder / "own.pkr.hcl").write_text(OWN.replace("FOLDER", str(folder)))
    if when == "imaging":
        (folder / "go").touch()
        monkeypatch.setattr(world.cloud.virtual, "freeze_time", timedelta(seconds=10 * SPEED))
    world.cloud.calls.clear()

    def reached() -> bool:
        pending = any(image["State"] == "pending" for image in world.ec2.describe_images(Owners=["self"])["Images"])
        return pending if when == "imaging" else (folder / "started").exists()

    command = [sys.executable, "-m", "pipeline.cli", "bake", "web", "--yes"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        assert within_a_minute(reached)
        (builder,) = [pid for pid in running(packer, mark) if parent(pid) == process.pid]
        if who == "machine":
            process.send_signal(signal.SIGSTOP)  # it must not see that Packer is gone
            os.killpg(builder, signal.SIGKILL)
            process.kill()
        else:
            os.kill({"command": process.pid, "packer": builder}[who], signal.SIGKILL)
    assert within_a_minute(lambda: not running(packer, mark))
    if who == "command":
        assert world.ec2.describe_key_pairs()["KeyPairs"] == []
        assert builders(world) == []

    (folder / "go").touch()
    again = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    made = [call for call in world.cloud.calls.matching("ec2:CreateImage") if not call.error]
    assert len(made) == 1
    (image,) = [
        image
        for image in world.ec2.describe_images(Owners=["self"])["Images"]
        if image["Name"] == made[0].parameters["Name"]
    ]
    tags = {tag["Key"]: tag["Value"] for tag in image["Tags"]}
    assert (image["State"], image["ImdsSupport"], tags[TAG_FAMILY], tags[TAG_STAGE]) == (
        "available",
        "v2.0",
        "web",
        "candidate",
    )
    remove(world)


def within_a_minute(true: Callable[[], bool]) -> bool:
    """Wait for something to become true."""
    deadline = time.monotonic() + 60
    while not (known := true()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return known


def parent(pid: int) -> int:
    """Tell who started a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def remove(world: World) -> None:
    """Remove what a killed build has left, each of it marked: the account is the whole file's."""
    if left := builders(world, "pending", "running", "shutting-down", "stopping", "stopped"):
        world.ec2.terminate_instances(InstanceIds=left)
        # Until they are terminated they hold their group.
        world.ec2.get_waiter("instance_terminated").wait(InstanceIds=left, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    for pair in world.ec2.describe_key_pairs()["KeyPairs"]:
        assert pair["KeyName"].startswith("rebake-")
        world.ec2.delete_key_pair(KeyName=pair["KeyName"])
    for group in world.ec2.describe_security_groups()["SecurityGroups"]:
        if group["GroupName"] != "default":
            assert group["Description"] == "Temporary group for Packer"
            world.ec2.delete_security_group(GroupId=group["GroupId"])
