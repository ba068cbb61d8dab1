"""A ledger on a real file, a gate over it, and short words for what people do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tillwise.events.log import read_head
from tillwise.events.tables import TABLES as EVENT_TABLES
from tillwise.privacy import ledger
from tillwise.privacy.consent import Choice, Said, say
from tillwise.privacy.gate import Gate
from tillwise.privacy.ledger import Consent, State
from tillwise.privacy.notice import Notice, make_notice
from tillwise.privacy.permit import Permit
from tillwise.privacy.rule_file import load_rules
from tillwise.privacy.served import serve
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose

NOW = 1_795_000_000_000  # 2026-11-18
ANN, BEN, VISITOR = Pseudonym(11), Pseudonym(12), Pseudonym(13)
TOLD = (Purpose.RECOMMEND, Purpose.MARKETING, Purpose.TRAIN, Purpose.SHARE)


def notice_of(place: str, *purposes: Purpose) -> Notice:
    """Return the notice of a place; of all that TOLD names unless told otherwise."""
    return make_notice("A shop", purposes or TOLD, load_rules(), place, NOW)


NOTICE = notice_of("DE")


class ConsentShop:
    """What tests of consent need."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = SqliteStore(path)
        self.store.create((*EVENT_TABLES, *ledger.TABLES))
        self.gate = Gate(wall=lambda: NOW)

    def do(self, work: Callable[..., Any]) -> Any:
        return self.store.commit(work).result()

    def record(self, state: State, purpose: Purpose = Purpose.RECOMMEND, person: Pseudonym = ANN, **more: Any) -> None:
        self.do(lambda t: ledger.record(t, Consent(person, purpose, state, **more), NOW))

    def serve(self, person: Pseudonym = ANN, at: int = NOW, notice: Notice = NOTICE) -> str:
        self.do(lambda t: serve(t, notice, person, at))
        return notice.notice_id

    def say(
        self, state: State = State.GIVEN, purpose: Purpose = Purpose.RECOMMEND, person: Pseudonym = ANN, **more: Any
    ) -> Said:
        more.setdefault("place", "DE")
        more.setdefault("notice_id", notice_of(more["place"]).notice_id)
        said: Said = self.do(lambda t: say(t, person, Choice(purpose, state, **more), NOW))
        return said

    def permit(
        self, country: str | None = "DE", purpose: Purpose = Purpose.RECOMMEND, subject: Pseudonym | None = ANN,
        at: int = NOW, **more: Any,
    ) -> Permit:  # fmt: skip
        with self.store.snapshot() as snapshot:
            point = Point.after(read_head(snapshot), at)
            return self.gate.permit(snapshot, purpose=purpose, subject=subject, country=country, point=point, **more)

    def cause(self, *args: Any, **more: Any) -> str | None:
        permit = self.permit(*args, **more)
        return permit.withheld[0].cause if permit.withheld else None
