"""`tillwise retention`: how long data are kept, delete what is due, hold and release what a claim needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tillwise.app import App, build_app
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show
from tillwise.decisions.answer import rfc3339
from tillwise.errors import NotFound
from tillwise.events.people import find_pseudonym, user_ids
from tillwise.privacy import holds
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction


@contextmanager
def _opened(shop: Path) -> Iterator[App]:
    app = build_app(shop)
    try:
        yield app
    finally:
        app.close()


@click.group()
def retention_command() -> None:
    """Say how long data are kept, delete what is due, hold what a claim needs."""


@retention_command.command("show")
@shop_option
@json_option
def show_command(shop: Path, *, as_json: bool) -> None:
    """Show every kind of data, how long it is kept for which purpose, and on what that rests."""
    with _opened(shop) as app:
        rows = [
            {
                "data": row.name, "meaning": row.meaning, "days": row.days(),
                "purposes": {each.value: row.days(each) for each in Purpose if row.days(each) != row.days()},
                "most": row.most, "kind": row.kind, "source": row.source, "confidence": row.confidence,
                "reviewed": row.reviewed.isoformat(), "reason": row.reason,
            }
            for row in app.retention
        ]  # fmt: skip
    show = Show(as_json)
    show.document(rows)
    table = [(r["data"], r["days"], ", ".join(f"{k} {v}" for k, v in r["purposes"].items()), r["kind"]) for r in rows]  # type: ignore[attr-defined]
    show.table("kept for", ("data", "days", "shorter for", "rests on"), table)


@retention_command.command("run")
@shop_option
@json_option
def run_command(shop: Path, *, as_json: bool) -> None:
    """Delete now what is older than its retention; `serve` and `work` do it once a day."""
    with _opened(shop) as app:
        done = app.keeping.run()
    show = Show(as_json)
    show.document({} if done is None else done.proof())
    if done is not None:
        show.line(f"{done.rows} rows deleted, {done.files} files written anew, {done.held} people left alone")
        table = [(name, table, n) for name, counts in done.deleted.items() for table, n in sorted(counts.items())]
        show.table("deleted", ("data", "table", "rows"), table)


@retention_command.command("hold")
@click.argument("subject")
@click.option("--reason", required=True, help="Which claim the data are held for; do not name the person.")
@click.option("--anonymous", is_flag=True, help="SUBJECT is an anonymous id.")
@shop_option
@json_option
def hold_command(subject: str, reason: str, shop: Path, *, anonymous: bool, as_json: bool) -> None:
    """Delete nothing of SUBJECT until the hold is ended: a claim needs it (GDPR 17(3)(e))."""
    _with_person(shop, subject, lambda t, person: holds.hold(t, person, reason), anonymous=anonymous)
    show = Show(as_json)
    show.document({"subject": subject, "held": True})
    show.line("held: neither the retention job nor an erasure deletes anything of this person")


@retention_command.command("release")
@click.argument("subject")
@click.option("--anonymous", is_flag=True, help="SUBJECT is an anonymous id.")
@shop_option
@json_option
def release_command(subject: str, shop: Path, *, anonymous: bool, as_json: bool) -> None:
    """End a hold on SUBJECT's data."""
    _with_person(shop, subject, holds.release, anonymous=anonymous)
    show = Show(as_json)
    show.document({"subject": subject, "held": False})
    show.line("released: retention and erasure go on")


@retention_command.command("holds")
@shop_option
@json_option
def holds_command(shop: Path, *, as_json: bool) -> None:
    """List whose data are held, and for which claim."""
    with _opened(shop) as app, app.store.snapshot() as snapshot:
        found = holds.on_hold(snapshot)
        names = user_ids(snapshot, app.secrets, [person for person, _, _ in found])
    rows = [
        {"subject": names.get(person, ""), "reason": reason, "since": rfc3339(wall)} for person, reason, wall in found
    ]
    show = Show(as_json)
    show.document(rows)
    show.table("held", ("subject", "reason", "since"), [tuple(row.values()) for row in rows])


def _with_person(shop: Path, subject: str, work: Callable[[Transaction, Pseudonym], None], *, anonymous: bool) -> None:
    with _opened(shop) as app:

        def commit(transaction: Transaction) -> None:
            person = find_pseudonym(transaction, app.secrets, subject, anonymous=anonymous)
            if person is None:
                raise NotFound("nobody with this id is known here")
            work(transaction, person)

        app.store.commit(commit).result()
