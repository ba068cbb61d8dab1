"""The pages: rendered on the server, every value escaped, one style sheet and one small script of our own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from tillwise.preferences.centre import Choices, Profile
from tillwise.preferences.language import LANGUAGES, Words
from tillwise.preferences.stories import Story
from tillwise.privacy.jurisdictions import load_jurisdictions
from tillwise.rights.request import RightsRequest
from tillwise.vocabulary.canonical import Json

if TYPE_CHECKING:
    from jinja2 import Environment

ROOMS: Final = ("choices", "why", "history", "rights")
"""The pages of the menu; the first one is /preferences itself."""
EVENTS: Final = 100
"""So many entries of a history are shown."""
INTERESTS: Final = 12
REASONS: Final = 5
"""So many reasons of a decision stand open, the strongest first; the rest can be unfolded."""
TIMELESS: Final = frozenset({"consent_missing", "consent_invalidated", "gpc", "banned_in_place", "banned_for_minors",
                             "guardian_missing", "no_basis_in_place"})  # fmt: skip
"""Causes that need no day to be said."""
_TITLES: Final = {"refused.forged": "refused.title", "refused.expired": "refused.title", "refused.closed": "page.left"}
_CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors "
)


def policy(frames: Iterable[str] = ()) -> str:
    """Return what a page may do: its own style sheet, script and pictures; framed by `frames` only."""
    return _CSP + (" ".join(frames) or "'none'")


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page carries: the words, the shop's name, the token of its forms, and what was just done."""

    words: Words
    shop: str
    token: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Banner:
    """What the banner carries. `base` is the server's own origin where it is included in another page, else ""."""

    link: str
    choose: bool
    base: str = ""
    saved: bool = False


@cache
def _templates() -> Environment:
    # Loaded with the first page: a server answers decisions sooner without it.
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape  # noqa: PLC0415

    environment = Environment(
        loader=PackageLoader("tillwise.preferences"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"slug": slug, "purpose_name": _purpose_name}
    return environment


@cache
def asset(name: str) -> bytes:
    """Return a file that belongs to the pages: the style sheet, the script."""
    return files("tillwise.preferences").joinpath("assets", name).read_bytes()


def slug(name: str) -> str:
    """Return the key of a name: `Product Viewed` is product_viewed."""
    return name.lower().replace(" ", "_").replace("-", "_")


def _purpose_name(purpose: str, words: Words) -> str:
    return words(f"purpose.{purpose}.name")


def choices(frame: Frame, found: Choices) -> str:
    """Return the page of the switches."""
    place = found.place
    return _render(
        "choices.html", frame, "choices",
        switches=found.switches, notice=found.notice, gpc=found.gpc, off=found.heeding,
        displays=load_jurisdictions().must_display_signal(place),
    )  # fmt: skip


def why(frame: Frame, stories: Sequence[Story]) -> str:
    """Return the page of the latest decisions."""
    return _render("why.html", frame, "why", stories=stories, strongest=REASONS, causes=TIMELESS)


def history(frame: Frame, profile: Profile | None) -> str:
    """Return the page of what a profile is made of."""
    events = () if profile is None else profile.history.events[:EVENTS]
    interests = [] if profile is None else profile.history.interests()[:INTERESTS]
    return _render(
        "history.html", frame, "history", profile=profile, events=events, interests=interests,
        all=0 if profile is None else len(profile.history.events),
    )  # fmt: skip


def rights(frame: Frame, requests: Sequence[RightsRequest], receipt: Json | None, *, held: bool) -> str:
    """Return the page of rights and requests; `held` says that a restriction is in force."""
    return _render("rights.html", frame, "rights", requests=requests, receipt=receipt, held=held)


def erase(frame: Frame) -> str:
    """Return the page that asks once more before everything is deleted."""
    return _render("erase.html", frame, "rights")


def notice(frame: Frame, notice_id: str, text: str) -> str:
    """Return a notice as it was shown."""
    return _render("notice.html", frame, "choices", notice_id=notice_id, text=text)


def kind(frame: Frame, key: str, *, back: bool = False, title: str = "") -> str:
    """Return a page that says one thing kindly, such as why a link does not work."""
    title = title or _TITLES.get(key, "refused.sorry")
    return _render("kind.html", frame, "", key=key, back=back, title=title)


def banner(frame: Frame, found: Choices | None, asked: Banner) -> str:
    """Return the banner as a page of its own, or (with a base) as the part another page includes."""
    switches = [] if found is None else [switch for switch in found.switches if switch.choosable and switch.pursued]
    template = "banner_part.html" if asked.base else "banner.html"
    return _render(template, frame, "", banner=asked, switches=switches, notice=None if found is None else found.notice)


def _render(template: str, frame: Frame, room: str, **values: Any) -> str:
    return _templates().get_template(template).render(
        t=frame.words, shop=frame.shop, token=frame.token, status=frame.status, room=room, rooms=ROOMS,
        languages=LANGUAGES, **values,
    )  # fmt: skip
