"""`tillwise recipients`: who may receive data, whether they may today, what went to them, and who has to be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from tillwise.access.reads import COMMAND_LINE, log_read
from tillwise.app import App, build_app
from tillwise.app.doctor.finding import day
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show
from tillwise.errors import ConfigurationError, NotFound
from tillwise.events.people import find_pseudonym
from tillwise.privacy.ledger import State
from tillwise.recipients import outbox, sent, transfers
from tillwise.recipients.causes import Cause
from tillwise.recipients.transfers import TransferConsent
from tillwise.recipients.vendor import Vendor
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.purpose import Purpose


@click.group()
def recipients_command() -> None:
    """Show who may receive data, what went to them, and why something did not leave."""


@recipients_command.command("list")
@shop_option
@json_option
def list_command(shop: Path, *, as_json: bool) -> None:
    """Show every vendor on record, and whether anything may go to them today."""
    show = Show(as_json)
    app = build_app(shop)
    try:
        vendors = _records(app)
        states = {name: [c.code for c in app.outbound.gate.obstacles(v, None, ())] for name, v in vendors.items()}
    finally:
        app.close()
    show.document([{**msgspec.to_builtins(vendor), "obstacles": states[name]} for name, vendor in vendors.items()])
    rows = [
        (
            v.name,
            v.role,
            v.country,
            _until(v),
            " ".join(p.value for p in v.purposes),
            ", ".join(states[v.name]) or "yes",
        )
        for v in vendors.values()
    ]
    show.table("recipients", ("name", "role", "country", "agreement until", "purposes", "may receive"), rows)
    if not vendors:
        show.line("nobody is on record: vendors.toml in the shop's folder holds one [[vendor]] table for each")


@recipients_command.command("show")
@click.argument("vendor")
@shop_option
@json_option
def show_command(vendor: str, shop: Path, *, as_json: bool) -> None:
    """Show the record of VENDOR and what went to it."""
    show = Show(as_json)
    app = build_app(shop)
    try:
        record = _record(app, vendor)
        with app.store.snapshot() as snapshot:
            handed = [row for row in sent.totals(snapshot) if row["vendor"] == vendor]
    finally:
        app.close()
    plain = msgspec.to_builtins(record)
    show.document({"record": plain, "digest": record.digest, "sent": handed})
    show.table(vendor, ("field", "value"), [(name, _text(value)) for name, value in plain.items() if value])
    _totals(show, handed)


@recipients_command.command("check")
@click.argument("vendor")
@click.option("--purpose", type=click.Choice([p.value for p in Purpose]), help="Ask for one purpose only.")
@click.option("--place", "places", multiple=True, help="Ask for people of this place too, such as DE or CN.")
@shop_option
@json_option
def check_command(vendor: str, purpose: str | None, places: tuple[str, ...], shop: Path, *, as_json: bool) -> None:
    """Say whether anything may go to VENDOR today, and if not why; exit code 1 when not."""
    show = Show(as_json)
    app = build_app(shop)
    try:
        record = _record(app, vendor)
        causes = _causes(app, record, None if purpose is None else Purpose(purpose), places)
    finally:
        app.close()
    show.document({"vendor": vendor, "may_receive": not causes, "causes": [each._asdict() for each in causes]})
    show.table("what stands in the way", ("cause", "means", "mend"), [tuple(each) for each in causes])
    if causes:
        raise ConfigurationError(f"nothing may go to '{vendor}': {'; '.join(each.text for each in causes)}")
    show.line(f"{vendor}: nothing stands in the way; each person's own place and word are looked at when data leave")


@recipients_command.command("sent")
@click.option("--vendor", help="Only what went to this vendor.")
@click.option("--subject", help="Only what held this person (the shop's user id).")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@shop_option
@json_option
def sent_command(vendor: str | None, subject: str | None, limit: int, shop: Path, *, as_json: bool) -> None:
    """Show what went to whom, the newest first; what waits in the outbox; and who has to be told of a request."""
    show = Show(as_json)
    app = build_app(shop)
    try:
        with app.store.snapshot() as snapshot:
            totals, waiting, tasks = sent.totals(snapshot), outbox.queues(snapshot), sent.tasks(snapshot)
            rows = sent.newest(snapshot, vendor=vendor, limit=limit)
        if subject is not None:
            rows = _of(app, subject)
    finally:
        app.close()
    queues = [each._asdict() for each in waiting]
    show.document({"sent": rows, "totals": totals, "outbox": queues, "tell": tasks})
    header = ("what", "vendor", "purpose", "records", "people")
    show.table("sent", ("day", *header), [(day(row["wall"]), *(row.get(name, "") for name in header)) for row in rows])
    _totals(show, totals)
    show.table("outbox", ("sink", "waiting", "given up", "cause"),
               [(each.sink, each.waiting, each.given_up, each.cause) for each in waiting])  # fmt: skip
    show.table("to be told of a request", ("task", "day", "vendor"),
               [(str(row["id"]), day(row["wall"]), row["vendor"]) for row in tasks])  # fmt: skip


@recipients_command.command("told")
@click.argument("task", type=int)
@shop_option
@json_option
def told_command(task: int, shop: Path, *, as_json: bool) -> None:
    """Note that the recipient of TASK was told of the erasure, correction or restriction."""
    app = build_app(shop)
    try:
        if not app.store.commit(lambda transaction: sent.close_task(transaction, task, wall_now())).result():
            raise NotFound(f"there is no open task {task}: see `tillwise recipients sent`")
    finally:
        app.close()
    show = Show(as_json)
    show.document({"task": task, "done": True})
    show.line(f"task {task}: noted as told")


@recipients_command.command("consent")
@click.argument("subject")
@click.argument("country")
@click.argument("state", type=click.Choice([each.value for each in transfers.STATES]))
@click.option("--notice", default="", help="Id of the notice they were shown; a yes needs it.")
@click.option("--place", default="", help="Where they were, ISO 3166-1, such as CN.")
@shop_option
@json_option
def consent_command(
    subject: str, country: str, state: str, notice: str, place: str, shop: Path, *, as_json: bool
) -> None:
    """Record what SUBJECT said about their data going to COUNTRY (PIPL 39; GDPR 49(1)(a))."""
    app = build_app(shop)
    try:
        with app.store.snapshot() as snapshot:
            person = find_pseudonym(snapshot, app.secrets, subject)
        if person is None:
            raise NotFound("nobody with this id is known here")
        said = TransferConsent(person, country, State(state), place=place, notice=notice, source="cli")
        seq = app.store.commit(lambda transaction: transfers.record(transaction, said, app.clock.now())).result()
    finally:
        app.close()
    show = Show(as_json)
    show.document({"subject": subject, "transfer": said.name, "state": state, "seq": seq})
    show.line(f"{said.name}: {state}, at position {seq}")


@recipients_command.command("secret")
@click.argument("sink")
@shop_option
@json_option
def secret_command(sink: str, shop: Path, *, as_json: bool) -> None:
    """Print the secret that signs the messages of SINK (Standard Webhooks); it is for the vendor and nobody else."""
    app = build_app(shop)
    try:
        secret = app.outbound.sinks.secret(sink)
    finally:
        app.close()
    show = Show(as_json)
    show.document({"sink": sink, "secret": secret})
    show.line(secret)


@recipients_command.command("retry")
@click.argument("sink")
@shop_option
@json_option
def retry_command(sink: str, shop: Path, *, as_json: bool) -> None:
    """Try everything that waits for SINK again, what was given up included, and say what became of it."""
    app = build_app(shop)
    try:
        app.outbound.sinks.secret(sink)
        n = app.store.commit(lambda transaction: outbox.retry(transaction, sink, wall_now())).result()
        done = app.outbound.sinks.deliver()[sink]
    finally:
        app.close()
    show = Show(as_json)
    show.document({"sink": sink, "tried": n, **done._asdict()})
    show.line(f"{sink}: {done.arrived} arrived, {done.withheld} may not leave, {done.put_off} are tried again later")


def _records(app: App) -> dict[str, Vendor]:
    """Return the records; raise ConfigurationError when they cannot be read."""
    if app.outbound.book.problem:
        raise ConfigurationError(app.outbound.book.problem)
    return app.outbound.book.vendors


def _record(app: App, vendor: str) -> Vendor:
    found = _records(app)
    if vendor not in found:
        raise NotFound(f"no vendor '{vendor}' is on record; these are: {', '.join(found) or 'none'}")
    return found[vendor]


def _causes(app: App, record: Vendor, purpose: Purpose | None, places: tuple[str, ...]) -> list[Cause]:
    gate = app.outbound.gate
    causes = list(gate.obstacles(record, purpose, ()))
    for place in places or ((app.settings.shop.place,) if app.settings.shop.place else ()):
        cause = gate.obstacle_at(record, place)
        if cause is not None:
            causes.append(cause)
    return causes


def _of(app: App, subject: str) -> list[dict[str, Any]]:
    with app.store.snapshot() as snapshot:
        person = find_pseudonym(snapshot, app.secrets, subject)
        if person is None:
            raise NotFound("nobody with this id is known here")
        rows = list(sent.of_people(snapshot, (person,)))
    app.store.commit(
        lambda transaction: log_read(
            transaction,
            who=COMMAND_LINE,
            what="recipients sent",
            reason="who received this person's data",
            subjects=(person,),
        )
    ).result()
    return rows


def _totals(show: Show, rows: list[dict[str, Any]]) -> None:
    header = ("vendor", "purpose", "sendings", "records", "people")
    show.table("in all", (*header, "newest"), [(*(row[name] for name in header), day(row["newest"])) for row in rows])


def _until(vendor: Vendor) -> str:
    return "none" if vendor.agreement is None else str(vendor.agreement.expires)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(each)}" for name, each in value.items() if each)
    return " ".join(_text(each) for each in value) if isinstance(value, list | tuple) else str(value)
