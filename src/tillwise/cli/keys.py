"""`tillwise keys`: list, make and revoke API keys."""

from __future__ import annotations

from pathlib import Path

import click

from tillwise.access.key import ROLES
from tillwise.access.keys import create_key, list_keys, revoke_key
from tillwise.app.shop_file import read_shop_file
from tillwise.cli.accounts import day, open_accounts
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show


@click.group()
def keys_command() -> None:
    """List, make and revoke API keys."""


@keys_command.command("list")
@shop_option
@json_option
def list_command(shop: Path, *, as_json: bool) -> None:
    """Show every key in force: what it may do, until when, when it was last used."""
    with open_accounts(shop) as accounts:
        keys = list_keys(accounts.store)
    rows = [(k.key_id, k.role, " ".join(sorted(k.scopes)), day(k.expires), day(k.last_used)) for k in keys]
    show = Show(as_json)
    show.document([dict(zip(("id", "role", "scopes", "expires", "last_used"), row, strict=True)) for row in rows])
    show.table("keys", ("id", "role", "scopes", "expires", "last used"), rows)


@keys_command.command("create")
@click.argument("role", type=click.Choice(list(ROLES)))
@click.option(
    "--scope", "scopes", multiple=True, help="Only these of its scopes, or some below (may be given several times)."
)
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="How long it lives.")
@shop_option
@json_option
def create_command(role: str, scopes: tuple[str, ...], days: int, shop: Path, *, as_json: bool) -> None:
    """Make a key of ROLE and print it once. A key never may more than its role."""
    with open_accounts(shop) as accounts:
        own = [use_case.name for use_case, _ in read_shop_file(shop).use_cases] if scopes else []
        key, text = create_key(accounts.store, role, scopes=scopes or None, own=own, days=days)
    show = Show(as_json)
    show.document({"id": key.key_id, "role": role, "scopes": sorted(key.scopes), "key": text})
    show.line(f"{text}\nShown once. It may: {', '.join(sorted(key.scopes))}. It ends on {day(key.expires)}.")


@keys_command.command("revoke")
@click.argument("key_id")
@shop_option
@json_option
def revoke_command(key_id: str, shop: Path, *, as_json: bool) -> None:
    """End a key; it stops answering within a second."""
    with open_accounts(shop) as accounts:
        revoke_key(accounts.store, key_id)
    show = Show(as_json)
    show.document({"id": key_id, "revoked": True})
    show.line(f"key {key_id} is revoked")
