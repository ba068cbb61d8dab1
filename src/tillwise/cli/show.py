"""What people see in a terminal: tables, one-line summaries, progress bars; or JSON when a program asks."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Show:
    """Where a command's words go: tables for people, one JSON document for programs."""

    as_json: bool = False

    def line(self, text: str) -> None:
        """Print one line for a person; nothing when a program listens."""
        if not self.as_json:
            _console().print(text, highlight=False, markup=False, soft_wrap=True)

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a small table for a person; numbers are right-aligned."""
        if self.as_json:
            return
        table = Table(
            title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False
        )
        for index, name in enumerate(header):
            numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
            table.add_column(name, justify="right" if numeric else "left")
        for row in rows:
            table.add_row(*(_cell(value) for value in row))
        _console().print(table)

    def document(self, value: Any) -> None:
        """Print the machine-readable result, when asked for."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 120)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else escape(str(value))


class TerminalProgress:
    """Progress bars on a terminal; silent everywhere else. Satisfies jobs.progress.Progress."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def start(self, total: int, label: str) -> None:
        """Begin a new bar of `total` steps."""
        if self._task is not None:
            self._bars.update(self._task, completed=self._bars.tasks[self._task].total)
        self._task = self._bars.add_task(label, total=total or None)

    def advance(self, units: int = 1) -> None:
        """Say that `units` more are done."""
        if self._task is not None:
            self._bars.advance(self._task, units)


@contextmanager
def progress(*, quiet: bool) -> Iterator[TerminalProgress]:
    """Show progress on standard error while the block runs."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bars:
        yield TerminalProgress(bars)
