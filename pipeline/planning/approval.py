"""A person's word before each fleet, asked for on the command line."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pipeline.model.gates import ApprovalGate
from pipeline.model.rollouts import CheckGate
from pipeline.model.steps import Lane, Plan, PlannedStep
from pipeline.planning.blue_green import RETIREMENT


def with_approval(plan: Plan, within: timedelta) -> Plan:
    """Let every fleet's lane begin with an approval; one word for the run approves all of them."""
    waves = [
        wave if wave.name == RETIREMENT else replace(wave, lanes=tuple(_asked(lane, within) for lane in wave.lanes))
        for wave in plan.waves
    ]
    return replace(plan, waves=tuple(waves))


def _asked(lane: Lane, within: timedelta) -> Lane:
    gate = ApprovalGate(within=within)
    step = CheckGate(fleet=lane.fleet, gates=(gate,), patience=within)
    return replace(
        lane, steps=(PlannedStep(target=lane.fleet, step=step, why="asked for by --approve-by"), *lane.steps)
    )
