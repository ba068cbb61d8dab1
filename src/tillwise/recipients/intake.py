"""People whose law keeps their data at home are not taken into a store elsewhere: nothing of their events is kept.

A place named by the event itself is checked always. With `[shop] region` set, so is what the shop already knows of
where the person is: one query for each batch that names no place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tillwise.events.event import Event, Quarantined
from tillwise.events.lookup import rows_in
from tillwise.events.people import mark_of
from tillwise.privacy.gate import place_of
from tillwise.recipients.borders import Borders
from tillwise.settings import Secrets
from tillwise.vocabulary.store import Snapshot

PLACE: Final = "country"
_KNOWN: Final = (
    "SELECT s.mark, t.country, (SELECT c.place FROM consents c WHERE c.subject = s.pseudonym AND c.place <> ''"
    " ORDER BY c.seq DESC LIMIT 1) FROM subjects s LEFT JOIN traits t ON t.subject = s.pseudonym WHERE s.mark IN"
)


class HomeGuard:
    """Keeps people out whose data must stay elsewhere. `region` is where this store stands; "" = nobody said."""

    def __init__(self, borders: Borders, secrets: Secrets, region: str) -> None:
        self._borders = borders
        self._secrets = secrets
        self._region = region
        self._stays: dict[str, bool] = {}

    def refuses(self, place: str) -> bool:
        """Return True when data of this place may not be held here."""
        found = self._stays.get(place)
        if found is None:
            found = self._borders.stays(place_of(place), self._region)
            if len(self._stays) < 10_000:  # senders choose these words
                self._stays[place] = found
        return found

    def __call__(self, snapshot: Snapshot, events: Sequence[Event]) -> tuple[Sequence[Event], list[Quarantined]]:
        """Return the events that may be kept, and the reasons why others may not."""
        known = self._known(snapshot, events) if self._region else {}
        refused: list[Quarantined] = []
        kept: list[Event] = []
        for event in events:
            place = event.body.get(PLACE)
            places = (place,) if place else known.get(self._mark(event), ()) if known else ()
            home = next((each for each in places if self.refuses(each)), None)
            if home is None:
                kept.append(event)
            else:
                reason = f"the law of {place_of(home)[:2]} keeps this person's data in its own region, not here"
                refused.append(Quarantined(reason=reason, field=PLACE, type=event.type))
        return (kept, refused) if refused else (events, refused)

    def _mark(self, event: Event) -> bytes:
        user_id = event.user_id or event.anonymous_id
        return b"" if user_id is None else mark_of(self._secrets, user_id, anonymous=event.user_id is None)

    def _known(self, snapshot: Snapshot, events: Sequence[Event]) -> dict[bytes, tuple[str, ...]]:
        marks = {mark for event in events if PLACE not in event.body and (mark := self._mark(event))}
        return {
            bytes(mark): tuple(place for place in (country, said) if place)
            for mark, country, said in rows_in(snapshot, _KNOWN, marks)
        }
