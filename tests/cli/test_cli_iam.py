"""The policy as it is printed."""

from __future__ import annotations

import json

import pytest
from commands import Command, Project

from pipeline.aws.policies import LIMIT, parts, policy, size


def test_a_policy_is_printed_without_credentials_and_configuration(
    rebake: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stdout is the document as IAM takes it, for each group of verbs."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    answer = rebake("iam", "--for", "roll")
    assert (answer.code, answer.err) == (0, "")
    assert json.loads(answer.out) == policy("roll", None, region=None)


def test_a_policy_is_narrowed_to_the_file(rebake: Command, project: Project) -> None:
    """The fleet's group is in it, and no other."""
    project()
    printed = rebake("iam", "--for", "roll", "--region", "us-gov-west-1").out
    assert ":autoScalingGroupName/web-prod" in printed
    assert ":autoScalingGroupName/*" not in printed
    assert "arn:aws-us-gov:" in printed


def test_what_is_too_long_is_printed_in_parts(rebake: Command) -> None:
    """Stderr says how many are needed, and each part is one that IAM takes."""
    whole = rebake("iam")
    cut = parts(json.loads(whole.out))
    assert "--part 1 to --part 2" in whole.err
    assert [json.loads(rebake("iam", "--part", str(number)).out) for number in (1, 2)] == list(cut)
    assert max(map(size, cut)) <= LIMIT


@pytest.mark.parametrize(
    ("words", "told"),
    [(("--for", "everything"), "There is no group everything of verbs."), (("--part", "9"), "There is no part 9")],
)
def test_wrong_words_are_told(rebake: Command, words: tuple[str, ...], told: str) -> None:
    """With 64, and what there is."""
    answer = rebake("iam", *words)
    assert answer.code == 64
    assert told in answer.complaint()[0]
