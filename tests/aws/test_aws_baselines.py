"""Patch baselines in SSM: written, read back, given to patch groups; and what cannot be evaluated is refused."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from aws.account import Account

from pipeline.errors import NotFound, NotPossible
from pipeline.model.baselines import ApprovalRule, Compliance, OnRejected, PatchBaseline, Property
from pipeline.model.packages import OperatingSystem

AMAZON, DEBIAN, WINDOWS = OperatingSystem.AMAZON_LINUX_2023, OperatingSystem.DEBIAN, OperatingSystem.WINDOWS
OURS = PatchBaseline(
    name="ours",
    rules=(
        ApprovalRule(
            filters={Property.CLASSIFICATION: ("Security",), Property.SEVERITY: ("Critical", "Important")},
            after=timedelta(days=7),
            level=Compliance.CRITICAL,
        ),
        ApprovalRule(filters={Property.NAME: ("kernel*",)}, until=date(2026, 10, 31), non_security=True),
    ),
    only={Property.PRODUCT: ("*",)},
    approved=("app",),
    approved_level=Compliance.HIGH,
    rejected=("tool*", "old"),
    on_rejected=OnRejected.BLOCK,
)


@pytest.mark.parametrize("system", [AMAZON, WINDOWS])
def test_what_is_written_is_what_is_read(account: Account, system: OperatingSystem) -> None:
    """Every field comes back as it went, but for what Windows does not tell apart."""
    id_ = account.baselines.write(None, "rebake-ours", OURS, system, "t")
    read = account.baselines.get(id_, system)
    assert read.name == f"ssm:{id_}"
    if system is AMAZON:
        assert read == PatchBaseline(**{**fields(OURS), "name": read.name})
    else:
        asked = account.clients.ssm.get_patch_baseline(BaselineId=id_)["ApprovalRules"]["PatchRules"]
        keys = [entry["Key"] for rule in asked for entry in rule["PatchFilterGroup"]["PatchFilters"]]
        assert keys == ["CLASSIFICATION", "MSRC_SEVERITY", "PATCH_ID"]
        assert read.rules[0] == OURS.rules[0]


def fields(of: PatchBaseline) -> dict[str, Any]:
    """A baseline's fields by name."""
    return {name: getattr(of, name) for name in of.__dataclass_fields__}


def test_writing_again_replaces_everything(account: Account) -> None:
    """What the file no longer says is gone from SSM, too; the same token makes no second one."""
    id_ = account.baselines.write(None, "rebake-ours", OURS, AMAZON, "t")
    assert account.baselines.write(None, "rebake-ours", OURS, AMAZON, "t") == id_
    assert account.baselines.write(id_, "rebake-ours", PatchBaseline(name="ours", approved=("x",)), AMAZON, "u") == id_
    read = account.baselines.get(id_, AMAZON)
    assert (read.rules, read.approved, read.rejected) == ((), ("x",), ())
    assert account.baselines.find("rebake-ours") == id_
    assert account.baselines.find("rebake-our") is None


def test_a_patch_group_has_one_baseline_a_system(account: Account) -> None:
    """Another one takes the place of what stands, and the same again changes nothing."""
    before = account.baselines.chosen("prod", DEBIAN)
    assert before == account.baselines.chosen(None, DEBIAN)
    assert account.baselines.get(before, DEBIAN).name == f"ssm:{before}"
    one, two = (account.baselines.write(None, f"rebake-{n}", OURS, DEBIAN, n) for n in ("one", "two"))
    account.baselines.register(one, "production", DEBIAN)
    for id_ in (one, two, two):
        account.baselines.register(id_, "prod", DEBIAN)
        assert account.baselines.chosen("prod", DEBIAN) == id_
    assert account.baselines.chosen("production", DEBIAN) == one
    account.cloud.forbid_mutations()
    account.baselines.register(two, "prod", DEBIAN)


def test_a_baseline_for_another_system_is_refused(account: Account) -> None:
    """Its rules would judge packages that they do not mean."""
    id_ = account.baselines.write(None, "rebake-ours", OURS, WINDOWS, "t")
    with pytest.raises(NotPossible, match="is for WINDOWS, and the image runs DEBIAN"):
        account.baselines.get(id_, DEBIAN)
    with pytest.raises(NotFound):
        account.baselines.get("pb-00000000000000000", DEBIAN)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"GlobalFilters": {"PatchFilters": [{"Key": "EPOCH", "Values": ["1"]}]}}, "asks for EPOCH=1"),
        ({"GlobalFilters": {"PatchFilters": [{"Key": "PATCH_SET", "Values": ["APPLICATION"]}]}}, "asks for PATCH_SET"),
        ({"Sources": [{"Name": "x", "Products": ["*"], "Configuration": "[x]"}]}, "brings repositories of its own"),
    ],
)
def test_what_is_not_evaluated_here_is_refused(account: Account, given: Any, fault: str) -> None:
    """A key that is ignored would approve what its author holds back."""
    id_ = account.clients.ssm.create_patch_baseline(Name="theirs", OperatingSystem="DEBIAN", **given)["BaselineId"]
    with pytest.raises(NotPossible, match=fault):
        account.baselines.get(id_, DEBIAN)


def test_patches_of_the_system_are_all_there_are(account: Account) -> None:
    """PATCH_SET=OS, which the console writes, says nothing more."""
    filters: Any = {"PatchFilters": [{"Key": "PATCH_SET", "Values": ["OS"]}]}
    made = account.clients.ssm.create_patch_baseline(Name="theirs", OperatingSystem="WINDOWS", GlobalFilters=filters)
    assert account.baselines.get(made["BaselineId"], WINDOWS).only == {}
