"""Whether SSM's copies of the file's baselines are to be written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from pipeline.errors import NotPossible
from pipeline.model.baselines import PatchBaseline
from pipeline.model.packages import OperatingSystem
from pipeline.model.steps import Note, Plan, PlannedStep, WriteBaseline
from pipeline.planning.patching import require_judgeable

_ENTRIES, _FILTERS, _VALUES = 50, 4, 20
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A baseline of the file for one operating system, and its copy in SSM as it stands (None: there is none).

    ``missing`` are the patch groups that are to have it and have another.
    """

    baseline: PatchBaseline
    system: OperatingSystem
    id: str | None = None
    standing: PatchBaseline | None = None
    missing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the copy is called in SSM."""
        return f"rebake-{self.baseline.name}-{self.system.lower()}"


def plan_baseline(copy: Copy) -> Plan:
    """Plan to make SSM's copy equal to the file, and to give it to the patch groups that are to have it.

    Raises:
        NotPossible: SSM cannot say what the file says.
    """
    require_writable(copy.baseline, copy.system)
    same = copy.standing is not None and _plain(copy.standing) == _plain(copy.baseline)
    target = copy.baseline.name
    if same and not copy.missing:
        return Plan(notes=(Note(target=target, text=f"{copy.name} ({copy.id}) says the same already"),))
    what = "is as the file says" if same else "differs from the file" if copy.id else "does not exist in SSM"
    groups = f"; for patch group {', '.join(copy.missing)}" if copy.missing else ""
    step = WriteBaseline(
        baseline=copy.baseline,
        system=copy.system,
        name=copy.name,
        id=copy.id,
        content=not same,
        patch_groups=copy.missing,
    )
    return Plan(steps=(PlannedStep(target=target, step=step, why=f"{copy.name} {what}{groups}"),))


def require_writable(baseline: PatchBaseline, system: OperatingSystem) -> None:
    """Let only what SSM can say pass.

    Raises:
        NotPossible: a delay on Debian or Ubuntu (Patch Manager would approve at once), or one that is not in whole
            days; more entries, keys or values than SSM takes.
    """
    require_judgeable(baseline, system)
    where = f"Baseline {baseline.name} cannot be written to SSM"
    for number, rule in enumerate(baseline.rules, start=1):
        if not system.advised and (rule.after or rule.until):
            raise NotPossible(
                f"{where}: on Debian and Ubuntu Patch Manager knows no dates and would approve rule {number} at once.",
                hint="use the baseline here only, or a rule without after and until",
            )
        if rule.after % _DAY:
            raise NotPossible(f"{where}: rule {number} waits for part of a day.", hint="say whole days, such as 7d")
        if len(rule.filters) > _FILTERS or any(len(values) > _VALUES for values in rule.filters.values()):
            raise NotPossible(
                f"{where}: rule {number} has more than {_FILTERS} keys, or {_VALUES} values of one.",
                hint="split the rule",
            )
    if max(len(baseline.approved), len(baseline.rejected)) > _ENTRIES:
        raise NotPossible(f"{where}: its lists may have {_ENTRIES} entries.", hint="use wildcards")


def _plain(baseline: PatchBaseline) -> PatchBaseline:
    """Leave out what does not matter: the name, and the order of the lists."""
    return replace(
        baseline, name="", approved=tuple(sorted(baseline.approved)), rejected=tuple(sorted(baseline.rejected))
    )
