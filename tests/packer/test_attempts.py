"""What a build does about capacity, credentials, logs, hanging tools and the leftovers of killed builds."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import boto3
import pytest

from pipeline.errors import ConfigError, StepFailed, TimedOut
from pipeline.model.ids import ImageId
from pipeline.model.settings import Family, Secret
from pipeline.packer.builder import PackerBuilder
from pipeline.packer.client import PackerClient, signed
from pipeline.packer.diagnosis import NoCapacity
from pipeline.packer.workspace import workspace
from pipeline.ports.builder import BuildRequest
from pipeline.sandbox.clock import WallClock
from pipeline.sandbox.cloud import Cloud

LAUNCH = """
variable "rebake_source_image" {}
variable "rebake_image_name" {}
variable "rebake_region" {}
variable "rebake_endpoint" {}
variable "rebake_instance_type" {}
source "amazon-ebs" "own" {
  communicator            = "none"
  region                  = var.rebake_region
  custom_endpoint_ec2     = var.rebake_endpoint
  skip_region_validation  = true
  skip_metadata_api_check = true
  source_ami              = var.rebake_source_image
  instance_type           = var.rebake_instance_type
  ami_name                = var.rebake_image_name
}
build {
  sources = ["source.amazon-ebs.own"]
}
"""
# What Packer 1.6.6 and the plugin 1.8.2 say when AWS has answered 500 as often as they would hear it.
LACKS = (
    "InsufficientInstanceCapacity: none left\\n\\tstatus code: 500, request id: x",
    "operation error EC2: RunInstances, exceeded maximum number of attempts, InsufficientInstanceCapacity: none left",
)
Builders = Callable[..., PackerBuilder]
Requests = Callable[..., BuildRequest]


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """Write a program that stands where Packer is looked for, and is Packer 1.6.6."""

    def write(script: str) -> Path:
        path = tmp_path / "packer"
        path.write_text(f"#!/bin/sh\ncase $1 in version) echo Packer v1.6.6; exit;; esac\n{script}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.mark.packer
def test_the_next_type_is_tried_where_aws_lacks_one(
    packer: Path, tmp_path: Path, family: Family, builder_for: Builders, request_for: Requests
) -> None:
    """A type that AWS cannot launch is told, and the next one of the list bakes the image."""
    template = tmp_path / "own.pkr.hcl"
    template.write_text(LAUNCH)
    cloud = Cloud(clock=WallClock())
    cloud.virtual.boot_time = cloud.virtual.freeze_time = timedelta()
    cloud.faults.fail("ec2:RunInstances", "InsufficientInstanceCapacity", "none left", times=1)
    lines: list[str] = []
    with cloud.serve() as endpoint:
        ec2 = boto3.Session("testing", "testing", region_name="eu-west-1").client("ec2", endpoint_url=endpoint)
        source = ImageId(ec2.describe_images()["Images"][0]["ImageId"])
        builder = builder_for(packer, endpoint=endpoint)
        own = replace(
            family, template=str(template), build=replace(family.build, instance_types=("t3.small", "t3.medium"))
        )
        request = request_for(own, builder)
        product = builder.build(replace(request, source=replace(request.source, id=source)), lines.append)
        (launched,) = ec2.describe_instances()["Reservations"]
    assert product.image
    assert launched["Instances"][0]["InstanceType"] == "t3.medium"
    assert "AWS has no t3.small to launch here (InsufficientInstanceCapacity); trying the next type" in lines


@pytest.mark.parametrize("words", LACKS, ids=["1.6.6", "1.16"])
def test_the_last_type_that_lacks_is_the_failure(
    program: Callable[[str], Path], family: Family, builder_for: Builders, request_for: Requests, words: str
) -> None:
    """Each type is tried once, in order, and then the sentence says so; a failure of another kind ends it at once."""
    words = words.replace(",", "%!(PACKER_COMMA)")
    lacking = program(f"printf '%s\\n' '1,,error,Error launching source instance: {words}'; exit 1")
    build = replace(family.build, instance_types=("t3.small", "t3.medium"))
    request = request_for(replace(family, build=build), builder_for())
    lines: list[str] = []
    with pytest.raises(NoCapacity, match="InsufficientInstanceCapacity: none left") as told:
        builder_for(lacking).build(request, lines.append)
    assert "build.instance_types" in told.value.hint
    assert len([line for line in lines if "trying the next type" in line]) == 1
    lines.clear()
    with pytest.raises(StepFailed, match="denied"):
        builder_for(program("echo '1,,error,denied'; exit 1")).build(request, lines.append)
    assert lines == []


def test_a_profile_signs_for_packer_too(
    program: Callable[[str], Path], tmp_path: Path, family: Family, builder_for: Builders, request_for: Requests
) -> None:
    """The credentials that are given replace whatever the environment has, anew for each build, and enter no log."""
    packer = program(f'env >{tmp_path}/env; echo "$*" >>{tmp_path}/env; exit 1')
    given = iter([{"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "c4nary", "AWS_SESSION_TOKEN": "t"}, {}])
    builder = builder_for(
        packer,
        environment={"AWS_PROFILE": "other", "AWS_REGION": "eu-west-1", "AWS_ROLE_ARN": "r"},
        credentials=lambda: next(given),
    )
    request = request_for(family, builder)
    with pytest.raises(StepFailed):
        builder.build(request, lambda _: None)
    *seen, argv = (tmp_path / "env").read_text().splitlines()
    assert {"AWS_ACCESS_KEY_ID=AKIA1", "AWS_SECRET_ACCESS_KEY=c4nary", "AWS_SESSION_TOKEN=t"} <= set(seen)
    assert "AWS_REGION=eu-west-1" in seen
    assert not [line for line in seen if line.startswith(("AWS_PROFILE", "AWS_ROLE_ARN"))]
    assert "c4nary" not in argv
    assert "c4nary" not in "".join(path.read_text() for path in (tmp_path / "logs").iterdir())
    with pytest.raises(StepFailed):
        builder.build(request, lambda _: None)
    assert "AWS_PROFILE=other" in (tmp_path / "env").read_text()


def test_without_credentials_the_environment_stays() -> None:
    """Packer then finds its own by AWS's usual chain, and can refresh them."""
    environment = {"AWS_PROFILE": "p", "PATH": "/bin"}
    assert signed(environment, {}) == environment


@pytest.mark.packer
@pytest.mark.parametrize("value", ["qu\"ote 'single'", "two\nlines\n", "${HOME} %{if} $${x}", "back\\slash \\u0041 }}"])
def test_values_reach_scripts_unchanged(
    packer: Path, tmp_path: Path, family: Family, builder_for: Builders, request_for: Requests, value: str
) -> None:
    """Quotes, newlines and HCL's own marks are data; while the script runs, the file that held them is gone."""
    template = tmp_path / "null.pkr.hcl"
    (tmp_path / "step.sh").write_text(
        f'#!/bin/sh\nsleep 0.3\nprintf %s "$TOKEN" >{tmp_path}/got\nls *.pkrvars.hcl >{tmp_path}/left\nexit 3\n'
    )
    template.write_text(
        textwrap.dedent("""\
        variable "token" {
          type = string
        }
        source "null" "x" {
          communicator = "none"
        }
        build {
          sources = ["source.null.x"]
          provisioner "shell-local" {
            script           = "./step.sh"
            environment_vars = ["TOKEN=${var.token}"]
          }
        }
        """)
    )
    own = replace(family, template=str(template), variables={"token": Secret(service="ssm", name="/token")})
    builder = builder_for(packer)
    with pytest.raises(StepFailed):
        builder.build(request_for(own, builder, secrets={"token": value}), lambda _: None)
    assert (tmp_path / "got").read_text() == value
    assert (tmp_path / "left").read_text() == ""


@pytest.mark.parametrize("value", ["a{{ isotime }}b", "{{`{{`}}"])
def test_a_value_that_packer_would_evaluate(
    program: Callable[[str], Path], family: Family, builder_for: Builders, request_for: Requests, value: str
) -> None:
    """Packer renders values as templates of its own, and more than once: they are refused, secrets by name only."""
    builder = builder_for(program(""))
    secret = replace(family, variables={"token": Secret(service="ssm", name="/token")})
    with pytest.raises(ConfigError, match=r"^families\.web\.variables\.token contains \{\{, which Packer") as told:
        builder.validate(request_for(secret, builder, secrets={"token": value}))
    assert "in a file" in told.value.hint
    with pytest.raises(ConfigError, match=r"variables\.plain contains"):
        builder.validate(request_for(replace(family, variables={"plain": value}), builder))


def test_a_log_that_cannot_be_written(
    program: Callable[[str], Path], tmp_path: Path, family: Family, builder_for: Builders, request_for: Requests
) -> None:
    """A logs folder that is none is told before Packer starts."""
    (tmp_path / "logs").write_text("")
    builder = builder_for(program("exit 0"))
    with pytest.raises(StepFailed, match=r"web\.log cannot be written: File exists") as told:
        builder.build(request_for(family, builder), lambda _: None)
    assert "XDG_STATE_HOME" in told.value.hint


def test_a_packer_that_hangs(program: Callable[[str], Path], tmp_path: Path) -> None:
    """A quick command that does not come back ends as an error with the next step."""
    client = PackerClient(program("exec sleep 30"), folder=tmp_path, environment={"PATH": "/usr/bin:/bin"})
    with pytest.raises(TimedOut, match=r"`packer validate` did not end within 0\.2 s") as told:
        client._run(("validate",), seconds=0.2)
    assert told.value.hint


def test_what_a_killed_build_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next build removes folders whose processes were all killed, and none that anybody holds, Packer included."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    script = (
        "import os, signal, subprocess\nfrom pipeline.packer.workspace import workspace\n"
        "with workspace({}, {}, version=(1, 6, 6)) as place:\n"
        "    held = subprocess.Popen(['sleep', '30'], pass_fds=[place.lock], stdout=subprocess.DEVNULL)\n"
        "    print(place.folder, held.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=False, env=os.environ
    )
    left, held = Path(done.stdout.split()[0]), int(done.stdout.split()[1])
    with workspace({}, {}, version=(1, 6, 6)) as first:
        assert left.is_dir()
        os.kill(held, 9)
        wait_for_end(held)
        with workspace({}, {}, version=(1, 6, 6)):
            assert not left.exists()
            assert first.folder.is_dir()
    assert list(tmp_path.iterdir()) == []


def wait_for_end(pid: int) -> None:
    """Wait until a process that is not our child has let its files go."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and list(Path(f"/proc/{pid}/fd").glob("*")):
        time.sleep(0.01)
