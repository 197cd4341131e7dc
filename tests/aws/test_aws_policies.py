"""The policies that `rebake iam` prints: what they allow, what they do not, and how they are cut."""

from __future__ import annotations

from dataclasses import replace

import nouns
import pytest
import rooms
from aws.account import STABLE, Account
from guards import KEY

from pipeline.aws.permissions import ACTIONS, FINDING_ACTIONS, GROUPS, RELEASE, actions_for
from pipeline.aws.policies import LIMIT, Document, parts, policy, size
from pipeline.aws.rules import RULES
from pipeline.errors import AccessDenied, UsageError
from pipeline.model.settings import Bucket, Connect, EvidenceSettings, GroupByTags, Secret, Settings
from pipeline.model.sources import SourceParameter
from pipeline.model.strategies import StackUpdate
from pipeline.sandbox.authorization import Policy, Question

RULE = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/1/2/3"


def settings() -> Settings:
    """Configure two fleets, a family with everything that a policy must know of, and a journal."""
    made = rooms.configuration(rooms.fleet("web-dev"), rooms.blue_green(RULE))
    family = made.families["web"]
    build = replace(family.build, connect=Connect.SESSION_MANAGER, kms_key="alias/images", instance_profile=None)
    variables = {"token": Secret(service="secret", name="web/token"), "key": Secret(service="ssm", name="/web/key")}
    family = replace(family, build=build, variables=variables, source=SourceParameter(parameter="/golden/base"))
    return replace(made, families={"web": family}, journal=Bucket(name="audit", prefix="rebake"))


def resources(document: Document, action: str) -> list[str]:
    """List what an action is allowed on."""
    return [one for each in document["Statement"] if action in each["Action"] for one in each["Resource"]]


def test_every_verb_is_in_one_group() -> None:
    """Each verb with permissions of its own has exactly one policy; `release` has two, `gate` either of two."""
    verbs = [verb for verbs in GROUPS.values() for verb in verbs]
    assert sorted([*verbs, "release"]) == sorted([*ACTIONS, "gate"])
    for group in ("gate", "report"):
        assert "gate" in GROUPS[group]
        assert set(FINDING_ACTIONS) <= actions_for(group)
    assert set(RELEASE) <= set(GROUPS)
    assert actions_for(None) == {action for group in GROUPS for action in actions_for(group)}


@pytest.mark.parametrize("group", [*GROUPS, None])
def test_a_policy_allows_what_its_verbs_call_and_nothing_else(group: str | None) -> None:
    """Action by action, without a wild card; and each of its rules is evaluated by the sandbox."""
    document = policy(group, None, region=None)
    allowed = {action for statement in document["Statement"] for action in statement["Action"]}
    assert allowed == {action.partition("@")[0] for action in actions_for(group)}
    assert "*" not in "".join(allowed)
    Policy(document)


def test_every_rule_is_of_an_action_that_is_called() -> None:
    """A rule for an action that no verb needs would say something about nothing."""
    assert {action for rule in RULES for action in rule.named()} <= actions_for(None)


def test_a_report_changes_nothing() -> None:
    """Who may only look is given nothing but reads, and what `report --publish` and the queue of events need."""
    reads = ("BatchGet", "Describe", "Get", "List", "ReceiveMessage", "Simulate")
    changes = {one for one in actions_for("report") if not one.partition(":")[2].startswith(reads)}
    assert changes == {"sqs:DeleteMessage", "ssm:PutComplianceItems"}


def test_a_policy_is_narrowed_to_what_the_configuration_names() -> None:
    """Groups and their green ones, the route, the family, the bucket, the secrets, the key, the source."""
    document = policy(None, settings(), region="cn-north-1")
    groups = resources(document, "autoscaling:StartInstanceRefresh")
    assert [one.rpartition("/")[2] for one in groups] == ["web-dev", "web-dev-v*", "web-prod", "web-prod-v*"]
    assert all(one.startswith("arn:aws-cn:autoscaling:") for one in groups)
    assert resources(document, "elasticloadbalancing:ModifyRule") == [RULE.replace("arn:aws:", "arn:aws-cn:")]
    assert resources(document, "s3:PutObject") == ["arn:aws-cn:s3:::audit/rebake/*"]
    assert resources(document, "s3:ListBucket") == ["arn:aws-cn:s3:::audit"]
    assert resources(document, "secretsmanager:GetSecretValue") == [
        "arn:aws-cn:secretsmanager:*:*:secret:web/token-??????"
    ]
    assert [one.rpartition(":parameter")[2] for one in resources(document, "ssm:GetParameter")] == [
        "/rebake/*", "/aws/service/*", "/golden/base", "/web/key",
    ]  # fmt: skip
    assert {"ssm:StartSession", "iam:CreateRole", "kms:CreateGrant"} <= {
        action for statement in document["Statement"] for action in statement["Action"]
    }
    ours = [one["Condition"] for one in document["Statement"] if "ec2:TerminateInstances" in one["Action"]]
    assert ours == [{"StringLike": {"aws:ResourceTag/rebake:family": ["web"]}}]


def test_secrets_and_keys_are_for_bakes_alone() -> None:
    """No other group may read a secret, or use a key."""
    for group in set(GROUPS) - {"bake"}:
        document = policy(group, settings(), region=None)
        assert resources(document, "secretsmanager:GetSecretValue") == []
        assert resources(document, "kms:CreateGrant") == []


@pytest.mark.parametrize("group", [*GROUPS, None])
def test_evidence_is_written_by_bakes_alone(group: str | None) -> None:
    """Others read it, so that none can overwrite what they are judged by; the journal is written by all."""
    evidence = EvidenceSettings(bucket=Bucket(name="proof", prefix="e"))
    document = policy(group, replace(settings(), evidence=evidence), region=None)
    journal, proof = "arn:aws:s3:::audit/rebake/*", "arn:aws:s3:::proof/e/*"
    assert resources(document, "s3:GetObject") == [journal, proof]
    assert resources(document, "s3:PutObject") == ([journal, proof] if group in {None, "bake"} else [journal])
    assert resources(document, "s3:ListBucket") == ["arn:aws:s3:::audit", "arn:aws:s3:::proof"]


def test_a_group_that_is_found_by_tags_may_have_any_name() -> None:
    """Its name is not known, and neither is that of its stack."""
    fleet = replace(
        rooms.fleet(), group=GroupByTags(tags={"Service": "web"}), strategy=StackUpdate(parameter="ImageId")
    )
    document = policy("roll", nouns.settings(fleet), region=None)
    (name,) = resources(document, "autoscaling:StartInstanceRefresh")
    assert name.endswith(":autoScalingGroupName/*")
    assert resources(document, "cloudformation:ExecuteChangeSet") == ["arn:aws:cloudformation:*:*:stack/*/*"]


def test_policies_have_the_size_that_iam_takes() -> None:
    """Each group's is one managed policy; what many fleets make too long is cut, and nothing is lost."""
    for group in GROUPS:
        assert len(parts(policy(group, settings(), region=None))) == 1
    many = [rooms.fleet(f"service-{number:03}") for number in range(200)]
    document = policy("roll", replace(settings(), fleets={fleet.name: fleet for fleet in many}), region=None)
    cut = parts(document)
    assert len(cut) > 1
    assert all(size(part) <= LIMIT for part in cut)
    for action in ("autoscaling:StartInstanceRefresh", "autoscaling:DeleteAutoScalingGroup", "ec2:DescribeImages"):
        assert [one for part in cut for one in resources(part, action)] == resources(document, action)


def test_an_action_that_is_missing_is_denied(account: Account) -> None:
    """Without ssm:PutParameter a channel is not moved; with it, it is: the suites run under such policies."""
    whole = policy("bake", None, region=None)
    image = account.bake()
    without = [
        {**one, "Action": [action for action in one["Action"] if action != "ssm:PutParameter"]}
        for one in whole["Statement"]
    ]
    account.cloud.restrict(KEY, {**whole, "Statement": without})
    with pytest.raises(AccessDenied) as raised:
        account.channels.move(STABLE, image.id)
    assert raised.value.action == "ssm:PutParameter"
    account.cloud.restrict(KEY, whole)
    account.channels.move(STABLE, image.id)


def test_what_is_not_ours_is_not_changed(account: Account) -> None:
    """Somebody else's image, instance and parameter, and a launch without our tags, are denied by the conditions."""
    image = account.bake()
    instance = account.launch()
    account.cloud.restrict(KEY, policy(None, None, region=None))
    for change in (
        lambda: account.images.tag(image, {"a": "b"}),
        lambda: account.instances.terminate((instance,)),
        lambda: account.launch(token="other"),
        lambda: account.channels.move("/theirs/web/stable", image.id),
    ):
        with pytest.raises(AccessDenied):
            change()


def test_what_is_not_evaluated_is_not_taken_for_a_yes() -> None:
    """An operator that the sandbox does not know is told, and a denial is stronger than a permission."""
    allow = {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}
    with pytest.raises(UsageError, match="DateLessThan"):
        Policy({"Statement": [{**allow, "Condition": {"DateLessThan": {}}}]})
    deny = {"Effect": "Deny", "Action": "ec2:Run*", "Resource": ["arn:aws:ec2:*:*:instance/[1]"]}
    both = Policy({"Statement": [allow, deny]})
    assert both.allows(Question(action="ec2:RunInstances", resource="arn:aws:ec2:eu-west-1:1:instance/1"))
    assert not both.allows(Question(action="ec2:RunInstances", resource="arn:aws:ec2:eu-west-1:1:instance/[1]"))
    assert not both.allows(Question(action="s3:PutObject"))
