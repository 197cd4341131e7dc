"""The options that verbs share, added to each of them in one place."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The configuration file.", show_default=True)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
RegionOption = Annotated[str | None, typer.Option("--region", help="The AWS region; default: file, then environment.")]
ProfileOption = Annotated[str | None, typer.Option("--profile", help="The AWS profile.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show what Packer and the tests print, too.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing anything.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show the plan; make no call that changes anything.")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Wait for another run that has the family or fleet.")]
ReportOption = Annotated[Path | None, typer.Option("--report", help="Write an HTML report of the run here.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What the reader asked of any verb; from ``yes`` to ``report`` only of those that take them.

    ``verb`` and ``words`` are the command line: its verb, and all that stood behind ``rebake``.
    """

    config: Path = Path("rebake.yaml")
    json: bool = False
    region: str | None = None
    profile: str | None = None
    verbose: bool = False
    yes: bool = False
    dry_run: bool = False
    wait: bool = False
    report: Path | None = None
    verb: str = ""
    words: tuple[str, ...] = ()


_READING: dict[str, Any] = {
    "config": ConfigOption,
    "json": JsonOption,
    "region": RegionOption,
    "profile": ProfileOption,
    "verbose": VerboseOption,
}
_CHANGING: dict[str, Any] = {
    **_READING,
    "yes": YesOption,
    "dry_run": DryRunOption,
    "wait": WaitOption,
    "report": ReportOption,
}


def verb(
    app: typer.Typer, *, changes: bool = False, dry_run: bool = False, name: str | None = None
) -> Callable[[Callable[..., None]], None]:
    """Register a function as a verb; it receives the shared options as its first argument, a `Common`.

    ``changes``: it carries a plan out, and takes --yes, --dry-run, --wait, --report; ``dry_run``: it takes just that.
    """
    shared = _CHANGING if changes else {**_READING, **({"dry_run": DryRunOption} if dry_run else {})}

    def register(function: Callable[..., None]) -> None:
        own = list(inspect.signature(function).parameters.values())[1:]
        hints = get_type_hints(function, include_extras=True)

        @functools.wraps(function)
        def command(context: typer.Context, **given: Any) -> None:
            asked = {key: given.pop(key) for key in shared}
            common = Common(**asked, verb=context.info_name or "", words=tuple(context.find_root().obj or ()))
            function(common, **given)

        defaults = Common()
        parameters = [inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)]
        parameters += [parameter.replace(annotation=hints[parameter.name]) for parameter in own]
        parameters += [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=getattr(defaults, key), annotation=kind)
            for key, kind in shared.items()
        ]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what typer reads
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        app.command(name or function.__name__)(command)

    return register
