"""The IAM actions behind each verb, from the calls in `pipeline.aws.calls`."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.aws.calls import CALLS, ON_LAUNCH, ON_MOVE, ON_REFRESH, PACKER, PREFLIGHT


def _of(*methods: str) -> set[str]:
    """Collect the actions of methods; a port's name alone stands for all of its methods."""
    return {action for name, calls in CALLS.items() if name.startswith(methods) for action in calls}


_PLAN = _of(
    "Images.get",
    "Images.newest",
    "Images.baked",
    "Fleets.find",
    "Fleets.named",
    "Refreshes.listed",
    "Fleets.siblings",
    "Fleets.sizes",
    "Templates.version",
    "Channels.current",
    "Channels.history",
    "Traffic.route",
    "Traffic.elsewhere",
    "Traffic.health",
    "Copies.obstacles",
    "Signals.under",
    "Stacks.get",
    "Baselines.get",
    "Baselines.chosen",
    "Windows.",
    "Ledgers.of",
)
_LEASE = _of("Leases.")
_BAKE = _of("Images.tag", "Images.require_imds_v2", "Images.named").union(PACKER, _LEASE)
_SMOKE = _of("Images.tag", "Instances.launch", "Instances.get", "Instances.tagged", "Instances.terminate").union(
    _of("RunCommand.online", "RunCommand.run"), ON_LAUNCH, _LEASE
)
_PROMOTE = _of("Channels.current", "Channels.history", "Channels.move").union(ON_MOVE, _LEASE)
# Rolling, rolling back and repairing need the same: an interrupted roll rolls back, and the way back is a roll.
_ROLL = _of(
    "Templates.create_version",
    "Fleets.",
    "Refreshes.",
    "Traffic.",
    "Copies.",
    "GroupChanges.",
    "Metrics.",
    "Stacks.",
    "Signals.read",
    "Images.tag",
    "Images.protect",
    "Images.release",
    "Ledgers.",
).union(ON_REFRESH, _LEASE)

_VERBS: Mapping[str, set[str]] = {
    "plan": set(),
    "bake": _BAKE,
    "smoke": _SMOKE,
    "promote": _PROMOTE,
    "roll": _ROLL,
    "rollback": _ROLL,
    "repair": _ROLL,
    "halt": _of("Signals.leave", "Refreshes.cancel", "Refreshes.roll_back"),
    "sweep": _of("Leftovers.", "Signals.take", "Copies.delete")
    | _of("Traffic.forwarding", "Traffic.weigh", "Traffic.delete"),
    "unhalt": _of("Signals.take"),
    "revoke": _of("Images.tag", "Refreshes.cancel", "Refreshes.roll_back"),
    "approve": _of("Signals.leave"),
    "unlock": _LEASE,
    "watch": set(),
    "patches": set(PACKER),
    "baselines": _of("Baselines."),
    "windows": set(),
    "report": _of("Fleets.every", "Templates.aliases"),
    "due": set(),
    "gate": set(),
    "watch-sources": set(),
    "sla": set(),
    "release": _BAKE | _SMOKE | _PROMOTE | _ROLL,
}

ACTIONS: Mapping[str, tuple[str, ...]] = {
    verb: tuple(sorted({action.partition("@")[0] for action in _PLAN | needed})) for verb, needed in _VERBS.items()
}
"""The actions a caller needs for each verb, sorted.

Not listed is what only some configurations need: buckets and the key that signs (below), Session Manager connections,
KMS keys, and secrets of Secrets Manager, which are fetched before a build begins, so that a missing right stops it.
"""

FINDING_ACTIONS = tuple(sorted(_of("Findings.")))
"""What `sla` needs besides, and where a family has `findings` also `due`, `watch-sources` and `release --if-due`, and
where the release gate has a rule of that name, `gate`."""

QUEUE_ACTIONS = tuple(sorted(_of("Notices.")))
"""What `watch-sources` needs besides where there are `events`."""

REPORT_ACTIONS = tuple(sorted(_of("Nodes.", "Findings.coverage", "Findings.fixable")))
"""What `report` needs besides to know of agents, patches and vulnerabilities, and to publish: where `compliance` is."""

JOURNAL_ACTIONS = tuple(sorted(_of("Journals.")))
"""What every verb needs besides where a bucket keeps the journal, and what reading it needs."""

EVIDENCE_ACTIONS = tuple(sorted(_of("Objects.") | {"s3:ListBucket"}))
SIGNING_ACTIONS = tuple(sorted(_of("Signer.")))
"""Likewise of a bucket (without ListBucket, missing files look forbidden) and a key for evidence."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "bake": ("bake", "smoke", "promote", "patches", "baselines"),
    "roll": ("roll", "rollback", "repair"),
    "gate": ("halt", "unhalt", "approve", "unlock", "revoke", "gate"),
    "report": ("plan", "watch", "windows", "report", "due", "gate", "watch-sources", "sla"),
    "sweep": ("sweep",),
}
"""The verbs that one policy is for. All may read what `plan` reads; to ask the release gate two are enough each."""
RELEASE = ("bake", "roll")
"""The groups whose policies `release` needs."""
_SOURCES = {
    "bake": {*FINDING_ACTIONS},
    "gate": {*FINDING_ACTIONS},
    "report": {*FINDING_ACTIONS, *QUEUE_ACTIONS, *REPORT_ACTIONS},
}
"""What a group needs beside its verbs' own: `release --if-due` and the release gate ask for findings, too."""


def actions_for(group: str | None) -> set[str]:
    """Collect what a group's policy allows, or all groups' (None); what an action is for stands behind ``@``."""
    verbs = [verb for name, verbs in GROUPS.items() if group in {None, name} for verb in verbs]
    sources = (actions for name, actions in _SOURCES.items() if group in {None, name})
    return _PLAN.union(PREFLIGHT, *(_VERBS[verb] for verb in verbs), *sources)
