"""Errors for the reader: a sentence and a hint on stderr, and with ``--json`` the same as a document on stdout."""

from __future__ import annotations

import json
import sys
from typing import Any

from pipeline.errors import ConfigError, RebakeError


def show_error(error: RebakeError, *, as_json: bool) -> None:
    """Show an error on stderr; with ``--json`` also as the result on stdout."""
    sys.stdout.flush()
    if as_json:
        print(json.dumps(complaint(error), indent=2, ensure_ascii=False))
    prefix = "" if isinstance(error, ConfigError) else "rebake: "
    print(f"{prefix}{error.message}", file=sys.stderr)
    if error.hint:
        print(f"  -> {error.hint}", file=sys.stderr)


def complaint(error: RebakeError) -> dict[str, Any]:
    """Put an error into JSON's types."""
    faults = list(error.faults) if isinstance(error, ConfigError) else []
    return {"error": error.message, "hint": error.hint, "faults": faults, "exit_code": int(error.exit_code)}
