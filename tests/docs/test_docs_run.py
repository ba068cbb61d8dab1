"""The documentation cannot lie: every page's files are written, its commands run, its Python executed, in order.

A fence ```toml file=NAME (or csv, python, …) writes NAME into an empty folder; a fence ```sh runs there with `set -e`.
Commands that would need another machine stand in a fence without a language.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tillwise.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(?P<language>\w*)(?: file=(?P<file>\S+))?\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted(
    page
    for page in (ROOT / "docs").glob("*.md")
    if re.search(r"^```(sh|python)", page.read_text("utf-8"), re.MULTILINE)
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    """Whoever follows the page from top to bottom in an empty folder gets no error."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for fence in FENCE.finditer(page.read_text("utf-8")):
        body = fence["body"]
        if fence["file"]:
            (tmp_path / fence["file"]).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / fence["file"]).write_text(body, "utf-8")
            continue
        if fence["language"] == "sh":
            command = ["bash", "-euo", "pipefail", "-c", body]
        elif fence["language"] == "python":
            command = [sys.executable, "-c", body]
        else:
            continue
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{page.name}:\n{body}\n{done.stdout}\n{done.stderr}"


def test_every_command_is_documented() -> None:
    """A command without a word about it in docs/commands.md is a red test."""
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    assert [name for name in COMMANDS if f"`{name}" not in text] == []


def test_links_between_pages_lead_somewhere() -> None:
    """No page points at a file that is not there."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)} → {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []
