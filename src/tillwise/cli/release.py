"""`tillwise releases`, `release`, `rollback`: who answers, since when, and why; one step back."""

from __future__ import annotations

from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path

import click
import msgspec

from tillwise.app import build_app
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show
from tillwise.releases.releases import Release

HEADER = ("use case", "answers", "model", "since", "by", "why")


@click.command()
@click.option("--all", "everything", is_flag=True, help="The whole history, newest first.")
@shop_option
@json_option
def releases_command(shop: Path, *, everything: bool, as_json: bool) -> None:
    """Show who answers for each use case, since when, and which gates it passed."""
    show = Show(as_json)
    app = build_app(shop)
    try:
        with app.store.snapshot() as snapshot:
            found = app.releases.history(snapshot) if everything else app.releases.in_force(snapshot)
            invented = [app.releases.simulated(snapshot, release) for release in found]
    finally:
        app.close()
    show.document(
        [{**msgspec.to_builtins(each), "simulated": made} for each, made in zip(found, invented, strict=True)]
    )
    show.table("releases", HEADER, [_row(each, simulated=made) for each, made in zip(found, invented, strict=True)])
    if not found:
        show.line("Nothing is released yet: run `tillwise train`.")


@click.command()
@click.argument("model")
@click.option("--why", default="", help="The reason, kept with the transition.")
@shop_option
@json_option
def release_command(model: str, why: str, shop: Path, *, as_json: bool) -> None:
    """Let MODEL (sha256:…) answer again, if it passed its gates here before."""
    app = build_app(shop)
    try:
        _say(Show(as_json), app.releases.again(model, who=getuser(), why=why))
    finally:
        app.close()


@click.command()
@click.argument("use_case")
@click.option("--why", default="", help="The reason, kept with the transition.")
@shop_option
@json_option
def rollback_command(use_case: str, why: str, shop: Path, *, as_json: bool) -> None:
    """Go back one step: who answered for USE_CASE before answers again."""
    app = build_app(shop)
    try:
        _say(Show(as_json), app.releases.rollback(use_case, who=getuser(), why=why))
    finally:
        app.close()


def _say(show: Show, release: Release) -> None:
    show.document(msgspec.to_builtins(release))
    show.line(f"{release.use_case}: {release.name} ({release.version or 'rules'}) answers now — {release.why}")


def _row(release: Release, *, simulated: bool) -> tuple[str, ...]:
    since = datetime.fromtimestamp(release.wall / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    version = release.version[:19] if release.version else "–"
    name = f"{release.name} (learnt from simulated data)" if simulated else release.name
    return (release.use_case, name, version, since, release.who, release.why)
