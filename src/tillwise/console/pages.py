"""The pages: rendered on the server, every value escaped, nothing loaded from anywhere else, no script at all."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from tillwise.console import charts
from tillwise.console.bar import Bar
from tillwise.console.force import InForce
from tillwise.console.hour import EDGES, SLOTS, Hour, Tally
from tillwise.console.story import Story
from tillwise.decisions.decision import Degraded
from tillwise.vocabulary.canonical import Json

if TYPE_CHECKING:
    from jinja2 import Environment

CSP: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a page may do: show its own style sheet and pictures, and post to itself."""
DEGRADED: Final = {
    "store_unavailable": "the row store did not answer in time",
    "no_model": "no released model could answer",
    "internal": "something inside failed",
    "deadline": "the caller's deadline was too short",
    "no_consent": "the person's data may not be used for this",
    "no_history": "nothing is known about the person yet",
}
_WIDTH: Final = 560


@cache
def _templates() -> Environment:
    # Loaded with the first page: a server answers decisions sooner without it.
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape  # noqa: PLC0415

    environment = Environment(
        loader=PackageLoader("tillwise.console"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"moment": moment, "clock": clock, "short": short, "number": number, "words": words}
    environment.globals |= {"degraded_text": DEGRADED}
    return environment


def render(template: str, **values: Any) -> str:
    """Return a page of a template; `shop` and `signed_in` are what every page needs."""
    return _templates().get_template(template).render(**values)


@cache
def asset(name: str) -> bytes:
    """Return a file that belongs to the pages: the style sheet, the icon."""
    return files("tillwise.console").joinpath("assets", name).read_bytes()


def sign_in(shop: str, problem: str = "", *, with_key: bool = True) -> str:
    """Return the page that asks for name and password; `with_key` unfolds the form for the shop's admin key."""
    template = _templates().get_template("sign_in.html")
    return template.render(shop=shop, problem=problem, with_key=with_key, signed_in=False)


def overview(
    shop: str,
    now: int,
    hour: Hour,
    force: Iterable[InForce],
    events: Json,
    problems: Iterable[str],
    bar: Bar | None = None,
    *,
    listed: bool = True,
) -> str:
    """Return the first page: the last hour, and who answers."""
    return _templates().get_template("overview.html").render(
        shop=shop,
        now=now,
        hour=hour,
        force=list(force),
        events=events,
        problems=list(problems),
        latency=_latency(hour.all),
        cases=[(name, tally, _slots(tally), _actions(tally)) for name, tally in hour.by_use_case.items()],
        fallbacks=_fallbacks(hour.all),
        listed=listed,
        signed_in=bar,
    )  # fmt: skip


def decision(shop: str, story: Story, bar: Bar | None = None) -> str:
    """Return the page of one decision."""
    weights = [abs(reason.weight) for reason in story.full.reasons]
    return _templates().get_template("decision.html").render(
        shop=shop,
        story=story,
        receipt=story.receipt,
        decision=story.receipt.decision,
        heaviest=max(weights, default=0) or 1,
        spent=charts.strip(story.latency, width=_WIDTH, height=14) if story.latency else [],
        signed_in=bar,
    )  # fmt: skip


def missing(shop: str, text: str, bar: Bar | None = None, *, title: str = "Not found") -> str:
    """Return the page that says there is nothing, or nothing to see for this person."""
    return _templates().get_template("missing.html").render(shop=shop, text=text, title=title, signed_in=bar)


def why(shop: str, what: str, reasons: Iterable[tuple[str, str]], back: str, bar: Bar | None = None) -> str:
    """Return the page that asks for a reason before people's data are shown."""
    template = _templates().get_template("why.html")
    return template.render(shop=shop, what=what, reasons=list(reasons), back=back, signed_in=bar)


def new_password(shop: str, code: str, problem: str = "", login: str = "") -> str:
    """Return the page that sets a password, for whoever holds a one-time link."""
    template = _templates().get_template("new_password.html")
    return template.render(shop=shop, code=code, problem=problem, login=login, signed_in=False)


def people(shop: str, staff: Json, bar: Bar | None = None) -> str:
    """Return the page of people, grants, duties and keys."""
    return _templates().get_template("people.html").render(shop=shop, **staff, signed_in=bar)


def _latency(tally: Tally) -> list[charts.Rect]:
    names = [*(f"up to {edge / 1000:g} ms" for edge in EDGES), f"over {EDGES[-1] / 1000:g} ms"]
    return charts.columns(tally.bars(), names, width=_WIDTH, height=110, gap=6)


def _slots(tally: Tally) -> list[charts.Rect]:
    minutes = 60 // SLOTS
    names = [f"{60 - minutes * i} to {60 - minutes * (i + 1)} minutes ago" for i in range(SLOTS)]
    return charts.columns(tally.slots, names, width=300, height=36, gap=2)


def _actions(tally: Tally) -> list[charts.Rect]:
    return charts.strip(dict(tally.actions.most_common()), width=300, height=10)


def _fallbacks(tally: Tally) -> list[tuple[str, int, bool]]:
    return [(why, n, Degraded(why).alarms) for why, n in tally.degraded.most_common()]


def moment(at: int) -> str:
    """Write Unix milliseconds as a day and a time in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%-d %B %Y, %H:%M:%S UTC")


def clock(at: int) -> str:
    """Write Unix milliseconds as a time of day in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%H:%M:%S")


def short(name: str | None) -> str:
    """Write a hash as people compare it: its first eight digits."""
    return "" if name is None else name.removeprefix("sha256:")[:8]


def number(value: Any) -> str:
    """Write a number without needless digits; thousands apart."""
    if value is None:
        return "not known"
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}".replace(",", " ")
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.1f}".replace(",", " ")


def words(name: str) -> str:
    """Write a code as words: `win_back` is read as win back."""
    return name.replace("_", " ")


def api(rooms: list[tuple[str, list[Json]]], description: str, version: str) -> str:
    """Return the page that describes the API, from what is said in openapi.json."""
    template = _templates().get_template("api.html")
    return template.render(shop="", rooms=rooms, description=description, version=version, signed_in=False)
