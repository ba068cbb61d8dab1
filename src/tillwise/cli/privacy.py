"""`tillwise privacy`: a person's rights, each answered as a request with a deadline and a signed receipt."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from tillwise.app import App
from tillwise.cli.main import OutFile, json_option, shop_option
from tillwise.cli.privacy_requests import opened, requests_command, tell
from tillwise.cli.show import Show
from tillwise.errors import InvalidInput
from tillwise.events.people import mark_of
from tillwise.jobs.written import ONE
from tillwise.privacy.gate import place_of
from tillwise.rights.asked import Corrections
from tillwise.rights.export import as_files, as_json
from tillwise.rights.request import Kind
from tillwise.rights.requests import Asked
from tillwise.rights.rights import Answered
from tillwise.vocabulary.purpose import PERSONAL_PURPOSES, Purpose

WHO: Final = "command line"
PURPOSES: Final = [each.value for each in (*PERSONAL_PURPOSES, Purpose.SHARE)]

_PLACE: Final = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")


def _checked_place(_: click.Context, __: click.Parameter, text: str) -> str:
    """Return the code of a place; a name, or anything else, is refused: it would fit no law, and so stand for all."""
    place = place_of(text.strip())
    if place and not _PLACE.fullmatch(place):
        raise click.BadParameter(f"'{text[:40]}' is no ISO 3166 code: say DE, or US-CA for a region")
    return place


@click.group()
def privacy_command() -> None:
    """Answer what people ask about their own data. Say --identity-checked once you know who is asking."""


def who_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add SUBJECT and what every request needs to say."""
    for option in (
        click.option("--identity-checked", "identity", is_flag=True, help="Somebody checked who is asking."),
        click.option("--anonymous", is_flag=True, help="SUBJECT is an anonymous id, such as a visitor's cookie."),
        click.option(
            "--place",
            callback=_checked_place,
            default="",
            help="Where the person is, such as DE or US-CA: it sets the deadline.",
        ),
        click.argument("subject"),
    ):
        command = option(command)
    return command


@privacy_command.command("access")
@who_options
@click.option("--out", type=OutFile(), help="Write the answer to this JSON file.")
@shop_option
@json_option
def access_command(out: Path | None, shop: Path, *, as_json: bool, **who: Any) -> None:
    """Hand over everything that is held about SUBJECT, by holder."""
    if out is not None and out.exists():
        raise InvalidInput(f"{out} exists already: name a new file", field="out")
    asked = Asked(kind=Kind.ACCESS, **who)
    with opened(shop) as app:
        answered = app.rights.access(asked, who=WHO)
        if out is not None and answered.data is not None:
            _write_one(app, asked, answered, out)
        tell(app, answered, as_json=as_json, with_data=out is None)


@privacy_command.command("export")
@who_options
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="A new folder to write.")
@shop_option
@json_option
def export_command(out: Path, shop: Path, *, as_json: bool, **who: Any) -> None:
    """Write SUBJECT's data to take elsewhere: one JSON file of everything, one CSV file per table."""
    if out.exists():
        raise InvalidInput(f"{out} exists already: name a new folder", field="out")
    asked = Asked(kind=Kind.PORTABILITY, **who)
    with opened(shop) as app:
        answered = app.rights.access(asked, who=WHO)
        if answered.data is not None:
            _note(app, asked, out)
            out.mkdir(parents=True, mode=0o700)
            for name, content in as_files(answered.data).items():
                _write(out / name, content)
        tell(app, answered, as_json=as_json)


@privacy_command.command("erase")
@who_options
@shop_option
@json_option
def erase_command(shop: Path, *, as_json: bool, **who: Any) -> None:
    """Erase SUBJECT from every table, then from the exported log. This cannot be undone."""
    _now(shop, Asked(kind=Kind.ERASURE, **who), as_json=as_json)


@privacy_command.command("resume")
@shop_option
@json_option
def resume_command(shop: Path, *, as_json: bool) -> None:
    """Finish erasures that were interrupted after the rows were gone."""
    with opened(shop) as app:
        finished = app.rights.resume(who=WHO)
    show = Show(as_json)
    show.document([each.receipt for each in finished])
    show.line(f"{len(finished)} erasures finished")


@privacy_command.command("object")
@who_options
@click.option(
    "--purpose", "purposes", type=click.Choice(PURPOSES), multiple=True,
    help="End only this purpose; may be given several times. fraud_prevention goes on, with a person looking at it.",
)  # fmt: skip
@shop_option
@json_option
def object_command(purposes: tuple[str, ...], shop: Path, *, as_json: bool, **who: Any) -> None:
    """End recommendations, search, prices, marketing and training for SUBJECT, from the next decision on."""
    named = tuple(Purpose(each) for each in dict.fromkeys(purposes))
    _now(shop, Asked(kind=Kind.OBJECTION, purposes=named, **who), as_json=as_json)


@privacy_command.command("restrict")
@who_options
@shop_option
@json_option
def restrict_command(shop: Path, *, as_json: bool, **who: Any) -> None:
    """Put every use of SUBJECT's data on hold (GDPR 18): kept, and read for nothing."""
    _now(shop, Asked(kind=Kind.RESTRICTION, **who), as_json=as_json)


@privacy_command.command("lift")
@who_options
@click.option("--informed", is_flag=True, help="The person was told before (GDPR 18(3)).")
@shop_option
@json_option
def lift_command(shop: Path, *, informed: bool, as_json: bool, **who: Any) -> None:
    """Lift a restriction: what SUBJECT had said before it holds again."""
    if not informed:
        raise InvalidInput("tell the person before it is lifted (GDPR 18(3)), then say --informed", field="informed")
    _now(shop, Asked(kind=Kind.LIFTING, informed=True, **who), as_json=as_json)


@privacy_command.command("rectify")
@who_options
@click.argument("corrections", nargs=-1, metavar="[NAME=VALUE]…")
@click.option("--remove-event", "events", type=int, multiple=True, help="Remove the event at this position.")
@click.option("--detach", "detach", multiple=True, help="Undo the link to this anonymous id.")
@shop_option
@json_option
def rectify_command(
    corrections: tuple[str, ...], events: tuple[int, ...], detach: tuple[str, ...], shop: Path, *, as_json: bool,
    **who: Any,
) -> None:  # fmt: skip
    """Correct what is kept of SUBJECT: country=FR, language=fr, … Events are removed, never edited."""
    if wrong := [each for each in corrections if not re.fullmatch(r"\w+=.+", each)]:
        raise InvalidInput(f"'{wrong[0][:40]}' is not NAME=VALUE, such as country=FR", field="corrections")
    if not (corrections or events or detach):
        raise InvalidInput("say what is to be corrected: NAME=VALUE, --remove-event or --detach", field="corrections")
    traits = dict(each.split("=", 1) for each in corrections)
    asked = Asked(kind=Kind.RECTIFICATION, corrections=Corrections(traits, events, detach), **who)
    _now(shop, asked, as_json=as_json)


@privacy_command.command("explain")
@who_options
@click.option("--decision", default="", help="One decision about them (default: the newest ones).")
@shop_option
@json_option
def explain_command(decision: str, shop: Path, *, as_json: bool, **who: Any) -> None:
    """Explain decisions about SUBJECT: how, from which data, with which effect, and what would have changed them."""
    _now(shop, Asked(kind=Kind.EXPLANATION, decision_id=decision, **who), as_json=as_json, with_data=True)


@privacy_command.command("review")
@who_options
@click.argument("decision", default="")
@shop_option
@json_option
def review_command(decision: str, shop: Path, *, as_json: bool, **who: Any) -> None:
    """Put a DECISION about SUBJECT (default: their newest adverse one) before a person."""
    _now(shop, Asked(kind=Kind.HUMAN_REVIEW, decision_id=decision, **who), as_json=as_json)


privacy_command.add_command(requests_command)


def _now(shop: Path, asked: Asked, *, as_json: bool, with_data: bool = False) -> None:
    with opened(shop) as app:
        answered = app.rights.carry_out(app.rights.take(asked, who=WHO).id, who=WHO, asked=asked)
        tell(app, answered, as_json=as_json, with_data=with_data)


def _note(app: App, asked: Asked, path: Path) -> None:
    """Note a copy before it is written, so that an erasure finds it."""
    app.written.begin(path, ONE, mark_of(app.secrets, asked.subject, anonymous=asked.anonymous))


def _write_one(app: App, asked: Asked, answered: Answered, out: Path) -> None:
    _note(app, asked, out)
    _write(out, as_json(answered.data or {}))


def _write(path: Path, content: bytes) -> None:
    """Write a new file only its owner can read; an older one may be open to others, or a link to somewhere else."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
