"""What tracking calls say about consent and age, as Segment's specification has it.

`context.consent` is what people chose in the shop's own consent tool. A no acts at once, whoever sends it. A yes is
declared, not witnessed; for a signed-in person it needs the server key, because a browser key is public and could speak
for anybody. The traits `age` and `birthday` of an identify call are taken out before anything is kept: the band of the
age goes into the ledger, the birth date nowhere.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from tillwise.api.shop import Shop
from tillwise.errors import InvalidInput
from tillwise.events.event import Event, Intake
from tillwise.events.people import pseudonym_for
from tillwise.privacy import ledger
from tillwise.privacy.consent_record import Chosen, read_segment
from tillwise.privacy.elsewhere import Origin, read_categories, take_over
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Spoke:
    """Somebody's choice on a message, and when (log clock). `place` is where a yes was said, as far as it is told."""

    user_id: str
    anonymous: bool
    chosen: Chosen
    at: int
    place: str = ""


@dataclass(frozen=True, slots=True)
class Aged:
    """Somebody's age in years, as the shop's server tells it."""

    user_id: str
    anonymous: bool
    years: int


class TrackedConsent:
    """Takes choices and ages on tracking calls over into the ledger; choices only where categories are mapped."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._settings = shop.settings.consent
        self._categories = read_categories(self._settings.purposes())

    def spoken(self, messages: Sequence[Any], intake: Sequence[Intake], *, received: int, trusted: bool) -> list[Spoke]:
        """Return who chose what on these messages: per person the newest choice."""
        if not self._categories:
            return []
        newest: dict[tuple[str, bool], Spoke] = {}
        for message, read in zip(messages, intake, strict=True):
            for spoke in self._on(message, read, received, trusted=trusted):
                before = newest.get((spoke.user_id, spoke.anonymous))
                if before is None or spoke.at >= before.at:
                    newest[spoke.user_id, spoke.anonymous] = spoke
        return list(newest.values())

    @staticmethod
    def ages(messages: Sequence[Any], *, received: int, trusted: bool) -> list[Aged]:
        """Take age and birthday out of identify calls; return the ages a server key tells."""
        found = []
        for message in messages:
            traits = message.get("traits") if isinstance(message, dict) else None
            if not isinstance(traits, dict) or message.get("type") != "identify":
                continue
            told = {name: traits.pop(name) for name in ("age", "birthday") if name in traits}
            years = _years(told.get("age"), told.get("birthday"), received) if trusted and told else None
            user_id, anonymous_id = _id(message, "userId"), _id(message, "anonymousId")
            who = anonymous_id if user_id is None else user_id
            if years is not None and who is not None:
                found.append(Aged(who, user_id is None, years))
        return found

    def write(self, transaction: Transaction, spoken: Sequence[Spoke], aged: Sequence[Aged] = ()) -> None:
        """Append what is new."""
        shop, said = self._shop, self._settings
        for each in aged:
            person = pseudonym_for(transaction, shop.secrets, each.user_id, anonymous=each.anonymous)
            ledger.know_age(transaction, person, each.years, shop.clock.now(), source="identify")
        for spoke in spoken:
            person = pseudonym_for(transaction, shop.secrets, spoke.user_id, anonymous=spoke.anonymous)
            origin = Origin("segment", said.notice, said.evidence, place=spoke.place, at=spoke.at)
            take_over(transaction, person, spoke.chosen, origin, shop.clock.now())

    def _on(self, message: Any, read: Intake, received: int, *, trusted: bool) -> list[Spoke]:
        context = message.get("context") if isinstance(message, dict) else None
        consent = context.get("consent") if isinstance(context, dict) else None
        if not isinstance(consent, dict):
            return []
        try:
            chosen = read_segment(consent, self._categories)
        except InvalidInput as error:
            _log.warning("context.consent was left out: %s", error)
            return []
        place = ""
        if isinstance(read, Event):
            place = str(read.body.get("country") or "")
            user_id, anonymous_id, at = read.user_id, read.anonymous_id, min(read.ts, received)
        else:
            user_id, anonymous_id, at = _id(message, "userId"), _id(message, "anonymousId"), received
        noes = replace(chosen, purposes=_noes(chosen.purposes))
        said = []
        if user_id is not None:
            said.append(_spoke(user_id, chosen if trusted else noes, at, place, anonymous=False))
        if anonymous_id is not None:
            # A yes is never carried over from a customer to their device; a no holds for both.
            own = noes if trusted and user_id is not None else chosen
            said.append(_spoke(anonymous_id, own, at, place, anonymous=True))
        return said


def _spoke(user_id: str, chosen: Chosen, at: int, place: str, *, anonymous: bool) -> Spoke:
    """Return a choice; a no holds everywhere, and moves nobody."""
    return Spoke(user_id, anonymous, chosen, at, place if any(chosen.purposes.values()) else "")


def _noes(purposes: Mapping[Purpose, bool]) -> dict[Purpose, bool]:
    return {purpose: yes for purpose, yes in purposes.items() if not yes}


def _years(age: Any, birthday: Any, at: int) -> int | None:
    """Return an age in years from either trait, None when neither makes sense."""
    if isinstance(age, int) and not isinstance(age, bool) and 0 <= age <= 150:
        return age
    if not isinstance(birthday, str):
        return None
    try:
        born = date.fromisoformat(birthday[:10])
    except ValueError:
        return None
    today = datetime.fromtimestamp(at / 1000, UTC).date()
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    return years if 0 <= years <= 150 else None


def _id(message: dict[str, Any], name: str) -> str | None:
    value = message.get(name)
    return value if isinstance(value, str) and 0 < len(value) <= 200 else None
