"""`tillwise consent`: what a person said, for which purpose; recorded, provable, withdrawable at once."""

from __future__ import annotations

from pathlib import Path

import click

from tillwise.app import App, build_app
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show
from tillwise.errors import NotFound
from tillwise.events.people import find_pseudonym, pseudonym_for
from tillwise.privacy import ledger
from tillwise.privacy.ledger import Consent, State
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction

STATES = {"given": State.GIVEN, "refused": State.REFUSED, "withdrawn": State.WITHDRAWN}


@click.group()
def consent_command() -> None:
    """Show or record what a person said."""


@consent_command.command("show")
@click.argument("subject")
@shop_option
@json_option
def show_command(subject: str, shop: Path, *, as_json: bool) -> None:
    """Show everything SUBJECT (the shop's user id) ever said, oldest first."""
    app = build_app(shop)
    try:
        with app.store.snapshot() as snapshot:
            person = find_pseudonym(snapshot, app.secrets, subject)
            if person is None:
                raise NotFound("nobody with this id is known here")
            said = ledger.history(snapshot, person)
    finally:
        app.close()
    show = Show(as_json)
    show.document(said)
    header = ("purpose", "state", "place", "notice", "source", "seq")
    show.table("consents", header, [tuple(row[name] for name in header) for row in said])


@consent_command.command("set")
@click.argument("subject")
@click.argument("purpose", type=click.Choice([p.value for p in Purpose if p is not Purpose.OPERATIONS]))
@click.argument("state", type=click.Choice(list(STATES)))
@click.option("--place", default="", help="Country the person is in, ISO 3166-1, such as DE.")
@click.option("--notice", default="", help="Id of the notice they had read.")
@click.option("--evidence", default="", help="Where the proof is kept.")
@shop_option
@json_option
def set_command(
    subject: str, purpose: str, state: str, place: str, notice: str, evidence: str, shop: Path, *, as_json: bool
) -> None:
    """Record that SUBJECT gave, refused or withdrew consent for PURPOSE; the next decision acts on it."""
    app = build_app(shop)
    try:
        seq, at = _record(app, subject, purpose, state, (place, notice, evidence))
    finally:
        app.close()
    show = Show(as_json)
    show.document({"subject": subject, "purpose": purpose, "state": state, "seq": seq, "at": at})
    show.line(f"{purpose}: {state}, at position {seq}")


def _record(app: App, subject: str, purpose: str, state: str, texts: tuple[str, str, str]) -> tuple[int, int]:
    place, notice, evidence = texts

    def work(transaction: Transaction) -> tuple[int, int]:
        person = pseudonym_for(transaction, app.secrets, subject)
        said = Consent(
            person, Purpose(purpose), STATES[state], place=place, notice=notice, evidence=evidence, source="cli"
        )
        return ledger.record(transaction, said, app.clock.now())

    return app.store.commit(work).result()
