"""A real headless browser that loads a page, says how wide it became and how long that took, and takes its picture."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from html import unescape
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
)
_SECONDS = 120
# In a frame of its own: a browser's window has a least width, and a telephone is narrower. The frame runs no script.
_FRAME = """<!doctype html><body style="margin:0"><iframe id="f" style="border:0;width:{width}px;height:{height}px"
 sandbox="allow-same-origin" src="{page}"></iframe><script>
const f=document.getElementById("f"), began=performance.now();
f.onload=()=>{{const d=f.contentDocument, e=d.documentElement, seen={{wide:e.scrollWidth}};
seen.milliseconds=performance.now()-began;
if({unfold}) d.querySelectorAll("details").forEach(one=>{{one.open=true;one.style.contentVisibility="visible"}});
seen.unfolded=e.scrollWidth;seen.rows=d.querySelectorAll("details tr").length;seen.text=d.body.innerText;
document.body.dataset.seen=JSON.stringify(seen)}}
</script>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A loaded page: its width in pixels and that unfolded, the rows below its folds, the time until its layout.

    ``text`` is what can be read: of folds that are open only.
    """

    wide: int
    unfolded: int
    rows: int
    text: str
    milliseconds: float


def browser() -> str | None:
    """Find one; None: there is none here."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def look(page: Path, *, width: int, height: int = 900, unfold: bool = False, picture: Path | None = None) -> Seen:
    """Load a page at a width, and unfold it once it is measured; its own scripts, if it had any, do not run."""
    program = browser()
    if program is None:
        raise FileNotFoundError("There is no browser here.")
    with tempfile.TemporaryDirectory() as folder:
        frame = Path(folder) / "frame.html"
        frame.write_text(
            _FRAME.format(width=width, height=height, page=page.resolve().as_uri(), unfold=str(unfold).lower())
        )
        flags = [program, *_QUIET, "--allow-file-access-from-files", f"--user-data-dir={folder}/profile"]
        flags += [f"--window-size={max(width, 800)},{height}"]
        if picture is not None:
            _run([*flags, f"--screenshot={picture}", frame.as_uri()])
        answer = _run([*flags, "--dump-dom", frame.as_uri()])
    found = re.search(r'data-seen="([^"]*)"', answer)
    if found is None:
        raise RuntimeError("The page was not loaded.")
    return Seen(**json.loads(unescape(found[1])))


def _run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS).stdout
