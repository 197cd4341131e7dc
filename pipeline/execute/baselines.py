"""The WriteBaseline step."""

from __future__ import annotations

from pipeline.execute.tools import Workbench
from pipeline.model import names
from pipeline.model.outcomes import Done, Outcome
from pipeline.model.steps import WriteBaseline


def write_baseline(bench: Workbench, step: WriteBaseline) -> Outcome:
    """Write the baseline to SSM, and give it to the patch groups that lack it."""
    baselines = bench.tools.baselines
    id_ = step.id or baselines.find(step.name)  # a run that was killed may have made it
    if id_ is None or step.content:
        token = names.client_token("baseline", bench.run, step.name)
        id_ = baselines.write(id_, step.name, step.baseline, step.system, token)
    for group in step.patch_groups:
        baselines.register(id_, group, step.system)
    return Done(facts={"baseline": id_, "name": step.name})
