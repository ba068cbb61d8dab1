"""`tillwise privacy requests`: what is open and until when; one request opened; verify, extend, refuse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import msgspec

from tillwise.app import App, build_app
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show
from tillwise.rights.request import Delay, Refusal, RightsRequest
from tillwise.rights.requests import receipt_of
from tillwise.rights.rights import Answered
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import wall_now

WHO: Final = "command line"


@contextmanager
def opened(path: Path) -> Iterator[App]:
    """Open a shop for one command."""
    app = build_app(path)
    try:
        yield app
    finally:
        app.close()


@click.group("requests", invoke_without_command=True)
@click.pass_context
@shop_option
@json_option
def requests_command(context: click.Context, shop: Path, *, as_json: bool) -> None:
    """What people asked: open requests, the nearest deadline first."""
    if context.invoked_subcommand is None:
        _list(shop, as_json=as_json)


@requests_command.command("list")
@click.option("--all", "everything", is_flag=True, help="The newest answered ones too.")
@shop_option
@json_option
def list_command(shop: Path, *, everything: bool, as_json: bool) -> None:
    """List what is not answered yet, the nearest deadline first."""
    _list(shop, as_json=as_json, everything=everything)


@requests_command.command("show")
@click.argument("request")
@shop_option
@json_option
def show_command(request: str, shop: Path, *, as_json: bool) -> None:
    """Show REQUEST step by step; once answered, with its signed receipt."""
    with opened(shop) as app:
        found, steps = app.rights.requests.find(request), app.rights.requests.steps(request)
        signed = app.rights.signed(found) if found.finished is not None else None
    show = Show(as_json)
    told = [{"at": each.wall, **msgspec.to_builtins(each)} for each in steps]
    show.document({**_shown(found), "steps": told, "signed": signed})
    _lines(show, found)
    rows = [(_minute(each.wall), each.what, each.who, each.reason) for each in steps]
    show.table("steps", ("when", "what", "who", "why"), rows)


@requests_command.command("verify")
@click.argument("request")
@click.option("--only", is_flag=True, help="Note the check; do not carry it out yet.")
@shop_option
@json_option
def verify_command(request: str, shop: Path, *, only: bool, as_json: bool) -> None:
    """Note that somebody checked who asks, and carry REQUEST out."""
    with opened(shop) as app:
        found = app.rights.requests.verified(request, who=WHO)
        go_on = not only and app.rights.can_go_on(found, app.rights.requests.asked(request))
        answered = app.rights.carry_out(request, who=WHO) if go_on else Answered(found, receipt_of(found))
        tell(app, answered, as_json=as_json, with_data=True)


@requests_command.command("carry-out")
@click.argument("request")
@shop_option
@json_option
def carry_out_command(request: str, shop: Path, *, as_json: bool) -> None:
    """Carry REQUEST out, once it is known who asks."""
    with opened(shop) as app:
        tell(app, app.rights.carry_out(request, who=WHO), as_json=as_json, with_data=True)


@requests_command.command("extend")
@click.argument("request")
@click.option(
    "--reason", type=click.Choice([each.value for each in Delay]), default=Delay.COMPLEX.value, show_default=True,
    help="Why; the person is told.",
)  # fmt: skip
@shop_option
@json_option
def extend_command(request: str, reason: str, shop: Path, *, as_json: bool) -> None:
    """Extend the deadline of REQUEST once, where its law allows it."""
    with opened(shop) as app:
        extended = app.rights.requests.extend(request, reason, who=WHO)
        tell(app, Answered(extended, receipt_of(extended)), as_json=as_json)
    Show(as_json).line(f"  tell the person: {Delay(reason).told} You get an answer by {_day(extended.deadline)}.")


@requests_command.command("refuse")
@click.argument("request")
@click.argument("reason", type=click.Choice([each.value for each in Refusal]))
@shop_option
@json_option
def refuse_command(request: str, reason: str, shop: Path, *, as_json: bool) -> None:
    """Refuse REQUEST for one of the reasons a law knows."""
    with opened(shop) as app:
        refused = app.rights.requests.refuse(request, reason, who=WHO)
        tell(app, Answered(refused, receipt_of(refused)), as_json=as_json)


def tell(app: App, answered: Answered, *, as_json: bool, with_data: bool = False) -> None:
    """Show a request as it stands, its signature once it is answered, and what is handed over."""
    show, request = Show(as_json), answered.request
    data = {"data": answered.data} if with_data and answered.data is not None else {}
    signed: Json = {}
    if request.finished is not None:
        whole = app.rights.signed(request)
        signed = {name: whole[name] for name in ("signature", "algorithm", "public_key")}
    show.document({**answered.receipt, **signed, **data})
    _lines(show, request)
    for name, value in answered.receipt["result"].items():
        show.line(f"  {name}: {value}")
    if data:
        show.line(msgspec.json.format(msgspec.json.encode(answered.data), indent=2).decode())


def _lines(show: Show, request: RightsRequest) -> None:
    show.line(f"request {request.id}: {request.kind}, {request.state}; answer by {_day(request.deadline)}")
    show.line(f"  {request.law}")


def _list(shop: Path, *, as_json: bool, everything: bool = False) -> None:
    with opened(shop) as app:
        found = app.rights.requests.open()
        if everything:
            found += app.rights.requests.finished()
    show, now = Show(as_json), wall_now()
    show.document([_shown(each) for each in found])
    rows = [(each.id, each.kind, each.state, _until(each, now), each.law) for each in found]
    show.table("requests", ("request", "kind", "state", "answer by", "law"), rows)


def _shown(request: RightsRequest) -> Json:
    return {**receipt_of(request), "result": {}, "overdue": request.overdue(wall_now())}


def _until(request: RightsRequest, now: int) -> str:
    word = " OVERDUE" if request.overdue(now) else " soon" if request.soon(now) else ""
    return _day(request.deadline) + word


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d")


def _minute(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d %H:%M")
