"""A real browser, without a screen: what a page shows in it, and which files it asks for."""

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1440, 900

# At the end of a copy of the page: puts into the page what the browser has made of it.
LOOK = """
<script>
addEventListener("load", () => setTimeout(() => {
  const place = (e) => { const r = e.getBoundingClientRect(); return [r.top, r.bottom, r.width]; };
  const look = (selector, more) => [...document.querySelectorAll(selector)].map(
    (e) => ({text: e.alt ?? e.innerText, place: place(e), ...more(e)}));
  const seen = {
    images: look("img", (e) => ({natural: [e.naturalWidth, e.naturalHeight]})),
    tables: look("table", () => ({})),
    headings: look("h1, h2", () => ({})),
    text: document.body.innerText,
    requests: performance.getEntriesByType("resource").map((entry) => entry.name),
    overflow: document.documentElement.scrollWidth - innerWidth,
  };
  const note = document.createElement("template");
  note.id = "seen"; note.setAttribute("content", JSON.stringify(seen));
  document.body.append(note);
}, 1000));
</script>
"""


@dataclass(frozen=True)
class Seen:
    """The page's layout and requests as reported by LOOK, and its scripts' console messages."""

    page: dict
    console: list[str]


def find_browser() -> str | None:
    """The path of an installed browser, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


def inspect_page(page: Path) -> Seen:
    """Open a page in the browser's window of WIDTH x HEIGHT pixels."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory, "page.html")
        copy.write_text(page.read_text() + LOOK)
        done = subprocess.run(
            [
                find_browser(), "--headless", "--no-sandbox", "--disable-gpu",
                "--disable-dev-shm-usage", "--no-first-run",
                "--host-resolver-rules=MAP * ~NOTFOUND",  # nor its own requests
                f"--user-data-dir={directory}/profile", f"--window-size={WIDTH},{HEIGHT}",
                "--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom",
                copy.as_uri(),
            ],
            check=True, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    found = re.search(r'<template id="seen" content="(.*?)">', done.stdout)
    assert found, done.stdout[-2000:] + done.stderr
    text = found[1].replace("&quot;", '"').replace("&amp;", "&").replace("&nbsp;", " ")
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return Seen(json.loads(text), console)
