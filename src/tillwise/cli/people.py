"""`tillwise people`: who may sign in to the console, with which roles and duties."""

from __future__ import annotations

from pathlib import Path

import click

from tillwise.access.duties import name_duty
from tillwise.access.grants import MOST_DAYS, give_grant
from tillwise.access.passwords import LINK_MINUTES, check_password, hash_password, new_link, set_password
from tillwise.access.person import Person, add_person, find_person, remove_person, set_disabled
from tillwise.access.roles import load_roles
from tillwise.access.staff import read_staff
from tillwise.cli.accounts import Accounts, day, open_accounts
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show
from tillwise.errors import InvalidInput
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.store import Transaction

_MINUTES = click.option(
    "--minutes", type=click.IntRange(*LINK_MINUTES), default=60, show_default=True, help="How long the link lives."
)
_ASK = click.option("--ask-password", is_flag=True, help="Ask for the password here instead of making a link.")


@click.group()
def people_command() -> None:
    """Add, disable and remove people who sign in, and name who holds a duty."""


@people_command.command("list")
@shop_option
@json_option
def list_command(shop: Path, *, as_json: bool) -> None:
    """Show everybody: state, roles until when, duties, last seen."""
    now = wall_now()
    with open_accounts(shop) as accounts:
        members = accounts.read(read_staff)
    show = Show(as_json)
    show.document(
        [
            {
                "id": m.person.person_id, "login": m.person.login, "name": m.person.name, "state": m.state(now),
                "roles": [g.role for g in m.grants if g.in_force(now)], "duties": list(m.duties),
                "last_seen": m.person.last_seen,
            }
            for m in members
        ]
    )  # fmt: skip
    rows = [
        (
            m.person.login,
            m.person.name,
            m.state(now),
            ", ".join(f"{g.role} until {day(g.expires)}" for g in m.grants if g.in_force(now)) or "none",
            ", ".join(m.duties) or "–",
            day(m.person.last_seen),
        )
        for m in members
    ]
    show.table("people", ("signs in as", "name", "state", "roles", "duties", "last seen"), rows)
    if not members:
        show.line("Nobody yet. Next: tillwise people add NAME --role admin")


@people_command.command("add")
@click.argument("login")
@click.option("--name", default="", help="What others see (default: the login).")
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice(list(load_roles().roles)))
@click.option(
    "--days", type=click.IntRange(1, MOST_DAYS), help="How long the roles last (default: the shop's setting)."
)
@_MINUTES
@_ASK
@shop_option
@json_option
def add_command(
    login: str, name: str, roles: tuple[str, ...], days: int | None, minutes: int, shop: Path,
    *, ask_password: bool, as_json: bool,
) -> None:  # fmt: skip
    """Let LOGIN (an e-mail address or user name) sign in with these roles; print a link to set the password."""
    now = wall_now()
    with open_accounts(shop) as accounts:
        lasting = days or accounts.settings.access.grant_days
        password = _asked(login, name, accounts.settings.shop.name) if ask_password else None

        def work(transaction: Transaction) -> tuple[Person, str | None]:
            person = add_person(transaction, login, name, now)
            for role in dict.fromkeys(roles):
                give_grant(transaction, person, role, now, days=lasting)
            return person, _let_in(transaction, person, password, minutes)

        person, code = accounts.do(work)
        link = _link(accounts, code)
    _tell(Show(as_json), person, link, minutes)


@people_command.command("password")
@click.argument("person")
@_MINUTES
@_ASK
@shop_option
@json_option
def password_command(person: str, minutes: int, shop: Path, *, ask_password: bool, as_json: bool) -> None:
    """Make a one-time link with which PERSON sets a new password; the old one counts until then."""
    with open_accounts(shop) as accounts:
        found = accounts.read(lambda snapshot: find_person(snapshot, person))
        if found.disabled is not None:
            raise InvalidInput(
                f"{found.login} is disabled: `tillwise people enable {found.login}` first", field="person"
            )
        password = _asked(found.login, found.name, accounts.settings.shop.name) if ask_password else None
        code = accounts.do(lambda transaction: _let_in(transaction, found, password, minutes))
        link = _link(accounts, code)
    _tell(Show(as_json), found, link, minutes)


@people_command.command("disable")
@click.argument("person")
@shop_option
@json_option
def disable_command(person: str, shop: Path, *, as_json: bool) -> None:
    """Lock PERSON out at once; open sessions end."""
    _switch(person, shop, Show(as_json), disabled=True)


@people_command.command("enable")
@click.argument("person")
@shop_option
@json_option
def enable_command(person: str, shop: Path, *, as_json: bool) -> None:
    """Let PERSON in again, with the roles that still last."""
    _switch(person, shop, Show(as_json), disabled=False)


@people_command.command("remove")
@click.argument("person")
@shop_option
@json_option
def remove_command(person: str, shop: Path, *, as_json: bool) -> None:
    """Remove PERSON for good: name, login and password go; their id stays where reads are written down."""
    with open_accounts(shop) as accounts:
        found = accounts.read(lambda snapshot: find_person(snapshot, person))
        accounts.do(lambda transaction: remove_person(transaction, found, wall_now()))
    show = Show(as_json)
    show.document({"id": found.person_id, "removed": True})
    show.line(f"{found.login} is removed; in logs they stay as {found.person_id}")


@people_command.command("duty")
@click.argument("duty", type=click.Choice(list(load_roles().duties)))
@click.argument("person", required=False)
@click.option("--nobody", is_flag=True, help="End the duty without naming another person.")
@shop_option
@json_option
def duty_command(duty: str, person: str | None, shop: Path, *, nobody: bool, as_json: bool) -> None:
    """Name PERSON as the one who holds DUTY, in place of whoever did."""
    if (person is None) != nobody:
        raise click.UsageError("name a person, or say --nobody")
    with open_accounts(shop) as accounts:
        found = None if person is None else accounts.read(lambda snapshot: find_person(snapshot, person))
        accounts.do(lambda transaction: name_duty(transaction, duty, found, wall_now()))
    show = Show(as_json)
    show.document({"duty": duty, "person": None if found is None else found.login})
    show.line(f"{duty}: {'nobody' if found is None else found.name} · {load_roles().duties[duty].says}")


def _switch(person: str, shop: Path, show: Show, *, disabled: bool) -> None:
    with open_accounts(shop) as accounts:
        found = accounts.read(lambda snapshot: find_person(snapshot, person))
        accounts.do(lambda transaction: set_disabled(transaction, found, wall_now(), disabled=disabled))
    show.document({"id": found.person_id, "login": found.login, "disabled": disabled})
    show.line(f"{found.login} is {'locked out; open sessions have ended' if disabled else 'let in again'}")


def _asked(*about: str) -> str:
    text = click.prompt("Password (at least 12 characters)", hide_input=True, confirmation_prompt=True)
    return hash_password(check_password(text, *about))


def _let_in(transaction: Transaction, person: Person, hashed: str | None, minutes: int) -> str | None:
    if hashed is None:
        return new_link(transaction, person, wall_now(), minutes=minutes)
    set_password(transaction, person, hashed)
    return None


def _link(accounts: Accounts, code: str | None) -> str | None:
    if code is None:
        return None
    serve = accounts.settings.serve
    host = "127.0.0.1" if serve.host in ("0.0.0.0", "::") else serve.host  # noqa: S104 - shown, not bound
    return f"http://{f'[{host}]' if ':' in host else host}:{serve.port}/set-password?code={code}"


def _tell(show: Show, person: Person, link: str | None, minutes: int) -> None:
    show.document({"id": person.person_id, "login": person.login, "link": link})
    if link is None:
        show.line(f"{person.login} signs in with the password just given")
    else:
        show.line(f"{person.login} sets a password here, once, within {minutes} minutes:\n{link}")
        show.line("Behind another address, keep the part from /set-password on. Send it on a way only they can read.")
