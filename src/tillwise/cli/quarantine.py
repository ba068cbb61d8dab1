"""`tillwise quarantine`: what was set aside, and where it stands, so that its sender or its file can be mended."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from tillwise.app import build_app
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show
from tillwise.errors import NotFound
from tillwise.events.quality import QuarantinedRow, newest_quarantined, quarantined_of, quarantined_rows


@click.command()
@click.option("--file", help="Only rows of this imported file, named as its mapping names it; in the order of lines.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many rows.")
@shop_option
@json_option
def quarantine_command(file: str | None, limit: int, shop: Path, *, as_json: bool) -> None:
    """List what was set aside: file and line or the time, the event, the field and the reason. Never what it said."""
    app = build_app(shop)
    try:
        with app.store.snapshot() as snapshot:
            total = quarantined_rows(snapshot, file)
            rows = newest_quarantined(snapshot, limit) if file is None else quarantined_of(snapshot, file, limit)
            names = [name for (name,) in snapshot.all("SELECT DISTINCT source FROM quarantine WHERE source > ''")]
    finally:
        app.close()
    if file is not None and not rows:
        known = f"rows are kept of {', '.join(sorted(names))}" if names else "no row of a file is kept"
        raise NotFound(f"nothing of '{file}' is in quarantine; {known}")
    show = Show(as_json)
    show.document({"total": total, "rows": [_document(row) for row in rows]})
    cells = [(row.source, row.line, _when(row), row.type, row.field, row.reason) for row in rows]
    show.table("quarantine", ("file", "line", "set aside", "event", "field", "reason"), cells)
    show.line(f"{len(rows)} of {total} rows" + ("; --limit shows more" if len(rows) < total else ""))


def _when(row: QuarantinedRow) -> str:
    return datetime.fromtimestamp(row.wall / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _document(row: QuarantinedRow) -> dict[str, str | int | None]:
    when = datetime.fromtimestamp(row.wall / 1000, UTC).isoformat()
    return {"file": row.source, "line": row.line, "at": when, "event": row.type, "field": row.field,
            "reason": row.reason}  # fmt: skip
