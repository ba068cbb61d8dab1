"""`tillwise grants`: who holds which role until when, and which of them nobody uses."""

from __future__ import annotations

from pathlib import Path

import click

from tillwise.access.grants import MOST_DAYS, UNUSED_DAYS, Grant, give_grant, list_grants, renew_grant, revoke_grant
from tillwise.access.key import Key
from tillwise.access.keys import DAY, list_keys
from tillwise.access.person import find_person, list_people
from tillwise.access.roles import load_roles
from tillwise.cli.accounts import Accounts, day, open_accounts
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show
from tillwise.vocabulary.clock import wall_now

_DAYS = click.option("--days", type=click.IntRange(1, MOST_DAYS), help="How long (default: the shop's setting).")


@click.group()
def grants_command() -> None:
    """List, give, renew and revoke roles."""


@grants_command.command("list")
@click.option("--unused", is_flag=True, help=f"Only grants and keys nobody used for {UNUSED_DAYS} days.")
@shop_option
@json_option
def list_command(shop: Path, *, unused: bool, as_json: bool) -> None:
    """Show every grant that was not revoked; with --unused, what to take away."""
    now = wall_now()
    with open_accounts(shop) as accounts:
        grants = accounts.read(list_grants)
        names = {person.person_id: person.login for person in accounts.read(list_people)}
        keys = list_keys(accounts.store)
    if unused:
        grants = [grant for grant in grants if grant.unused(now)]
    idle = [key for key in keys if unused and _is_idle(key, now)]
    rows = [
        (g.grant_id, names.get(g.person_id, g.person_id), g.role, "in force" if g.in_force(now) else "ended",
         day(g.expires), day(g.last_used))
        for g in grants
    ] + [(k.key_id, "(key)", k.role, "in force", day(k.expires), day(k.last_used)) for k in idle]  # fmt: skip
    show = Show(as_json)
    show.document(
        [dict(zip(("id", "person", "role", "state", "expires", "last_used"), row, strict=True)) for row in rows]
    )
    show.table("unused" if unused else "grants", ("id", "person", "role", "state", "until", "last used"), rows)
    if unused:
        show.line(
            "tillwise grants revoke ID · tillwise keys revoke ID" if rows else "Everything that was given is used."
        )


@grants_command.command("give")
@click.argument("person")
@click.argument("role", type=click.Choice(list(load_roles().roles)))
@_DAYS
@shop_option
@json_option
def give_command(person: str, role: str, days: int | None, shop: Path, *, as_json: bool) -> None:
    """Give PERSON a ROLE for a while."""
    with open_accounts(shop) as accounts:
        found = accounts.read(lambda snapshot: find_person(snapshot, person))
        lasting = _lasting(accounts, days)
        grant = accounts.do(lambda transaction: give_grant(transaction, found, role, wall_now(), days=lasting))
    _tell(Show(as_json), grant, f"{found.login} is {role} until {day(grant.expires)}: {load_roles().roles[role].says}")


@grants_command.command("renew")
@click.argument("grant_id")
@_DAYS
@shop_option
@json_option
def renew_command(grant_id: str, days: int | None, shop: Path, *, as_json: bool) -> None:
    """Let a grant last on, counted from now."""
    with open_accounts(shop) as accounts:
        lasting = _lasting(accounts, days)
        grant = accounts.do(lambda transaction: renew_grant(transaction, grant_id, wall_now(), days=lasting))
    _tell(Show(as_json), grant, f"{grant_id} ({grant.role}) lasts until {day(grant.expires)}")


@grants_command.command("revoke")
@click.argument("grant_id")
@shop_option
@json_option
def revoke_command(grant_id: str, shop: Path, *, as_json: bool) -> None:
    """End a grant now; the next page is denied."""
    with open_accounts(shop) as accounts:
        grant = accounts.do(lambda transaction: revoke_grant(transaction, grant_id, wall_now()))
    _tell(Show(as_json), grant, f"{grant_id} ({grant.role}) is revoked")


def _lasting(accounts: Accounts, days: int | None) -> int:
    return days or accounts.settings.access.grant_days


def _is_idle(key: Key, now: int) -> bool:
    return key.expires > now and now - (key.last_used or key.created) >= UNUSED_DAYS * DAY


def _tell(show: Show, grant: Grant, text: str) -> None:
    show.document({"id": grant.grant_id, "person": grant.person_id, "role": grant.role, "expires": grant.expires})
    show.line(text)
