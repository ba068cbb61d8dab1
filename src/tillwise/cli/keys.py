"""`tillwise keys`: list, make and revoke API keys."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from tillwise.access.key import ROLES
from tillwise.access.keys import TABLES, create_key, list_keys, revoke_key
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show
from tillwise.settings import ShopFolder
from tillwise.stores.sqlite import SqliteStore


@click.group()
def keys_command() -> None:
    """List, make and revoke API keys."""


def _open(shop: Path) -> SqliteStore:
    folder = ShopFolder(shop)
    folder.settings()
    store = SqliteStore(folder.database)
    store.create(TABLES)
    return store


@keys_command.command("list")
@shop_option
@json_option
def list_command(shop: Path, *, as_json: bool) -> None:
    """Show every key in force: what it may do, until when, when it was last used."""
    store = _open(shop)
    try:
        keys = list_keys(store)
    finally:
        store.close()
    rows = [(k.key_id, k.role, " ".join(sorted(k.scopes)), _day(k.expires), _day(k.last_used)) for k in keys]
    show = Show(as_json)
    show.document([dict(zip(("id", "role", "scopes", "expires", "last_used"), row, strict=True)) for row in rows])
    show.table("keys", ("id", "role", "scopes", "expires", "last used"), rows)


@keys_command.command("create")
@click.argument("role", type=click.Choice(list(ROLES)))
@click.option("--scope", "scopes", multiple=True, help="Only these scopes (may be given several times).")
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="How long it lives.")
@shop_option
@json_option
def create_command(role: str, scopes: tuple[str, ...], days: int, shop: Path, *, as_json: bool) -> None:
    """Make a key of ROLE and print it once."""
    store = _open(shop)
    try:
        key, text = create_key(store, role, scopes=scopes or None, days=days)
    finally:
        store.close()
    show = Show(as_json)
    show.document({"id": key.key_id, "role": role, "scopes": sorted(key.scopes), "key": text})
    show.line(f"{text}\nShown once. It may: {', '.join(sorted(key.scopes))}. It ends on {_day(key.expires)}.")


@keys_command.command("revoke")
@click.argument("key_id")
@shop_option
@json_option
def revoke_command(key_id: str, shop: Path, *, as_json: bool) -> None:
    """End a key; it stops answering within a second."""
    store = _open(shop)
    try:
        revoke_key(store, key_id)
    finally:
        store.close()
    show = Show(as_json)
    show.document({"id": key_id, "revoked": True})
    show.line(f"key {key_id} is revoked")


def _day(moment: int | None) -> str:
    return "never" if moment is None else datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d")
