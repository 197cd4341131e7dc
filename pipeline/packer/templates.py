"""Finding templates and rendering them with Jinja2.

The delimiters are ``<{ }>``, ``<% %>`` and ``<# #>``, so that Packer's own ``{{ }}``, HCL's ``${ }`` and its ``<<``
heredocs stay untouched.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path

import jinja2

from pipeline.errors import ConfigError
from pipeline.packer.hcl import literal

SUFFIX = ".pkr.hcl"
JINJA_SUFFIX = ".pkr.hcl.j2"


def builtin_templates() -> Path:
    """Find the built-in templates: beside this module in an installed wheel, at the top of the repository otherwise."""
    here = Path(__file__).resolve().parent
    installed = here / "templates"
    return installed if installed.is_dir() else here.parent.parent / "packer_templates"


def builtin_names(folder: Path) -> tuple[str, ...]:
    """List the built-in templates by name."""
    return tuple(sorted(found.parent.name for found in folder.glob(f"*/*{JINJA_SUFFIX}")))


def render(template: Path, context: Mapping[str, object], *, builtins: Path) -> str:
    """Render one template; it may extend its neighbours and the built-in ones.

    Raises:
        ConfigError: it uses an undefined name or is no valid Jinja; file and line are named.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, builtins]),
        undefined=jinja2.StrictUndefined,
        variable_start_string="<{",
        variable_end_string="}>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - this is HCL, not HTML: the filter `hcl` quotes what needs it
    )
    environment.filters["hcl"] = literal
    try:
        return environment.get_template(template.name).render(context)
    except jinja2.TemplateSyntaxError as error:
        place = f"{error.filename or error.name}:{error.lineno}"
        raise ConfigError((f"{place}: {error.message}",), hint="correct the template") from error
    except jinja2.TemplateNotFound as error:
        fault = f"{template}: there is no template {error.name!r} to extend or include"
        raise ConfigError((fault,), hint=f"put it beside {template.name}, or use a built-in one") from error
    except jinja2.UndefinedError as error:
        fault = f"{_place(error, template)}: {error.message}"
        raise ConfigError((fault,), hint="define it under `variables:` of the family, or correct its name") from error
    except UnicodeDecodeError as error:
        fault = f"{template}, or what it extends or includes, is not UTF-8 text"
        raise ConfigError((fault,), hint="save the template as UTF-8") from error
    except Exception as error:  # a template may compute, and so raise, anything
        fault = f"{_place(error, template)}: {type(error).__name__}: {error}"
        raise ConfigError((fault,), hint="correct the expression in the template") from error


def _place(error: Exception, template: Path) -> str:
    """Find the template's line: Jinja writes its templates into the traceback."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(".j2")]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(template)
