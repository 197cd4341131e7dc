"""The journal from the outside: what runs leave in it, who reads it how, and what must never be in it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Command, Project
from world import World

from pipeline import __version__
from pipeline.model.names import TAG_FAMILY, TAG_STAGE
from pipeline.records.places import state_dir
from pipeline.sandbox.clock import WallClock
from pipeline.sandbox.cloud import Cloud

SPEED = 200
ROOT = Path(__file__).parents[2]
USER = "arn:aws:iam::123456789012:user/sandbox"
BUCKET = "\njournal: {bucket: audit, prefix: logs/rebake}\n"


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[World, str]]:
    """Serve one account to the whole file."""
    cloud = Cloud(clock=WallClock(SPEED))
    with cloud.serve() as endpoint:
        world = World(cloud, endpoint=endpoint)
        world.client("s3").create_bucket(Bucket="audit")
        yield world, endpoint


@pytest.fixture
def world(account: tuple[World, str], monkeypatch: pytest.MonkeyPatch) -> World:
    """Point the command at the account and its time."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", account[1])
    monkeypatch.setenv("REBAKE_TIME_SCALE", str(SPEED))
    return account[0]


@pytest.fixture
def tested(account: tuple[World, str]) -> str:
    """Find the one tested image of the family, or make it."""
    world = account[0]
    found = world.ec2.describe_images(Filters=[{"Name": "name", "Values": ["tested"]}])["Images"]
    return found[0]["ImageId"] if found else world.image("tested", tags={TAG_FAMILY: "web", TAG_STAGE: "tested"})


def journalled() -> dict[str, list[dict[str, Any]]]:
    """Read every journal on this machine, by run, as other programs would."""
    found = sorted((state_dir() / "journal").glob("*"))
    return {path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in found}


def objects(world: World) -> dict[str, bytes]:
    """Read every object in the bucket, by key."""
    s3 = world.client("s3")
    found = s3.list_objects_v2(Bucket="audit").get("Contents", [])
    return {one["Key"]: s3.get_object(Bucket="audit", Key=one["Key"])["Body"].read() for one in found}


def promoted(rebake: Command, tested: str) -> str:
    """Do the quickest thing that is a run, and answer its id."""
    answer = rebake("promote", "web", "--image", tested, "--yes", "--json")
    assert answer.code == 0, answer.err
    run: str = json.loads(answer.out)["run"]
    return run


def unpromoted(world: World) -> None:
    """Take the channel away, so that the next promotion has something to do."""
    if world.ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Values": ["/rebake/web/stable"]}])[
        "Parameters"
    ]:
        world.ssm.delete_parameter(Name="/rebake/web/stable")


def test_a_roll_is_journalled_from_end_to_end(rebake: Command, project: Project, world: World, tested: str) -> None:
    """Who, when, from where, which plan, each step's outcome: in the file, in `history`, in `show`."""
    folder = project(group="kept")
    world.fleet("kept", world.base(), size=2)
    assert rebake("roll", "web-prod", "--image", tested, "--yes").code == 0
    ((run, records),) = journalled().items()
    first, *between, last = records
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert {(record["schema"], record["run"]) for record in records} == {(1, run)}
    assert (first["kind"], first["text"]) == ("begun", f"rebake roll web-prod --image {tested} --yes")
    told = first["data"]
    assert told["caller"] == {"account": "123456789012", "arn": USER}
    assert (told["verb"], told["targets"], told["region"]) == ("roll", ["web-prod"], "us-east-1")
    assert told["version"] == __version__
    assert told["host"]
    assert told["user"]
    assert told["configuration"] == _sha256(folder / "rebake.yaml")
    steps = [step["step"]["kind"] for step in told["plan"]["waves"][0]["lanes"][0]["steps"]]
    assert [record["data"]["step"] for record in between if "outcome" in record["data"]] == steps
    assert {record["data"]["outcome"] for record in between if "outcome" in record["data"]} == {"Done"}
    assert (last["kind"], last["data"]) == ("ended", {"exit_code": 0, "fleets": {"web-prod": "done"}})
    heading, listed, blank, *others = rebake("history", "web").out.splitlines()
    assert (heading, run in listed, blank) == ("Runs:", True, "")
    assert any("rolled" in other for other in others)
    assert "user/sandbox  roll  web-prod  done (0)" in listed
    shown = rebake("show", run).out
    for words in (USER, "account 123456789012, us-east-1", f"rebake roll web-prod --image {tested}", "\nPlan:\n"):
        assert words in shown
    assert "done (0)" in shown
    document = json.loads(rebake("show", run, "--json").out)
    assert [record["kind"] for record in document["records"]] == [record["kind"] for record in records]
    found = json.loads(rebake("history", "--json").out)
    ((past,), (family,)) = found["runs"], found["families"]
    assert (past["run"], past["ended"]["data"]["exit_code"], family["name"]) == (run, 0, "web")


def _sha256(path: Path) -> str:
    done = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
    return done.stdout.split()[0]


def test_the_file_is_for_the_owner_only(rebake: Command, project: Project, world: World, tested: str) -> None:
    """Mode 0600, in a folder of mode 0700."""
    project()
    unpromoted(world)
    run = promoted(rebake, tested)
    path = state_dir() / "journal" / f"{run}.jsonl"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_what_changes_nothing_leaves_no_journal(rebake: Command, project: Project, world: World, tested: str) -> None:
    """Neither a dry run, nor a plan without a step, nor one that nobody approved, nor wrong words."""
    project()
    unpromoted(world)
    assert rebake("promote", "web", "--image", tested, "--dry-run").code == 0
    assert rebake("promote", "web", "--image", tested).code == 64
    assert rebake("promote", "wbe", "--yes").code == 64
    promoted(rebake, tested)
    assert rebake("promote", "web", "--image", tested, "--yes").code == 0
    assert len(journalled()) == 1


def test_what_was_refused_is_journalled(rebake: Command, project: Project, world: World) -> None:
    """Somebody wanted to roll an image that is rejected: who, and why not; a dry run only looks."""
    project()
    rejected = world.image("rejected", tags={TAG_FAMILY: "web", TAG_STAGE: "rejected"})
    assert rebake("promote", "web", "--image", rejected, "--dry-run").code == 3
    assert journalled() == {}
    assert rebake("promote", "web", "--image", rejected, "--yes").code == 3
    ((run, (begun, ended)),) = journalled().items()
    assert (begun["data"]["plan"], ended["data"]["exit_code"]) == (None, 3)
    assert rejected in ended["text"]
    assert "refused (3)" in rebake("history").out
    assert f"why      {ended['text']}" in rebake("show", run).out


def test_signals_are_journalled(rebake: Command, project: Project, world: World) -> None:
    """Who pulled the cord and why, who let it go, who approved what; a dry run does neither."""
    project(group="signalled")
    world.fleet("signalled", world.base(), size=1)
    run = "20261123T181500-kqzt"
    assert rebake("halt", "--all", "--reason", "checkout burns", "--dry-run").code == 0
    assert journalled() == {}
    assert rebake("halt", "--all", "--reason", "checkout burns").code == 0
    assert rebake("unhalt", "--all").code == 0
    assert rebake("approve", run, "--reason", "looks good").code == 0
    told = [(begun["data"]["verb"], begun["data"]["targets"], ended["text"]) for begun, ended in journalled().values()]
    assert sorted(told) == [
        ("approve", [run], "looks good"),
        ("halt", ["all"], "checkout burns"),
        ("unhalt", ["all"], ""),
    ]
    for name in ("web", "web-prod"):
        listed = rebake("history", name).out.splitlines()[1:3]
        assert {line.split()[4] for line in listed} == {"unhalt", "halt"}, listed
    assert rebake("unhalt", "--all").code == rebake("unlock", "--fleet", "web-prod").code == 1
    ((why, targets),) = [
        (ended["text"], begun["data"]["targets"])
        for begun, ended in journalled().values()
        if begun["data"]["verb"] == "unlock"
    ]
    assert (why, targets) == ("Nobody holds fleet-web-prod.", ["web-prod"])
    assert rebake("history").out.count("failed (1)") == 2


def test_the_bucket_has_what_other_machines_need(
    rebake: Command, project: Project, world: World, tested: str, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    """An object a record, progress aside; another machine shows the run, and lists it among the shared ones."""
    folder = project(group="shared")
    with (folder / "rebake.yaml").open("a") as file:
        file.write(BUCKET)
    world.fleet("shared", world.base(), size=2)
    world.cloud.calls.clear()
    assert rebake("roll", "web-prod", "--image", tested, "--yes").code == 0
    ((run, records),) = journalled().items()
    put = {key: json.loads(body) for key, body in objects(world).items() if run in key}
    assert put == {
        f"logs/rebake/{run}/{record['seq']:06}.json": record for record in records if record["kind"] != "progress"
    }
    assert len(put) < len(records)
    assert {call.action for call in world.cloud.calls.matching("s3:Put*")} == {"s3:PutObject"}
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "another-machine"))
    assert run in rebake("history").out
    assert "Steps:" in rebake("show", run).out
    unpromoted(world)
    mine = promoted(rebake, tested)
    _, *listed = rebake("history", "--limit", "2").out.splitlines()[:3]
    assert {line.split()[2] for line in listed} == {mine, run}  # whose order within a second is by chance


def test_a_bucket_that_does_not_answer_is_told_once(
    rebake: Command, project: Project, world: World, tested: str
) -> None:
    """The run goes on and ends with 0; what S3 has missed it gets at the end, if it is back by then."""
    folder = project(group="outage")
    with (folder / "rebake.yaml").open("a") as file:
        file.write(BUCKET)
    world.fleet("outage", world.base(), size=1)
    world.cloud.faults.fail("s3:PutObject", "InternalError", times=2)  # the SDK tries again once
    answer = rebake("roll", "web-prod", "--image", tested, "--yes")
    world.cloud.faults.clear()
    assert answer.code == 0, answer.err
    assert answer.err.count("AWS could not answer s3:PutObject") == 1
    assert "AWS is the state" in answer.err
    ((run, records),) = journalled().items()
    kept = [json.loads(body)["seq"] for key, body in sorted(objects(world).items()) if run in key]
    assert kept == [record["seq"] for record in records if record["kind"] != "progress"]
    assert "s3:PutObject" in rebake("show", run).out


def test_an_outage_of_s3_ends_no_run(rebake: Command, project: Project, world: World, tested: str) -> None:
    """Connections that break all the time: one warning, the run is done, and what is here can still be read."""
    folder = project()
    with (folder / "rebake.yaml").open("a") as file:
        file.write(BUCKET)
    unpromoted(world)
    world.cloud.faults.reset("s3:*")
    try:
        answer = rebake("promote", "web", "--image", tested, "--yes")
        past, (run, records) = rebake("history"), *journalled().items()
        shown = rebake("show", run)
        unknown = rebake("show", "20261123T181500-kqzt")
    finally:
        world.cloud.faults.clear()
    assert (answer.code, answer.err.count("AWS is the state")) == (0, 1), answer.err
    assert (records[0]["kind"], records[-1]["kind"]) == ("begun", "ended")
    assert (past.code, run in past.out, "AWS cannot be reached" in past.err) == (0, True, True)
    assert (shown.code, shown.err) == (0, "")
    assert unknown.code == 69


def test_a_bucket_that_is_not_there_stops_nothing(rebake: Command, project: Project, world: World, tested: str) -> None:
    """A wrong name is told in every run, and by `history`."""
    folder = project()
    with (folder / "rebake.yaml").open("a") as file:
        file.write("\njournal: {bucket: nowhere}\n")
    unpromoted(world)
    answer = rebake("promote", "web", "--image", tested, "--yes")
    assert answer.code == 0, answer.err
    assert answer.err.count("NoSuchBucket") == 1
    assert "NoSuchBucket" in rebake("history").err


def test_an_unknown_run_is_one_sentence(rebake: Command, project: Project, world: World, tested: str) -> None:
    """64, and where to look; neither a configuration nor AWS is needed to read what this machine has done."""
    project()
    assert "Runs:" not in rebake("history").out
    unpromoted(world)
    run = promoted(rebake, tested)
    (Path.cwd() / "rebake.yaml").unlink()
    world.cloud.calls.clear()
    unknown = rebake("show", f"{run[:-1]}0")
    assert (unknown.code, unknown.complaint()[1]) == (64, "`rebake history` lists the runs")
    assert rebake("show", "../../rebake").code == 64
    assert rebake("show", run).code == 0
    assert run in rebake("history").out
    assert len(world.cloud.calls) == 0


def test_what_one_place_has_lost_the_other_one_has(
    rebake: Command, project: Project, world: World, tested: str
) -> None:
    """A file whose last line is torn, with another that is not a record: read with what is in the bucket."""
    folder = project()
    unpromoted(world)
    with (folder / "rebake.yaml").open("a") as file:
        file.write(BUCKET)
    run = promoted(rebake, tested)
    path = state_dir() / "journal" / f"{run}.jsonl"
    whole = rebake("show", run, "--json").out
    first, *between, last = path.read_text().splitlines(keepends=True)
    path.write_text("".join([first, "[]\n", *between, last[:40]]))
    assert rebake("show", run, "--json").out == whole
    assert "done (0)" in rebake("history").out
    (folder / "rebake.yaml").write_text((folder / "rebake.yaml").read_text().replace(BUCKET, ""))
    assert "ended    no end recorded" in rebake("show", run).out
    path.write_text(first[:40])
    assert rebake("show", run).code == 64
    assert f"?  {run}" in rebake("history").out


def test_a_killed_run_has_no_end(rebake: Command, project: Project, world: World, tested: str) -> None:
    """SIGKILL in the middle of a roll: what was done until then can be read, and that there is no end."""
    folder = project(group="killed")
    world.fleet("killed", world.base(), size=4)
    command = [sys.executable, "-m", "pipeline.cli", "roll", "web-prod", "--image", tested, "--yes"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while "CreateTemplateVersion: done" not in "".join(map(str, journalled().values())):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    (run,) = journalled()
    assert "no end recorded" in rebake("history").out
    assert "template  Done" in rebake("show", run).out
    assert rebake("roll", "web-prod", "--image", tested, "--yes").code == 0
    assert len(journalled()) == 2


LICENSE = 'líc"ense<canary>&\nsecond-line-of-it'
PIN = "argv-canary/5530"
PLAIN = "plain-canary-4711"
ENVIRONMENT = {
    "DEPLOY_TOKEN": "env-canary-8812",
    "AWS_SESSION_TOKEN": "session-canary-1234",
    "DATABASE_URL": "postgres://web:url-canary-9917@db.example.com/web",
}
NEVER_SEEN = """
https://shop.s3.amazonaws.com/a?X-Amz-Security-Token=query-canary-3321&X-Amz-Credential=ASIACANARYCANARY1234%2F2026
aws_secret_access_key = file+canary/6610
{"SecretAccessKey": "json+canary/7788"}
"""
CANARIES = (
    *("líc", "ense<canary>", "ense&lt;canary&gt;", "\\u00edc", "second-line-of-it"),
    *(PIN, PIN.replace("/", "%2F"), PLAIN, "env-canary-8812", "session-canary-1234", "url-canary-9917"),
    *("query-canary", "ASIACANARY", "file+canary", "json+canary"),
)
# It prints its variables and its environment as they are, as text, and as an error.
TALKATIVE = f"""#!/bin/sh
case $1 in version) echo Packer v1.6.6; exit;; esac
for word; do case $word in -var-file=*) file=${{word#-var-file=}};; esac; done
cat "$file"; env
python3 - <<'END'
import json, urllib.parse, xml.sax.saxutils
known, unknown = {[LICENSE, PIN, PLAIN, *ENVIRONMENT.values()]!r}, {NEVER_SEEN.splitlines()!r}
for value in known + unknown:
    others = (xml.sax.saxutils.escape(value), urllib.parse.quote(value, safe="")) if value in known else ()
    for form in (value, json.dumps(value), *others):
        print(form)
        line = form.replace(",", "%!(PACKER_COMMA)").replace("\\n", "\\\\n")
        print(f"1,,ui,message,    own: {{line}}")
        print(f"1,,ui,error,{{line}}")
        print(f"1,,error,Script failed: {{line}}")
END
"""


@pytest.mark.parametrize("fails", [True, False])
def test_no_secret_ever_enters_it(
    rebake: Command, project: Project, world: World, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """A build prints all that it knows, and fails or not: no file of ours and no object holds any of it."""
    variables = f"{{license: {{ssm: /web/license}}, pin: {{secret: web/pin}}, db_password: {PLAIN}}}"
    folder = project(more=f"    variables: {variables}\n", template="./own.pkr.hcl")
    (folder / "own.pkr.hcl").write_text('variable "license" {}\nvariable "pin" {}\nvariable "db_password" {}\n')
    with (folder / "rebake.yaml").open("a") as file:
        file.write(BUCKET)
    world.ssm.put_parameter(Name="/web/license", Value=LICENSE, Type="SecureString", Overwrite=True)
    if not fails:
        world.client("secretsmanager").delete_secret(SecretId="web/pin", ForceDeleteWithoutRecovery=True)
    world.client("secretsmanager").create_secret(Name="web/pin", SecretString=PIN)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    image = world.image(f"built-{fails}")
    ending = "exit 1" if fails else f"echo 1,own,artifact,0,id,us-east-1:{image}"
    packer = folder / "packer"
    packer.write_text(f"{TALKATIVE}{ending}\n")
    packer.chmod(0o755)
    monkeypatch.setenv("REBAKE_PACKER", str(packer))
    answer = rebake("bake", "web", "--force", "--yes", "--report", "env-canary-8812-plain-canary-4711.html")
    assert answer.code == (1 if fails else 0), answer.err
    ((run, records),) = journalled().items()
    assert ("bake  Failed" in (shown := rebake("show", run).out), " -> the whole log is in " in shown) == (fails, fails)
    kept = {str(path): path.read_bytes() for path in state_dir().rglob("*") if path.is_file()}
    kept |= {key: body for key, body in objects(world).items() if run in key}
    assert len(kept) >= 2 + len([record for record in records if record["kind"] != "progress"])
    found = [(place, canary) for place, content in kept.items() for canary in CANARIES if canary.encode() in content]
    assert found == []
    assert records[0]["text"] == "rebake bake web --force --yes --report ***-***.html"
    if fails:
        assert "***" in records[-1]["text"]
    (log,) = (state_dir() / "logs").iterdir()
    assert log.read_text().count("***") > 10


def test_a_full_disk_stops_nothing(project: Project, world: World, tested: str, home: Path) -> None:
    """A file system that is full from the middle of a run on: told once, the run is done, readers can read."""
    project(group="full")
    world.fleet("full", world.base(), size=1)
    state = home / "state"
    state.mkdir()
    script = (
        f"mount -t tmpfs -o size=4k none {state} && export XDG_STATE_HOME={state}; mkdir -p {state}/rebake/journal; "
        f"{sys.executable} -m pipeline.cli roll web-prod --image {tested} --yes; echo ended with $?; "
        f"df --output=avail {state} | tail -1; {sys.executable} -m pipeline.cli history"
    )
    inside = ["unshare", "--mount", "--map-root-user", "sh", "-c", script]
    done = subprocess.run(
        inside, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    if "unshare:" in done.stderr or "mount:" in done.stderr:
        pytest.skip("this machine gives no file system of one's own")
    assert "ended with 0" in done.stdout, done.stderr
    assert done.stderr.count("No space left on device") + done.stderr.count("the disk is full") == 1, done.stderr
    left, heading, listed, *_ = done.stdout.partition("ended with 0\n")[2].splitlines()
    assert (left.strip(), heading) == ("0", "Runs:")
    assert "roll  web-prod  no end recorded" in listed
