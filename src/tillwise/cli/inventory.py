"""`tillwise inventory`: every field this shop holds, what it is, where it lies, and what it is used for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click
import msgspec

from tillwise.app import build_app
from tillwise.cli.main import OutFile, json_option, shop_option
from tillwise.cli.show import Show
from tillwise.documents.inventory import Field, untagged
from tillwise.documents.pages import whole
from tillwise.documents.whole import documents


@click.command()
@click.option("--html", type=OutFile(), help="Write the inventory and the picture of the flow.")
@click.option("--all", "everything", is_flag=True, help="Every field, not only those that arrived or are computed.")
@shop_option
@json_option
def inventory_command(html: Path | None, shop: Path, *, everything: bool, as_json: bool) -> None:
    """Show every stored field with category, sensitivity, source, store, purposes, retention and recipients.

    It is generated from the declarations and from what really arrived. Exit code 1 when a field has no tag.
    """
    app = build_app(shop)
    try:
        found = documents(app.described)
    finally:
        app.close()
    show = Show(as_json)
    show.document([msgspec.to_builtins(field) for field in found.fields])
    if html is not None:
        html.write_text(whole(f"Inventory of {found.shop}", found.inventory_html()), encoding="utf-8")
        show.line(f"written to {html}")
    else:
        shown = [field for field in found.fields if everything or _came(field)]
        show.table("inventory", _HEAD, [_row(field) for field in shown])
    levels = Counter(field.sensitivity for field in found.fields)
    show.line(f"{len(found.fields)} fields: " + ", ".join(f"{n} {level}" for level, n in sorted(levels.items())))
    missing = untagged(found.fields)
    if missing:
        names = ", ".join(field.name for field in missing[:5])
        raise click.ClickException(f"{len(missing)} fields have no tag, such as {names}: see `tillwise doctor`")


_HEAD = ("field", "category", "sensitivity", "from", "kept in", "used for", "days", "others")


def _came(field: Field) -> bool:
    return field.seen is True or field.kind in ("feature", "reading", "request")


def _row(field: Field) -> tuple[object, ...]:
    return (
        field.name, field.category, field.sensitivity, field.source, ", ".join(field.stored),
        ", ".join(field.purposes) or "nothing in force", field.kept, ", ".join(field.recipients) or "nobody",
    )  # fmt: skip
