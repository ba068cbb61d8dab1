"""`tillwise access`: who could see whose data, who did, and why; and what each role may see."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Final

import click

from tillwise.access.person import list_people
from tillwise.access.reads import COMMAND_LINE, Read, log_read
from tillwise.access.roles import load_roles
from tillwise.app import App, build_app
from tillwise.cli.accounts import minute, moment_of
from tillwise.cli.main import OutFile, json_option, shop_option
from tillwise.cli.show import Show
from tillwise.errors import ConfigurationError, InvalidInput
from tillwise.events.people import user_ids
from tillwise.rights.breach import Exposure, answers_about, exposure_of_key, exposure_of_person, reads_of
from tillwise.rights.person import find_person
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.store import Snapshot

_SHOWN: Final = 20


@click.group()
def access_command() -> None:
    """Answer whose data a key or person could see and did see, and who saw one person."""


@access_command.command("who-saw")
@click.option("--key", "key_id", help="A key's id, revoked ones too.")
@click.option("--person", help="A person's login or id.")
@click.option("--from", "since", required=True, help="A day or time (RFC 3339, UTC unless it says otherwise).")
@click.option("--to", "until", help="A day or time, not included (default: now).")
@click.option("--out", type=OutFile(), help="Write everybody affected to this new CSV file.")
@shop_option
@json_option
def who_saw_command(
    key_id: str | None, person: str | None, since: str, until: str | None, out: Path | None, shop: Path,
    *, as_json: bool,
) -> None:  # fmt: skip
    """Say whose data a key or person could have seen between two times, and whose it did see."""
    if (key_id is None) == (person is None):
        raise click.UsageError("name either --key or --person")
    start, end = moment_of(since, "from"), wall_now() if until is None else moment_of(until, "to")
    if start >= end:
        raise InvalidInput("--from lies before --to", field="from")
    app = build_app(shop)
    try:
        with app.store.snapshot() as snapshot:
            found = (
                exposure_of_key(snapshot, key_id, start, end)
                if key_id is not None
                else exposure_of_person(snapshot, person or "", start, end)
            )
        if out is not None:
            _write(app, found, out)
    finally:
        app.close()
    _show_exposure(Show(as_json), found, out)


@access_command.command("seen")
@click.argument("subject")
@click.option("--anonymous", is_flag=True, help="SUBJECT is an anonymous id.")
@shop_option
@json_option
def seen_command(subject: str, shop: Path, *, anonymous: bool, as_json: bool) -> None:
    """Say who saw SUBJECT's data, when, where and why; each decision told the key that asked for it."""
    app = build_app(shop)
    try:
        with app.store.snapshot() as snapshot:
            person = find_person(snapshot, app.secrets, subject, anonymous=anonymous)
            reads = sorted([*reads_of(snapshot, person), *answers_about(snapshot, person)], key=lambda read: read.wall)
            names = _names(snapshot)
        app.store.commit(
            lambda t: log_read(
                t, who=COMMAND_LINE, what="access seen", reason="who saw this person", subjects=person.keys
            )
        ).result()
    finally:
        app.close()
    show = Show(as_json)
    show.document([{**_line(read), "name": names.get(read.who, read.who)} for read in reads])
    rows = [(minute(r.wall), names.get(r.who, r.who), r.what, r.purpose or "–", r.reason) for r in reads]
    show.table("seen", ("when", "who", "what", "purpose", "reason"), rows)
    if not reads:
        show.line("Nobody has looked since reads are written down.")


@access_command.command("roles")
@json_option
def roles_command(*, as_json: bool) -> None:
    """Show what each role may see, and for which purpose."""
    roles = load_roles().roles
    show = Show(as_json)
    show.document({n: {"says": r.says, "scopes": list(r.scopes), "sees": r.sees} for n, r in roles.items()})
    rows = [(name, purpose, ", ".join(seen)) for name, role in roles.items() for purpose, seen in role.sees.items()]
    show.table("roles", ("role", "for", "sees"), rows)


def _show_exposure(show: Show, found: Exposure, out: Path | None) -> None:
    show.document(
        {
            "who": found.who, "from": minute(found.since), "to": minute(found.until), "through": list(found.through),
            "categories": list(found.categories), "could_see": len(found.could), "did_see": len(found.saw),
            "shown": found.shown, "asked_about": len(found.asked), "reads": [_line(read) for read in found.reads],
            "file": None if out is None else str(out),
        }
    )  # fmt: skip
    if found.since >= found.until:
        show.line(f"{found.who} held no access in this time: nothing could be seen")
        return
    show.line(f"{found.who}, from {minute(found.since)} to {minute(found.until)}, through {', '.join(found.through)}")
    show.line(f"could see: {', '.join(found.categories) or 'nothing'} · of {len(found.could)} people")
    show.line(
        f"did see: {len(found.saw)} people in {len(found.reads)} reads ({found.shown} showings, the erased included)"
    )
    show.line(f"asked decisions about: {len(found.asked)} people")
    rows = [(minute(r.wall), r.what, r.purpose or "–", r.reason, r.people) for r in found.reads[-_SHOWN:]]
    if rows:
        show.table(f"the last {len(rows)} reads", ("when", "what", "purpose", "reason", "people"), rows)
    if out is not None:
        show.line(f"{len(found.could)} people written to {out}")


def _write(app: App, found: Exposure, out: Path) -> None:
    """Write who is affected, by the shop's own ids so that they can be told; the file is a read too, and logged."""
    everyone = sorted(found.could)
    with app.store.snapshot() as snapshot:
        texts = user_ids(snapshot, app.secrets, everyone)
    app.store.commit(
        lambda t: log_read(
            t, who=COMMAND_LINE, what="access who-saw", reason="list of people affected", subjects=everyone
        )
    ).result()
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("subject", "could_be_seen", "times_seen", "asked_about"))
        for key in everyone:
            writer.writerow((texts.get(key, ""), 1, found.saw.get(key, 0), int(key in found.asked)))


def _line(read: Read) -> dict[str, object]:
    return {
        "at": minute(read.wall), "who": read.who, "what": read.what, "purpose": read.purpose, "reason": read.reason,
        "people": read.people, "decision_id": read.decision_id,
    }  # fmt: skip


def _names(snapshot: Snapshot) -> dict[str, str]:
    names = {person.person_id: person.name for person in list_people(snapshot)}
    keys = snapshot.all("SELECT key_id, role FROM keys")
    return names | {row[0]: f"key {row[0]} ({row[1]})" for row in keys}
