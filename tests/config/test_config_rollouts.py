from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.model.gates import (
    AlarmGate,
    AllOf,
    AnyOf,
    ApprovalGate,
    CanaryGate,
    CanaryMetric,
    Gate,
    Harm,
    JudgeGate,
    ProbeGate,
    TargetGate,
)
from pipeline.model.ids import GroupName
from pipeline.model.settings import Bucket, EvidenceSettings, FleetSettings, Limits, PatchGroup, Settings
from pipeline.model.shares import Share
from pipeline.model.strategies import (
    BlueGreen,
    ChannelOnly,
    OnBusy,
    OnHalt,
    Patience,
    RefreshStrategy,
    StackUpdate,
    Strategy,
)

Write = Callable[[str], Path]
MINUTE = timedelta(minutes=1)
LISTENER = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2"
RULE = LISTENER.replace(":listener/", ":listener-rule/") + "/9683b2d02a6cabee"
TIMES = "soak: 0s, keep_blue: 48h, healthy_within: 20m"
CPU = "{namespace: AWS/EC2, name: CPUUtilization}"
ORDERS = "{namespace: Web, name: Orders, statistic: p99, dimension: Host, harm: decrease}"
STACK = "arn:aws:cloudformation:eu-west-1:123456789012:stack/web/8f1c2d3e-0000-1111-2222-333344445555"


@pytest.fixture
def loaded(write: Write) -> Callable[..., Settings]:
    """Load a file with one family, one fleet with more keys, and more sections."""

    def loaded(fleet: str = "", more: str = "") -> Settings:
        family = "web: {template: debian-12, source: {image: ami-12345678}, build: {instance_profile: p}}"
        fleets = f"web-dev: {{family: web, group: web-dev, patch_group: dev, {fleet}}}"
        return load(write(f"version: 1\nfamilies: {{{family}}}\nfleets: {{{fleets}}}\n{more}"))

    return loaded


Loaded = Callable[..., Settings]


def only(settings: Settings) -> FleetSettings:
    """The one fleet."""
    return settings.fleets["web-dev"]


@pytest.mark.parametrize(
    ("text", "strategy"),
    [
        ("{}", RefreshStrategy()),
        ("{instance_refresh: }", RefreshStrategy()),
        ("{channel_only: false}", RefreshStrategy()),
        ("{channel_only: true}", ChannelOnly()),
        (
            "{instance_refresh: {replace_root_volume: true, checkpoints: [50, 100], give_up: {within: 5m}}}",
            RefreshStrategy(root_volume=True, checkpoints=(50, 100), patience=Patience(within=5 * MINUTE)),
        ),
        (
            "{instance_refresh: {zone_by_zone: true, give_up: {failures: 5}}}",
            RefreshStrategy(zone_by_zone=True, protected=OnBusy.IGNORE, patience=Patience(failures=5)),
        ),
        (
            "{instance_refresh: {zone_by_zone: true, protected: Ignore}}",
            RefreshStrategy(zone_by_zone=True, protected=OnBusy.IGNORE),
        ),
        (f"{{blue_green: {{rule: '{RULE}'}}}}", BlueGreen(route=RULE)),
        (
            f"{{blue_green: {{rule: '{LISTENER}', shifts: [5%, 100], {TIMES}, partner: web-b}}}}",
            BlueGreen(
                route=LISTENER,
                shifts=(5, 100),
                soak=timedelta(),
                keep_blue=timedelta(hours=48),
                healthy_within=20 * MINUTE,
                partner=GroupName("web-b"),
            ),
        ),
        (f"{{blue_green: {{rule: '{RULE}', linear: {{step: 30%}}}}}}", BlueGreen(route=RULE, shifts=(30, 60, 90, 100))),
        (f"{{blue_green: {{rule: '{RULE}', linear: {{step: 50}}}}}}", BlueGreen(route=RULE, shifts=(50, 100))),
        (f"{{blue_green: {{rule: '{RULE}', all_at_once: true}}}}", BlueGreen(route=RULE, shifts=(100,))),
        ("{stack: {parameter: ImageId}}", StackUpdate(parameter="ImageId")),
        (
            f"{{stack: {{parameter: ImageId, stack: '{STACK}', timeout: 30m}}}}",
            StackUpdate(parameter="ImageId", stack=STACK, timeout=30 * MINUTE),
        ),
    ],
)
def test_strategies_come_out_complete(loaded: Loaded, text: str, strategy: Strategy) -> None:
    """Each strategy arrives in the model with its defaults filled in; nothing said is an instance refresh."""
    assert only(loaded(f"strategy: {text}")).strategy == strategy


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("alarms: [web-5xx, web-slow]", AlarmGate(alarms=("web-5xx", "web-slow"))),
        ("targets: {}", TargetGate(healthy=100)),
        ("targets: {healthy: 80%}", TargetGate(healthy=80)),
        ("probe: {}", ProbeGate()),
        (
            "probe: {url: 'https://web.example.com:8443/health?deep=1', requests: 50, error_rate_below: 0.1%}",
            ProbeGate(url="https://web.example.com:8443/health?deep=1", requests=50, error_rate_below=0.1),
        ),
        (
            "probe: {port: 8080, path: /health, status: 204, above_old: 0, latency_below: 300ms}",
            ProbeGate(port=8080, path="/health", status=204, above_old=0.0, latency_below=timedelta(milliseconds=300)),
        ),
        ("probe: {url: 'http://[::1]'}", ProbeGate(url="http://[::1]")),
        ("judge: {command: [python3, -m, judge, 5]}", JudgeGate(command=("python3", "-m", "judge", "5"))),
        ("judge: {command: [/opt/judge]}", JudgeGate(command=("/opt/judge",))),
        ("judge: {url: 'http://judge/', timeout: 5s}", JudgeGate(url="http://judge/", timeout=timedelta(seconds=5))),
        (
            f"canary: {{metrics: [{CPU}, {ORDERS}], period: 5m, samples: 20, confidence: 95%, tolerance: 0}}",
            CanaryGate(
                metrics=(
                    CanaryMetric(namespace="AWS/EC2", name="CPUUtilization"),
                    CanaryMetric(namespace="Web", name="Orders", statistic="p99", dimension="Host", harm=Harm.DECREASE),
                ),
                period=5 * MINUTE,
                samples=20,
                confidence=95,
                tolerance=0,
            ),
        ),
        ("approval: {}", ApprovalGate()),
        ("approval: {within: 1d}", ApprovalGate(within=timedelta(days=1))),
        (
            "any_of: [{targets: {}}, {all_of: [{alarms: [a]}, {probe: {}}]}]",
            AnyOf(gates=(TargetGate(), AllOf(gates=(AlarmGate(alarms=("a",)), ProbeGate())))),
        ),
    ],
)
def test_gates_come_out_complete(loaded: Loaded, text: str, gate: Gate) -> None:
    """Each gate arrives in the model with its defaults filled in, compositions in any depth."""
    assert only(loaded(f"gates: [{{{text}}}, {{alarms: [last]}}]")).gates == (gate, AlarmGate(alarms=("last",)))


def test_a_judge_of_the_project_is_found_below_its_folder(loaded: Loaded, tmp_path: Path) -> None:
    """A relative path becomes absolute, so that it does not matter where rebake is started."""
    (gate,) = only(loaded("gates: [{judge: {command: [./run.sh, --strict]}}]")).gates
    assert gate == JudgeGate(command=(str(tmp_path / "run.sh"), "--strict"))


def test_what_is_left_out_has_the_models_defaults(loaded: Loaded) -> None:
    """Without a word on gates, floor, halting, patch groups and limits, the model's own defaults hold."""
    settings = loaded()
    fleet = only(settings)
    assert (fleet.gates, fleet.floor, fleet.on_halt) == ((), Share(value=50, percent=True), OnHalt.ROLL_BACK)
    assert (settings.patch_groups, settings.limits) == ({}, Limits())


def test_floors_and_halts_come_out(loaded: Loaded) -> None:
    """A floor is a number or a percentage."""
    assert only(loaded("floor: 3, on_halt: cancel")).floor == Share(value=3)
    assert only(loaded("floor: 75%, on_halt: leave")).floor == Share(value=75, percent=True)
    assert only(loaded("on_halt: leave")).on_halt is OnHalt.LEAVE


def test_good_images_and_evidence_come_out(loaded: Loaded) -> None:
    """Good images are kept for a week where nothing is said; evidence stays on the machine, unsigned."""
    settings = loaded()
    assert (only(settings).keep_good, settings.evidence) == (timedelta(days=7), EvidenceSettings())
    assert only(loaded("keep_good: 0d")).keep_good == timedelta()
    found = loaded(more="evidence: {bucket: my-audit, kms_key: alias/evidence}\n").evidence
    bucket = Bucket(name="my-audit", prefix="rebake/evidence")
    assert found == EvidenceSettings(bucket=bucket, kms_key="alias/evidence")


def test_patch_groups_and_limits_come_out_complete(loaded: Loaded) -> None:
    """Patch groups arrive by name with their defaults, shares as numbers or percentages."""
    dev = "{wave: 2, concurrency: 50%, max_errors: 10%, canary: web-dev, min_image_age: 2d, soak_before: 24h}"
    settings = loaded(more=f"patch_groups: {{dev: {dev}, prod: {{wave: 1}}}}\nlimits: {{fleets: 50%, instances: 7}}\n")
    assert settings.patch_groups == {
        "dev": PatchGroup(
            name="dev",
            wave=2,
            concurrency=Share(value=50, percent=True),
            max_errors=Share(value=10, percent=True),
            canary="web-dev",
            min_image_age=timedelta(days=2),
            soak_before=timedelta(hours=24),
        ),
        "prod": PatchGroup(name="prod", wave=1),
    }
    assert settings.limits == Limits(fleets=Share(value=50, percent=True), instances=Share(value=7))
