"""`tillwise ropa`: the record of processing activities (GDPR 30), from what is declared and what really ran."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from tillwise.app import build_app
from tillwise.cli.main import OutFile, json_option, shop_option
from tillwise.cli.show import Show
from tillwise.documents.pages import whole
from tillwise.documents.ropa import Activity, Record
from tillwise.documents.whole import documents


@click.command()
@click.option("--html", type=OutFile(), help="Write the record as one page.")
@shop_option
@json_option
def ropa_command(html: Path | None, shop: Path, *, as_json: bool) -> None:
    """Show the record of processing: who answers, what for, from which data, to whom, how long, how protected."""
    app = build_app(shop)
    try:
        found = documents(app.described)
    finally:
        app.close()
    show = Show(as_json)
    show.document(msgspec.to_builtins(found.record))
    if html is not None:
        html.write_text(whole(f"Record of processing of {found.shop}", found.record_html()), encoding="utf-8")
        show.line(f"written to {html}")
        return
    _tell(show, found.record)


def _tell(show: Show, record: Record) -> None:
    show.line(f"{record.shop}: record of processing (GDPR 30), {record.made}")
    show.table("who answers", ("", ""), list(record.controller.items()))
    head = ("purpose", "by", "basis", "data", "recipients", "days", "decisions in 30 days")
    show.table("what for", head, [_row(each) for each in record.activities])
    rows = [("yes" if each.on else "no", each.name, each.says) for each in record.measures]
    show.table("what protects the data", ("on", "measure", "seen"), rows)
    for each in record.missing:
        show.line(f"missing: {each}")


def _row(each: Activity) -> tuple[object, ...]:
    return (
        each.purpose, ", ".join(each.use_cases), f"{each.basis} ({each.default})", ", ".join(each.data),
        ", ".join(f"{to.name} ({to.country})" for to in each.recipients) or "none", each.days, each.decisions or "–",
    )  # fmt: skip
