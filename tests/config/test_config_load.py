import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.config import load, schema, starter
from pipeline.errors import ConfigError, ExitCode
from pipeline.model.ids import GroupName, ImageId
from pipeline.model.settings import (
    AnsibleStep,
    Connect,
    FileStep,
    GroupByName,
    GroupByTags,
    HttpProbe,
    Secret,
    ShellStep,
    TcpProbe,
)
from pipeline.model.shares import Share
from pipeline.model.sources import SourceChannel, SourceOwned, SourceParameter, SourcePinned
from pipeline.model.strategies import OnBusy, RefreshStrategy

Write = Callable[[str], Path]

FULL = """\
version: 1
defaults:
  region: eu-west-1
  channels: /images
  tags: {owner: platform, cost-center: "4711"}
families:
  base:
    template: ./mine.pkr.hcl
    architecture: arm64
    source: {owner: 012345678901, name: "debian-12-*"}
    baseline: all
    build: {connect: private-ip, source_cidr: 10.0.0.0/8, ssh_port: 2222, root_volume_gib: 20}
  web:
    template: debian-12
    source: {family: base}
    build:
      instance_types: [t3.small, t3a.small]
      instance_profile: arn:aws:iam::123456789012:instance-profile/bake
      kms_key: alias/images
      subnet: subnet-0123456789abcdef0
      ssh_username: admin
      timeout: 90m
    variables: {app_version: 1.10, debug: true, license: {ssm: /web/license}, key: {secret: web/key}}
    provision:
      - file: {from: app/, to: /opt/app/}
      - shell: run.sh
      - ansible: play.yml
    smoke:
      suites: [test_web.py]
      services: [nginx]
      http: {port: 8080, path: /health, within: 2m}
      tcp: [{port: 22}, {port: 25, within: 1h}]
      instance_types: [t3.small, m7i.large]
      timeout: 5m
    channel: gold
    tags: {owner: web}
  pinned: {template: debian-12, source: {image: ami-0123456789abcdef0}, build: {instance_profile: bake}}
  public:
    template: debian-12
    source: {ssm: /aws/service/debian/release/12/latest/amd64}
    build: {connect: public-ip, source_cidr: 203.0.113.7/32}
fleets:
  web-dev:
    family: web
    group: web-dev
    patch_group: dev
    strategy:
      instance_refresh:
        min_healthy: 50%
        max_healthy: 100
        warmup: 90s
        checkpoints: [10, 50%, 100]
        checkpoint_delay: 15m
        alarms: [web-5xx]
        protected: Replace
        standby: Ignore
        auto_rollback: false
        soak: 5m
  web-prod: {family: web, group: {tag: {Service: web}}}
  gentle: {family: web, group: gentle, strategy: {instance_refresh: {min_healthy: 5}}}
"""


def test_families_come_out_complete(write: Write, tmp_path: Path) -> None:
    """Every field of a family arrives in the model, with defaults filled in and paths absolute."""
    loaded = load(write(FULL))
    web, base = loaded.families["web"], loaded.families["base"]
    assert (loaded.root, loaded.region, loaded.channel_prefix) == (tmp_path, "eu-west-1", "/images")
    assert base.source == SourceOwned(owner="012345678901", name="debian-12-*")
    assert (base.template, base.build.instance_types) == (str(tmp_path / "mine.pkr.hcl"), ("t4g.small",))
    assert (base.build.connect, base.build.source_cidr, base.build.ssh_port) == (Connect.PRIVATE_IP, "10.0.0.0/8", 2222)
    assert web.source == SourceChannel(family="base", channel="stable")
    assert web.variables == {
        "app_version": "1.10",
        "debug": "true",
        "license": Secret(service="ssm", name="/web/license"),
        "key": Secret(service="secret", name="web/key"),
    }
    assert web.provision == (
        FileStep(source=tmp_path / "app", destination="/opt/app/"),
        ShellStep(script=tmp_path / "run.sh"),
        AnsibleStep(playbook=tmp_path / "play.yml"),
    )
    assert web.smoke.probes == (
        HttpProbe(port=8080, path="/health", status=200, within=timedelta(minutes=2)),
        TcpProbe(port=22, within=timedelta(minutes=2)),
        TcpProbe(port=25, within=timedelta(hours=1)),
    )
    assert (web.smoke.suites, web.smoke.timeout) == ((tmp_path / "test_web.py",), timedelta(minutes=5))
    assert (web.channel, web.tags) == ("gold", {"owner": "web", "cost-center": "4711"})
    assert loaded.families["pinned"].source == SourcePinned(image=ImageId("ami-0123456789abcdef0"))
    assert loaded.families["public"].source == SourceParameter(parameter="/aws/service/debian/release/12/latest/amd64")


def test_fleets_come_out_complete(write: Write) -> None:
    """Every field of a fleet arrives in the model; the maximum follows a low minimum."""
    fleets = load(write(FULL)).fleets
    dev, prod, gentle = (refresh(fleets[name].strategy) for name in ("web-dev", "web-prod", "gentle"))
    assert (dev.min_healthy, dev.max_healthy, dev.checkpoints) == (50, 100, (10, 50, 100))
    assert (dev.warmup, dev.checkpoint_delay, dev.soak) == (
        timedelta(seconds=90),
        timedelta(minutes=15),
        timedelta(minutes=5),
    )
    assert (dev.protected, dev.standby, dev.auto_rollback) == (OnBusy.REPLACE, OnBusy.IGNORE, False)
    assert dev.alarms == ("web-5xx",)
    assert (fleets["web-dev"].group, fleets["web-dev"].patch_group) == (GroupByName(name=GroupName("web-dev")), "dev")
    assert fleets["web-prod"].group == GroupByTags(tags={"Service": "web"})
    assert prod == RefreshStrategy()
    assert gentle.max_healthy == 105


def refresh(strategy: object) -> RefreshStrategy:
    """Expect an instance refresh."""
    assert isinstance(strategy, RefreshStrategy)
    return strategy


def test_the_starter_loads(write: Write) -> None:
    """What `rebake init` writes has no faults and names the schema that its first line promises."""
    text = starter()
    assert text.startswith("# yaml-language-server: $schema=./rebake.schema.json\n")
    loaded = load(write(text), templates={"debian-12"})
    assert list(loaded.families) == ["web"]
    assert list(loaded.fleets) == ["web-dev"]


def test_every_part_of_the_starter_loads(write: Write, tmp_path: Path) -> None:
    """The starter's commented lines are right too, once the files they name exist."""
    for name in ("provision/app.sh", "smoke/test_web.py", "checks/judge.sh"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    alternatives = r"source: {(ssm|image|family)|connect: private-ip|source_cidr|blue_green:|stack:|channel_only:"
    head, _, body = starter().partition("version: 1\n")
    lines = [line for line in body.splitlines() if not re.search(rf"# ({alternatives})", line)]
    shown = [re.sub(r"^( *)# ( *(- )?[a-z_]+:( |$))", r"\1\2", line) for line in lines]
    loaded = load(write("\n".join((head + "version: 1", *shown))))
    assert len(loaded.families["web"].provision) == 2
    fleet = loaded.fleets["web-dev"]
    assert refresh(fleet.strategy).checkpoints == (10, 50, 100)
    assert len(fleet.gates) == 7
    assert list(loaded.patch_groups) == ["dev", "prod"]
    assert loaded.limits.instances == Share(value=40, percent=True)


@pytest.mark.parametrize("strategy", ["blue_green", "stack", "channel_only"])
def test_the_starters_other_strategies_load(write: Write, strategy: str) -> None:
    """Each commented strategy is right in place of the instance refresh, once its ARN is written out."""
    line = next(line for line in starter().splitlines() if f"# {strategy}: " in line).strip(" #")
    arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/1/2/3"
    line = re.sub(r'"arn:[^"]*"', f'"{arn}"', line.partition("  #")[0])
    text = re.sub(r"    strategy: +#.*(\n {6}.*)+", f"    strategy: {{{line}}}", starter())
    assert not isinstance(load(write(text)).fleets["web-dev"].strategy, RefreshStrategy)


def test_the_schema_is_draft_2020_12_and_described() -> None:
    """Editors get a schema in which every field that needs words has them."""
    made = schema()
    assert made["$schema"].endswith("2020-12/schema")
    parts = {**made["$defs"], "rebake.yaml": made}
    named = {f"{part}.{name}": field for part, of in parts.items() for name, field in of.get("properties", {}).items()}
    assert [name for name, field in named.items() if not field.get("description")] == []
    assert named["FleetSection.gates"]["minItems"] == 1
    assert named["Refresh.soak"]["pattern"] == r"^(\d{1,6})([smhd])$"
    assert made["additionalProperties"] is False
    assert made["properties"]["version"]["const"] == 1
    assert [kind.get("type", "Http") for kind in made["$defs"]["Smoke"]["properties"]["http"]["anyOf"]] == [
        "Http",
        "array",
    ]
    assert made["$defs"]["FileSection"]["properties"].keys() == {"from", "to"}


def test_a_missing_file_says_how_to_begin(tmp_path: Path) -> None:
    """No file: the hint names the verb that writes one."""
    with pytest.raises(ConfigError, match="no such file") as caught:
        load(tmp_path / "rebake.yaml")
    assert "rebake init" in caught.value.hint
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    """A path that cannot be read is told as such."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_bytes_that_are_not_utf8_have_a_line(tmp_path: Path) -> None:
    """A file in another encoding is refused with the line of its first bad byte."""
    path = tmp_path / "rebake.yaml"
    path.write_bytes(b"version: 1\n# caf\xe9\n")
    with pytest.raises(ConfigError, match=r"^rebake\.yaml:2: is not UTF-8 text$"):
        load(path)


def test_a_link_that_leads_elsewhere_is_refused(faults: Callable[[str], list[str]], tmp_path: Path) -> None:
    """A symbolic link does not bring foreign files into an image."""
    (tmp_path / "link").symlink_to("/etc/passwd")
    told = faults("version: 1\nfamilies: {web: {provision: [{shell: link}]}}\n")
    assert any("link is not below the folder of this file" in fault for fault in told)


def test_keys_left_empty_count_as_not_given(write: Write) -> None:
    """A section whose lines are all commented out is its default, not a fault."""
    family = "{template: debian-12, source: {image: ami-12345678}, build: {instance_profile: p}, smoke: , tags: }"
    loaded = load(write(f"version: 1\ndefaults:\nfamilies: {{web: {family}}}\nfleets:\n"))
    assert loaded.families["web"].smoke.hygiene
    assert loaded.fleets == {}


def test_a_windows_family_is_proven_by_probes(write: Write) -> None:
    """What needs no shell on the instance is allowed on Windows."""
    build = "{connect: private-ip, source_cidr: 10.0.0.0/8}"
    family = f"{{template: windows-2022, source: {{image: ami-12345678}}, build: {build}, smoke: SMOKE}}"
    smoke = "{hygiene: false, http: {port: 80}}"
    loaded = load(write(f"version: 1\nfamilies: {{win: {family.replace('SMOKE', smoke)}}}\n"))
    assert [probe.port for probe in loaded.families["win"].smoke.probes] == [80]
