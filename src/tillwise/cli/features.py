"""`tillwise features`: what is computed about whom, from what, and for which purposes."""

from __future__ import annotations

from pathlib import Path

import click

from tillwise.app import build_app
from tillwise.cli.main import OutFile, json_option, shop_option
from tillwise.cli.show import Show
from tillwise.features.page import feature_page


@click.command()
@click.option("--out", type=OutFile(), help="Write the page as Markdown to a file.")
@shop_option
@json_option
def features_command(out: Path | None, shop: Path, *, as_json: bool) -> None:
    """Show the definition of every feature this shop declares."""
    app = build_app(shop)
    sets = app.feature_sets()
    app.close()
    show = Show(as_json)
    show.document(
        [{"use_case": s.name, "hash": s.hash, "aggregates": [a.definition() for a in s.aggregates]} for s in sets]
    )
    if out is not None:
        out.write_text(feature_page(sets), encoding="utf-8")
        show.line(f"written to {out}")
        return
    for each in sets:
        rows = [
            (a.name, a.key, a.meaning, a.unit, " ".join(sorted(p.value for p in a.purposes))) for a in each.aggregates
        ]
        show.table(f"{each.name} · {each.hash[:19]}", ("feature", "key", "meaning", "unit", "purposes"), rows)
