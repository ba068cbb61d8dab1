"""`tillwise notice`: the notice in force, every one before it, and what changed between two of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from tillwise.app import App, build_app
from tillwise.cli.main import OutFile, json_option, shop_option
from tillwise.cli.show import Show
from tillwise.documents.pages import notice_html, whole
from tillwise.documents.told import Difference
from tillwise.privacy.gate import place_of
from tillwise.privacy.wording import LANGUAGES


@click.group(invoke_without_command=True)
@click.option("--place", default="", help="Country or region, such as DE or US-CA (default: the shop's own).")
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True)
@click.option("--html", type=OutFile(), help="Write it as one page.")
@shop_option
@json_option
@click.pass_context
def notice_command(
    context: click.Context, place: str, language: str, html: Path | None, shop: Path, *, as_json: bool
) -> None:
    """Show the notice in force, short and long, made from what really runs; a new text is kept from today on."""
    if context.invoked_subcommand is not None:
        return
    app = build_app(shop)
    try:
        notice = app.notices.current(place_of(place), language)
        purposes = [purpose.value for purpose in app.notices.purposes]
    finally:
        app.close()
    show = Show(as_json)
    show.document({"notice_id": notice.notice_id, "sha256": notice.sha256, **notice.content, "purposes": purposes})
    if html is not None:
        html.write_text(whole(f"Notice {notice.notice_id}", notice_html(notice), notice.language), encoding="utf-8")
        show.line(f"written to {html}")
        return
    show.line(f"{notice.notice_id} · {notice.place} · {notice.language}\n")
    show.line(notice.long)


@notice_command.command("history")
@click.option("--place", default="", help="Only of this place.")
@click.option("--language", default="", help="Only in this language.")
@shop_option
@json_option
def history_command(place: str, language: str, shop: Path, *, as_json: bool) -> None:
    """Show every notice that was ever in force, the newest first."""
    app = build_app(shop)
    try:
        with app.store.snapshot() as snapshot:
            found = app.notices.history(snapshot, place_of(place), language)
    finally:
        app.close()
    show = Show(as_json)
    rows = [(each.number, each.notice_id, each.place, each.language, _day(each.wall)) for each in found]
    show.document([dict(zip(("number", "notice_id", "place", "language", "since"), row, strict=True)) for row in rows])
    show.table("notices", ("no.", "notice", "place", "language", "in force since"), rows)


@notice_command.command("diff")
@click.argument("before")
@click.argument("after")
@shop_option
@json_option
def diff_command(before: str, after: str, shop: Path, *, as_json: bool) -> None:
    """Say what changed from notice BEFORE to AFTER (ids or numbers), and whose yes has to be renewed."""
    app = build_app(shop)
    try:
        found = _diff(app, before, after)
    finally:
        app.close()
    show = Show(as_json)
    renew = {purpose.value: list(parts) for purpose, parts in found.renew.items()}
    show.document({"changes": list(found.changes), "only_wording": found.only_wording, "renew": renew})
    for each in found.changes or ("nothing but the wording, if anything",):
        show.line(f"· {each}")
    for purpose, parts in renew.items():
        show.line(f"ask again for {purpose}: an earlier yes does not cover {', '.join(parts)}")
    if not renew:
        show.line("no yes has to be renewed")


def _diff(app: App, before: str, after: str) -> Difference:
    with app.store.snapshot() as snapshot:
        return app.notices.diff(snapshot, before, after)


def _day(wall: int) -> str:
    return datetime.fromtimestamp(wall / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
