"""`tillwise import`: load the shop's own files by a mapping, no code."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
import msgspec

from tillwise.app import App, build_app
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show, progress
from tillwise.connectors.importing import ImportResult, SourceResult, import_mapping
from tillwise.connectors.mapping_file import read_mapping
from tillwise.errors import InvalidMapping

SHOWN: Final = 5
"""Lines named of each reason."""


@click.command()
@click.argument("mapping", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the files lie (default: beside the mapping).",
)
@shop_option
@json_option
def import_command(mapping: Path, data: Path | None, shop: Path, *, as_json: bool) -> None:
    """Load the files that MAPPING names; nothing is visible until all of them are in."""
    app = build_app(shop)
    try:
        _check_home(app, mapping)
        with progress(quiet=as_json) as bars:
            result = import_mapping(
                app.store,
                app.secrets,
                app.clock,
                mapping,
                data_dir=data,
                progress=bars,
                on_append=(app.tiles,),
                admit=app.log.admit,
            )
    finally:
        app.close()
    _report(Show(as_json), result)


def _check_home(app: App, mapping: Path) -> None:
    """Raise InvalidMapping when the law of the place that [basis] names keeps its people's data elsewhere."""
    basis = read_mapping(mapping).basis
    if basis is not None and app.outbound.guard.refuses(basis.place):
        raise InvalidMapping(
            f"{mapping.name}, [basis]: the law of {basis.place} keeps its people's data in a store of its own region;"
            " see docs/recipients.md, Borders"
        )


def _report(show: Show, result: ImportResult) -> None:
    show.document(msgspec.to_builtins(result))
    rows = [(s.source, s.accepted, s.duplicate, s.flagged, s.quarantined) for s in result.sources]
    title = f"imported as epoch {result.epoch}"
    if result.already:
        title = f"nothing was done: all of it was imported before, as epoch {result.epoch}, with these counts"
    show.table(title, ("source", "accepted", "duplicate", "flagged", "quarantined"), rows)
    for source in result.sources:
        if source.skipped and not result.already:
            show.line(f"  {source.source}: was in before this run")
        for reason, n in source.reasons.items():
            show.line(f"  {source.source}: {n} × {reason}{_where(source, reason)}")
    if any(source.quarantined for source in result.sources):
        show.line("what was set aside, line by line: tillwise quarantine --file NAME")
    for note in result.notes:
        show.line(note)


def _where(source: SourceResult, reason: str) -> str:
    """Return where the first rows of a reason stand."""
    lines = [each.line for each in source.lines if each.said == reason]
    if not lines:
        return ""
    told = ", ".join(map(str, lines[:SHOWN]))
    return f" ({'line' if len(lines) == 1 else 'lines'} {told}{', …' if len(lines) > SHOWN else ''})"
