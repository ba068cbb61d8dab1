"""`tillwise privacy`: a person's rights, each answered as a request with a deadline and a receipt."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from tillwise.app import App, build_app
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show
from tillwise.errors import InvalidInput
from tillwise.rights.request import Kind, Refusal
from tillwise.rights.requests import Asked, receipt_of
from tillwise.rights.rights import Answered
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import wall_now


@click.group()
def privacy_command() -> None:
    """Answer what people ask about their own data. Say --identity-checked once you know who is asking."""


def who_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add SUBJECT and what every request needs to say."""
    for option in (
        click.option("--identity-checked", "identity", is_flag=True, help="Somebody checked who is asking."),
        click.option("--anonymous", is_flag=True, help="SUBJECT is an anonymous id, such as a visitor's cookie."),
        click.option("--place", default="", help="Where the person is, such as DE or US-CA: it sets the deadline."),
        click.argument("subject"),
    ):
        command = option(command)
    return command


@contextmanager
def _shop(path: Path) -> Iterator[App]:
    app = build_app(path)
    try:
        yield app
    finally:
        app.close()


@privacy_command.command("access")
@who_options
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the answer to this JSON file.")
@shop_option
@json_option
def access_command(out: Path | None, shop: Path, *, as_json: bool, **who: Any) -> None:
    """Hand over everything that is held about SUBJECT, by holder."""
    with _shop(shop) as app:
        answered = app.rights.access(Asked(kind=Kind.ACCESS, **who))
    if out is not None and answered.data is not None:
        _write(out, msgspec.json.format(msgspec.json.encode(answered.data), indent=2))
    _tell(answered, as_json=as_json, with_data=out is None)


@privacy_command.command("export")
@who_options
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="A new folder to write.")
@shop_option
@json_option
def export_command(out: Path, shop: Path, *, as_json: bool, **who: Any) -> None:
    """Write SUBJECT's data to take elsewhere: one JSON file of everything, one CSV file per table."""
    if out.exists():
        raise InvalidInput(f"{out} exists already: name a new folder", field="out")
    with _shop(shop) as app:
        answered = app.rights.access(Asked(kind=Kind.PORTABILITY, **who))
    if answered.data is not None:
        out.mkdir(parents=True, mode=0o700)
        _write(out / "everything.json", msgspec.json.format(msgspec.json.encode(answered.data), indent=2))
        for name, rows in _by_table(answered.data).items():
            _write_csv(out / f"{name}.csv", rows)
    _tell(answered, as_json=as_json, with_data=False)


@privacy_command.command("erase")
@who_options
@shop_option
@json_option
def erase_command(shop: Path, *, as_json: bool, **who: Any) -> None:
    """Erase SUBJECT from every table, then from the exported log. This cannot be undone."""
    with _shop(shop) as app:
        answered = app.rights.erase(Asked(kind=Kind.ERASURE, **who))
    _tell(answered, as_json=as_json)


@privacy_command.command("resume")
@shop_option
@json_option
def resume_command(shop: Path, *, as_json: bool) -> None:
    """Finish erasures that were interrupted after the rows were gone."""
    with _shop(shop) as app:
        finished = app.rights.resume()
    show = Show(as_json)
    show.document([each.receipt for each in finished])
    show.line(f"{len(finished)} erasures finished")


@privacy_command.command("object")
@who_options
@shop_option
@json_option
def object_command(shop: Path, *, as_json: bool, **who: Any) -> None:
    """End recommendations, search, prices, marketing and training for SUBJECT, from the next decision on."""
    with _shop(shop) as app:
        answered = app.rights.object(Asked(kind=Kind.OBJECTION, **who))
    _tell(answered, as_json=as_json)


@privacy_command.command("rectify")
@who_options
@click.argument("corrections", nargs=-1, required=True, metavar="NAME=VALUE…")
@shop_option
@json_option
def rectify_command(corrections: tuple[str, ...], shop: Path, *, as_json: bool, **who: Any) -> None:
    """Correct the country that is known of SUBJECT: country=FR."""
    if wrong := [each for each in corrections if not re.fullmatch(r"country=[A-Z]{2}", each)]:
        raise InvalidInput(f"'{wrong[0][:40]}' is not country=XX: only the country is kept to be corrected")
    with _shop(shop) as app:
        answered = app.rights.rectify(
            Asked(kind=Kind.RECTIFICATION, **who), dict(each.split("=", 1) for each in corrections)
        )
    _tell(answered, as_json=as_json)


@privacy_command.command("explain")
@who_options
@click.option("--decision", help="One decision about them (default: the newest ones).")
@shop_option
@json_option
def explain_command(decision: str | None, shop: Path, *, as_json: bool, **who: Any) -> None:
    """Explain decisions about SUBJECT: reasons, permission, and what would have changed an adverse one."""
    with _shop(shop) as app:
        answered = app.rights.explain(Asked(kind=Kind.EXPLANATION, **who), decision)
    _tell(answered, as_json=as_json, with_data=True)


@privacy_command.command("review")
@who_options
@click.argument("decision")
@shop_option
@json_option
def review_command(decision: str, shop: Path, *, as_json: bool, **who: Any) -> None:
    """Put a DECISION about SUBJECT into the review queue, for a person to look at."""
    with _shop(shop) as app:
        answered = app.rights.human_review(Asked(kind=Kind.HUMAN_REVIEW, **who), decision)
    _tell(answered, as_json=as_json)


@privacy_command.command("requests")
@shop_option
@json_option
def requests_command(shop: Path, *, as_json: bool) -> None:
    """List what is not answered yet, the nearest deadline first."""
    with _shop(shop) as app:
        waiting = app.rights.requests.open()
    show, now = Show(as_json), wall_now()
    show.document([{**receipt_of(each), "result": {}, "overdue": each.overdue(now)} for each in waiting])
    rows = [(each.id, each.kind, each.state, _day(each.deadline), each.law) for each in waiting]
    show.table("requests", ("request", "kind", "state", "answer by", "law"), rows)


@privacy_command.command("extend")
@click.argument("request")
@shop_option
@json_option
def extend_command(request: str, shop: Path, *, as_json: bool) -> None:
    """Extend the deadline of REQUEST once, where its law allows it."""
    with _shop(shop) as app:
        extended = app.rights.requests.extend(request)
    _tell(Answered(extended, receipt_of(extended)), as_json=as_json)


@privacy_command.command("refuse")
@click.argument("request")
@click.argument("reason", type=click.Choice([each.value for each in Refusal]))
@shop_option
@json_option
def refuse_command(request: str, reason: str, shop: Path, *, as_json: bool) -> None:
    """Refuse REQUEST for one of the reasons a law knows."""
    with _shop(shop) as app:
        refused = app.rights.requests.refuse(request, reason)
    _tell(Answered(refused, receipt_of(refused)), as_json=as_json)


def _tell(answered: Answered, *, as_json: bool, with_data: bool = False) -> None:
    show, request = Show(as_json), answered.request
    data = {"data": answered.data} if with_data and answered.data is not None else {}
    show.document({**answered.receipt, **data})
    show.line(f"request {request.id}: {request.kind}, {request.state}; answer by {_day(request.deadline)}")
    show.line(f"  {request.law}")
    for name, value in answered.receipt["result"].items():
        show.line(f"  {name}: {value}")
    if data:
        show.line(msgspec.json.format(msgspec.json.encode(answered.data), indent=2).decode())


def _by_table(data: Json) -> dict[str, list[Json]]:
    tables: dict[str, list[Json]] = {}
    for holder, rows in data.items():
        for row in rows:
            tables.setdefault(row.get("table", holder), []).append(row)
    return tables


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)


def _write_csv(path: Path, rows: list[Json]) -> None:
    _write(path, b"")
    names = list(dict.fromkeys(name for row in rows for name in row if name != "table"))
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(names)
        table.writerows([_cell(row.get(name)) for name in names] for row in rows)


def _cell(value: Any) -> str:
    """Write a value as text that no spreadsheet takes for a formula."""
    text = value if isinstance(value, str) else "" if value is None else msgspec.json.encode(value).decode()
    return f"'{text}" if isinstance(value, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d")
