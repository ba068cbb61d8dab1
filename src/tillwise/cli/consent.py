"""`tillwise consent`: serve a notice, record what a person said, prove it, import what was said elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from tillwise.access.reads import COMMAND_LINE, log_read
from tillwise.app import App, build_app
from tillwise.cli.link import link_command
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show
from tillwise.decisions.answer import rfc3339
from tillwise.errors import Conflict, InvalidInput, NotFound
from tillwise.events.people import find_pseudonym, pseudonym_for
from tillwise.privacy import ledger
from tillwise.privacy.age import in_words
from tillwise.privacy.consent import SAYABLE, Choice, current, keep_age, known_band, say
from tillwise.privacy.consent_file import FORMATS, Imported, import_consents
from tillwise.privacy.consent_receipt import ALGORITHM, ReceiptSigner, basis_after, check_receipt, consent_receipt
from tillwise.privacy.gate import place_of
from tillwise.privacy.ledger import State
from tillwise.privacy.served import serve
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction

Command = TypeVar("Command", bound=Callable[..., Any])
PURPOSES = [purpose.value for purpose in Purpose if purpose is not Purpose.OPERATIONS]
STATES = [state.value for state in SAYABLE]


def _person(command: Command) -> Command:
    """Add SUBJECT and `--anonymous`."""
    command = click.option("--anonymous", is_flag=True, help="SUBJECT is an anonymous id.")(command)
    return click.argument("subject")(command)


@contextmanager
def _opened(shop: Path) -> Iterator[App]:
    app = build_app(shop)
    try:
        yield app
    finally:
        app.close()


@click.group()
def consent_command() -> None:
    """Serve a notice, record, show, check or import what people said."""


consent_command.add_command(link_command)


@consent_command.command("notice")
@_person
@click.option("--place", default="", help="Country the person is in, ISO 3166-1, such as DE, or US-CA.")
@click.option("--language", default="en", help="Language of the notice, such as de.")
@shop_option
@json_option
def notice_command(subject: str, place: str, language: str, shop: Path, *, anonymous: bool, as_json: bool) -> None:
    """Print the notice in force for SUBJECT and record that they are shown it: read it out or hand it over.

    A yes names its id: `tillwise consent set SUBJECT PURPOSE given --notice ID`.
    """
    with _opened(shop) as app:
        made = app.notices.current(place_of(place or app.settings.shop.place), language)

        def work(transaction: Transaction) -> None:
            person = pseudonym_for(transaction, app.secrets, subject, anonymous=anonymous)
            serve(transaction, made, person, app.clock.now())

        app.store.commit(work).result()
    show = Show(as_json)
    show.document({"notice_id": made.notice_id, "sha256": made.sha256, "place": made.place, "text": made.long})
    show.line(f"{made.long}\n\nnotice {made.notice_id}, served to {subject}")


@consent_command.command("show")
@_person
@click.option("--reason", default="", help="Why you look; written down with the read.")
@shop_option
@json_option
def show_command(subject: str, reason: str, shop: Path, *, anonymous: bool, as_json: bool) -> None:
    """Show what counts now for SUBJECT (the shop's user id), and everything they ever said, oldest first."""
    with _opened(shop) as app, app.store.snapshot() as snapshot:
        person = find_pseudonym(snapshot, app.secrets, subject, anonymous=anonymous)
        if person is None:
            raise NotFound("nobody with this id is known here")
        now = current(snapshot, person, app.clock.now())
        said = ledger.history(snapshot, person)
        age = in_words(known_band(snapshot, person))
        app.store.commit(
            lambda transaction: log_read(
                transaction, who=COMMAND_LINE, what="consent show", reason=reason or COMMAND_LINE, subjects=(person,)
            )
        ).result()
    show = Show(as_json)
    show.document(said)
    counts = [(c.purpose.value, c.state.value, c.dpv, "yes" if c.renew else "", c.place) for c in now]
    show.table(f"what counts now (age: {age})", ("purpose", "state", "dpv", "renew", "place"), counts)
    header = ("purpose", "state", "place", "notice", "source", "seq")
    show.table("consents", header, [tuple(row[name] for name in header) for row in said])


@consent_command.command("set")
@_person
@click.argument("purpose", type=click.Choice(PURPOSES))
@click.argument("state", type=click.Choice(STATES))
@click.option("--place", default="", help="Country the person is in, ISO 3166-1, such as DE.")
@click.option("--notice", default="", help="Id of the notice they were served; a yes needs one.")
@click.option("--evidence", default="", help="Where the proof is kept.")
@click.option("--age", type=click.IntRange(0, 150), help="Their age in years; only the band is kept.")
@click.option("--guardian", is_flag=True, help="A parent or guardian agreed too.")
@shop_option
@json_option
def set_command(subject: str, purpose: str, state: str, shop: Path, *, as_json: bool, **said: Any) -> None:
    """Record that SUBJECT gave, refused or withdrew consent for PURPOSE; the next decision acts on it.

    Prints the signed receipt with --json.
    """
    anonymous = said["anonymous"]
    with _opened(shop) as app:
        place = place_of(said["place"] or app.settings.shop.place)
        choice = Choice(
            Purpose(purpose), State(state), said["notice"], "cli", place, said["age"], said["guardian"],
            evidence=said["evidence"],
        )  # fmt: skip

        def work(transaction: Transaction) -> Any:
            person = pseudonym_for(transaction, app.secrets, subject, anonymous=anonymous)
            done = say(transaction, person, choice, app.clock.now())
            return done, basis_after(app.gate, transaction, person, done, anonymous=anonymous)

        def keep(transaction: Transaction) -> None:
            person = pseudonym_for(transaction, app.secrets, subject, anonymous=anonymous)
            keep_age(transaction, person, choice, app.clock.now())

        try:
            done, basis = app.store.commit(work).result()
        except Conflict:
            app.store.commit(keep).result()
            raise
        receipt = consent_receipt(done, subject=subject, shop=app.settings.shop.name, basis=basis)
        signer = ReceiptSigner(app.secrets)
    show = Show(as_json)
    signed = {
        "receipt": receipt, "signature": signer.sign(receipt), "algorithm": ALGORITHM, "public_key": signer.public,
    }  # fmt: skip
    fact = {"subject": subject, "purpose": purpose, "state": state, "seq": done.seq, "at": done.at}
    show.document({**fact, **signed})
    show.line(f"{purpose}: {state}, at position {done.seq}")


@consent_command.command("age")
@_person
@click.argument("age", type=click.IntRange(0, 150))
@shop_option
@json_option
def age_command(subject: str, age: int, shop: Path, *, anonymous: bool, as_json: bool) -> None:
    """Tell the AGE of SUBJECT in years: the band it lies in is kept, and every later decision goes by it."""
    with _opened(shop) as app:

        def work(transaction: Transaction) -> int:
            person = pseudonym_for(transaction, app.secrets, subject, anonymous=anonymous)
            ledger.know_age(transaction, person, age, app.clock.now(), source="cli")
            return known_band(transaction, person)

        band = in_words(app.store.commit(work).result())
    show = Show(as_json)
    show.document({"subject": subject, "age": band})
    show.line(f"age: {band}")


@consent_command.command("verify")
@click.argument("receipt", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--public-key", default="", help="The shop's public key, to check a receipt without the shop's folder.")
@shop_option
@json_option
def verify_command(receipt: Path, public_key: str, shop: Path, *, as_json: bool) -> None:
    """Check that RECEIPT (a JSON file) was signed by this shop and not changed since; exit code 1 when not."""
    try:
        signed = json.loads(receipt.read_text("utf-8"))
        body, signature = signed["receipt"], signed["signature"]
    except (ValueError, KeyError, TypeError):
        raise InvalidInput(f"{receipt} is no signed receipt: it needs receipt and signature") from None
    if not isinstance(body, dict) or not isinstance(signature, str):
        raise InvalidInput(f"{receipt} is no signed receipt: receipt is an object, signature a text")
    if not public_key:
        with _opened(shop) as app:
            public_key = ReceiptSigner(app.secrets).public
    check_receipt(body, signature, public_key)
    event = body.get("event", {})
    show = Show(as_json)
    show.document({"valid": True, "record_id": body.get("record_id"), "event": event})
    show.line(f"genuine: {body.get('record_id')}, {event.get('event_state')} on {event.get('event_time')}")


@consent_command.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--format", "kind", type=click.Choice(FORMATS), required=True, help="Who wrote the records.")
@click.option("--notice", default="", help="Id of the notice those people had read.")
@click.option("--evidence", default="", help="Where the proof is kept.")
@click.option("--place", default="", help="Country of people whose line names none.")
@click.option(
    "--revision", type=click.IntRange(0), default=0, help="Yeses on an older revision of the text count no more."
)
@shop_option
@json_option
def import_command(file: Path, kind: str, shop: Path, *, as_json: bool, **about: Any) -> None:
    """Import consents from FILE, JSON Lines: {"subject" or "anonymous_id": …, "record": …, "place": …, "at": …}.

    A no acts at once. A yes is declared, not witnessed, unless this shop served the notice to that person.
    """
    with _opened(shop) as app:
        place = place_of(about["place"] or app.settings.shop.place)
        imported = Imported(kind, about["notice"], about["evidence"], place, about["revision"])
        counts = import_consents(app.store, app.secrets, app.clock, app.settings.consent, imported, file)
    show = Show(as_json)
    show.document(counts)
    show.table(f"{file.name} at {rfc3339(wall_now())}", ("what", "lines"), sorted(counts.items()))
