"""The verbs that need only files: init, schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.door import room
from pipeline.errors import ExitCode, UsageError


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(init)
    app.command()(schema)


def init(
    path: Annotated[Path, typer.Argument(help="Where to write the starter file.")] = Path("rebake.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Write a starter configuration. The JSON Schema goes beside it."""
    config = room("pipeline.config")
    if path.exists() and not force:
        raise UsageError(f"{path} exists already.", hint="choose another path, or overwrite it with --force")
    try:
        path.write_text(config.starter(), encoding="utf-8")
        schema_path = path.with_name("rebake.schema.json")
        schema_path.write_text(json.dumps(config.schema(), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", hint="choose a folder that exists") from error
    print(f"Wrote {path} and {schema_path}. Next: edit it, then run: rebake check")


def schema() -> None:
    """Print the configuration's JSON Schema, for editors."""
    print(json.dumps(room("pipeline.config").schema(), indent=2))
    raise typer.Exit(ExitCode.DONE)
