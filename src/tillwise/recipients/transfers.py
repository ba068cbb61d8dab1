"""A person's own yes or no to their data going to a country (PIPL 39; GDPR 49(1)(a)): appended and never edited.

It is a ledger of its own because a country is no purpose. The same rules hold as for consent: a yes counts after the
notice it names was served, the newest fact counts, and it ends when its place lets no yes grow that old.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tillwise.audit.log import enter_act
from tillwise.errors import InvalidInput, NotFound
from tillwise.events.log import allocate
from tillwise.privacy.jurisdictions import load_jurisdictions
from tillwise.privacy.ledger import State
from tillwise.privacy.served import served
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.store import Snapshot, Transaction

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS transfer_consents (subject INTEGER NOT NULL, country TEXT NOT NULL,"
    " seq INTEGER NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL, place TEXT NOT NULL, notice TEXT NOT NULL,"
    " evidence TEXT NOT NULL, source TEXT NOT NULL, PRIMARY KEY (subject, country, seq)) STRICT, WITHOUT ROWID",
)
ACT: Final = "transfer.consent"
"""The kind of act in the audit log; it says which country and position, and whose word it was only the row."""
STATES: Final = (State.GIVEN, State.REFUSED, State.WITHDRAWN)
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class TransferConsent:
    """What a person said about one country; `place` is where they were when they said it."""

    subject: Pseudonym
    country: str
    state: State
    place: str = ""
    notice: str = ""
    source: str = "api"

    @property
    def name(self) -> str:
        """Return the name people read: `transfer:US`."""
        return f"transfer:{self.country}"


def record(transaction: Transaction, said: TransferConsent, now: int) -> int:
    """Append what was said at `now` (log clock); return its position.

    Raises NotFound when a yes names a notice this person was never served, InvalidInput for anything but a country.
    """
    if not _COUNTRY.fullmatch(said.country):
        raise InvalidInput(f"'{said.country[:10]}' is no country such as US", field="country")
    if said.state not in STATES:
        raise InvalidInput(f"'{said.state}' is nothing a person says", field="state")
    shown = served(transaction, said.subject, said.notice) if said.notice else None
    if said.state is State.GIVEN and shown is None:
        raise NotFound(f"notice '{said.notice[:40]}' was never served to this person: show it to them first")
    seq, at = allocate(transaction, 1, now)
    transaction.run(
        "INSERT INTO transfer_consents (subject, country, seq, at, state, place, notice, evidence, source)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (said.subject, said.country, seq, at, said.state.value, said.place, said.notice if shown else "",
         shown[0] if shown else "", said.source),
    )  # fmt: skip
    enter_act(transaction, ACT, {"country": said.country, "state": said.state.value, "seq": seq, "source": said.source})
    return seq


def agreed(snapshot: Snapshot, subject: Pseudonym, country: str, at: int) -> bool:
    """Return True when this person's newest word on a country is a yes that still counts at `at` (log clock)."""
    row = snapshot.one(
        "SELECT state, place, at FROM transfer_consents WHERE subject = ? AND country = ? ORDER BY seq DESC LIMIT 1",
        (subject, country),
    )
    if row is None or row[0] != State.GIVEN.value:
        return False
    days = load_jurisdictions().consent_days(row[1])
    return not days or at - int(row[2]) <= days * _DAY_MS
