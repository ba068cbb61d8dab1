"""How a file of decisions is handed over, and counted: to a vendor through the outbound gate, or to the shop itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from tillwise.access.reads import log_read
from tillwise.decisions.use_case import UseCase
from tillwise.errors import NotPermitted
from tillwise.events.people import find_pseudonym
from tillwise.events.types import EVENT_TYPES
from tillwise.features.feature import FeatureSet
from tillwise.recipients import sent
from tillwise.recipients.carried import IDENTITY, wanted
from tillwise.recipients.causes import cause_of
from tillwise.recipients.gate import About, OutboundGate, Sendable
from tillwise.recipients.sent import Sent
from tillwise.recipients.vendor import Vendor
from tillwise.settings import Secrets
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.store import Snapshot, Store, Transaction

_UNTOLD: Final = ("user.behavior",)
"""What a use case is thought to read that declares nothing."""


class Named(NamedTuple):
    """Whom a row is about, by the shop's own id, with where they were and what they signalled when it was decided."""

    user_id: str
    anonymous: bool
    place: str
    signals: frozenset[str]


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where a file goes."""

    store: Store
    secrets: Secrets
    clock: LogClock
    gate: OutboundGate
    vendor: str

    def check(self, use_case: UseCase, columns: Collection[str]) -> None:
        """Raise NotPermitted, before anybody is decided about, when nothing may go to this vendor at all."""
        with self.store.snapshot() as snapshot:
            self.judge(snapshot, use_case, columns, ())

    def judge(
        self, snapshot: Snapshot, use_case: UseCase, columns: Collection[str], people: Sequence[Named]
    ) -> tuple[Sendable, Vendor, dict[str, Pseudonym]]:
        """Say what may leave about whom, now; with the record and the pseudonym of each id.

        Raises NotPermitted when nothing may leave at all, or not the ids without which rows are of no use.
        """
        keys = self.keys(snapshot, people)
        about = [
            About(keys[each.user_id], each.anonymous, each.place, each.signals)
            for each in people
            if each.user_id in keys
        ]
        asked = wanted(columns, read_by(use_case.features))
        found = self.gate.may_send(snapshot, self.vendor, use_case.purpose, asked, about)
        causes = found.causes or (() if IDENTITY in found.categories else (cause_of("category_not_allowed", IDENTITY),))
        if causes or found.vendor is None:
            why = "; ".join(f"{cause.text} ({cause.code})" for cause in causes)
            steps = "; ".join(cause.mend for cause in causes if cause.mend)
            raise NotPermitted(f"nothing is sent to '{self.vendor}': {why}. To mend it: {steps}")
        return found, found.vendor, keys

    def keys(self, snapshot: Snapshot, people: Sequence[Named]) -> dict[str, Pseudonym]:
        """Return the pseudonyms of those who are still known."""
        return _keys(snapshot, self.secrets, people)

    def enter(self, handed: Sent, people: Iterable[Pseudonym]) -> None:
        """Write into the outbound ledger what is about to leave."""
        self.store.commit(lambda transaction: sent.enter(transaction, handed, people)).result()


@dataclass(frozen=True, slots=True)
class Premises:
    """The shop itself, in the person of `who`: nobody outside receives anything, and no vendor record is asked for.

    That somebody is shown all these people's scores is a read like any other.
    """

    store: Store
    secrets: Secrets
    clock: LogClock
    who: str

    def enter(self, use_case: UseCase, people: Sequence[Named], handed: Sent | None) -> None:
        """Write down who is shown whose decisions, and the hand-over where it is one to the shop; then it may be."""
        with self.store.snapshot() as snapshot:
            about = _keys(snapshot, self.secrets, people).values()

        def work(transaction: Transaction) -> None:
            log_read(transaction, who=self.who, what=f"score {use_case.name}", reason="batch file", subjects=about)
            if handed is not None:
                sent.enter(transaction, handed, about)

        self.store.commit(work).result()


def _keys(snapshot: Snapshot, secrets: Secrets, people: Sequence[Named]) -> dict[str, Pseudonym]:
    found = {}
    for each in people:
        key = find_pseudonym(snapshot, secrets, each.user_id, anonymous=each.anonymous)
        if key is not None:
            found[each.user_id] = key
    return found


@cache
def read_by(features: FeatureSet) -> tuple[str, ...]:
    """Return the categories of data about people a use case reads, sorted: what its decisions are made of."""
    found = {each for aggregate in features.aggregates for each in aggregate.categories}
    found.update(each for listed in features.categories.values() for each in listed)
    for reading in features.readings:
        found.update(reading.categories)
        found.update(EVENT_TYPES[event].category for event in reading.events if event in EVENT_TYPES)
    personal = sorted(each for each in found if not each.startswith("system"))
    return tuple(personal) if personal else _UNTOLD
