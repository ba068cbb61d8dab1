"""Which models learnt from a person, and by when those that answer are to be learnt anew.

A model learnt from somebody when rows of theirs, readable for its use case and for training, lay before the end of what
it was fitted on, and their word allowed both as of that position of the log. This says too many rather than too few: a
learner may have sampled them out. A renewal stays due while the model that learnt from the person answers and was not
learnt again since; going back to such a model makes it due again. It names nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tillwise.decisions.use_case import UseCase
from tillwise.events.log import allocate
from tillwise.events.lookup import rows_in
from tillwise.privacy.gate import Gate
from tillwise.privacy.jurisdictions import load_jurisdictions
from tillwise.releases.card import ModelCard, read_card
from tillwise.releases.releases import Releases
from tillwise.rights.person import Person
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import Milliseconds
from tillwise.vocabulary.position import Head, Point
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Row, Snapshot, Transaction

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS renewals (request TEXT NOT NULL, use_case TEXT NOT NULL, version TEXT NOT NULL,"
    " seq INTEGER NOT NULL, wall INTEGER NOT NULL, due INTEGER NOT NULL, why TEXT NOT NULL,"
    " PRIMARY KEY (request, use_case, version)) STRICT, WITHOUT ROWID",
)
RENEWAL_DAYS: Final = 30
"""Within so many days a model that learnt from an erased person is learnt anew."""
_DAY: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Learnt:
    """A model that learnt from a person; `start` and `end` bound its data in log-clock milliseconds."""

    use_case: str
    version: str
    kind: str
    start: int
    end: int
    answers: bool
    """Whether it is the one that answers now."""

    def told(self) -> Json:
        """Return it for people."""
        return {
            "use_case": self.use_case, "model": self.version, "kind": self.kind, "learnt_from": self.start,
            "learnt_until": self.end, "answers_now": self.answers,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Renewal:
    """A model to be learnt anew: for how many requests, and until when (wall clock, Unix ms)."""

    use_case: str
    version: str
    requests: int
    since: Milliseconds
    due: Milliseconds

    def overdue(self, wall: Milliseconds) -> bool:
        """Return True when the time is over."""
        return wall > self.due


class Lineage:
    """Knows which models learnt from whom."""

    def __init__(self, gate: Gate, releases: Releases, use_cases: Mapping[str, UseCase]) -> None:
        self._gate = gate
        self._releases = releases
        self.use_cases = use_cases

    def information(self, place: str) -> list[Json]:
        """Return what an answer to access also says (GDPR 15(1)): purposes, automated decisions, and rights there."""
        cases = self.use_cases.values()
        return [
            {
                "purposes": sorted({each.purpose.value for each in cases} | {Purpose.TRAIN.value}),
                "automated_decisions": sorted(each.name for each in cases),
                "rights": list(load_jurisdictions().rights(place)),
                "law": load_jurisdictions().reply(place).source,
                "complaint": "you may complain to the supervisory authority of your place",
            }
        ]

    def learnt_from(self, snapshot: Snapshot, person: Person) -> list[Learnt]:
        """Return the models that learnt from a person, those that answer now first."""
        rows = rows_in(
            snapshot, "SELECT seq, at, epoch, simulated, purposes FROM facts WHERE line = 0 AND seq IN", person.seqs
        )
        if not rows:
            return []
        answering = {release.version for release in self._releases.in_force(snapshot)}
        found = []
        for (body,) in snapshot.all("SELECT body FROM cards"):
            card = read_card(body.encode())
            if self._learnt(snapshot, person, card, rows):
                start, end = _fitted(card)
                answers = card.version in answering
                found.append(Learnt(card.use_case, card.version, card.kind, start, end, answers))
        return sorted(found, key=lambda each: (not each.answers, each.use_case, each.version))

    def renewals(self, snapshot: Snapshot) -> list[Renewal]:
        """Return what is to be learnt anew, the nearest end first."""
        found = []
        for release in self._releases.in_force(snapshot):
            if release.version is None:
                continue
            card = snapshot.one("SELECT body FROM cards WHERE version = ?", (release.version,))
            learnt_at = read_card(card[0].encode()).position.seq if card else 0
            row = snapshot.one(
                "SELECT count(DISTINCT request), min(wall), min(due) FROM renewals"
                " WHERE use_case = ? AND version = ? AND seq > ?",
                (release.use_case, release.version, learnt_at),
            )
            if row is not None and row[0]:
                found.append(Renewal(release.use_case, release.version, *row))
        return sorted(found, key=lambda each: each.due)

    def _learnt(self, snapshot: Snapshot, person: Person, card: ModelCard, rows: Sequence[Row]) -> bool:
        use_case = self.use_cases.get(card.use_case)
        if use_case is None:
            return False
        wanted = use_case.purpose.bit | Purpose.TRAIN.bit
        _, end = _fitted(card)
        return any(
            seq <= card.position.seq and at < end and epoch <= card.position.epoch
            and bool(simulated) is card.simulated and purposes & wanted == wanted
            for seq, at, epoch, simulated, purposes in rows
        ) and any(self._allowed(snapshot, key, use_case.purpose, card) for key in person.keys)  # fmt: skip

    def _allowed(self, snapshot: Snapshot, key: int, purpose: Purpose, card: ModelCard) -> bool:
        """Return whether this key's word allowed the purpose and training, as of the model's position."""
        row = snapshot.one(
            "SELECT s.anonymous, t.country FROM subjects s LEFT JOIN traits t ON t.subject = s.pseudonym"
            " WHERE s.pseudonym = ?",
            (key,),
        )
        if row is None:
            return False
        position = card.position
        point = Point.after(Head(position.seq, position.at, position.epoch), position.at)
        who = {"subject": None, "anonymous": key} if row[0] else {"subject": key, "anonymous": None}
        return all(
            self._gate.permit(snapshot, purpose=each, country=row[1], point=point, **who).granted  # type: ignore[arg-type]
            for each in (purpose, Purpose.TRAIN)
        )


def schedule(
    transaction: Transaction, request_id: str, learnt: Sequence[Learnt], *, why: str, now: int, wall: Milliseconds
) -> None:
    """Note that these models are to be learnt anew, from this position of the log on; repeating it changes nothing."""
    if not learnt:
        return
    seq, _ = allocate(transaction, 1, now)
    transaction.run_many(
        "INSERT INTO renewals (request, use_case, version, seq, wall, due, why) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [(request_id, each.use_case, each.version, seq, wall, wall + RENEWAL_DAYS * _DAY, why) for each in learnt],
    )


def scheduled_by(snapshot: Snapshot, request_id: str) -> list[Json]:
    """Return the models a request scheduled: use case, version, and until when the one that answers is renewed."""
    rows = snapshot.all(
        "SELECT use_case, version, due FROM renewals WHERE request = ? ORDER BY use_case, version", (request_id,)
    )
    return [{"use_case": row[0], "model": row[1], "renewal_due": row[2]} for row in rows]


def _fitted(card: ModelCard) -> tuple[int, int]:
    """Return the bounds of what a model was fitted and chosen on: everything but the untouched test period."""
    parts = [split for split in card.splits if split.name != "test"]
    if not parts:
        return 0, card.position.at
    return min(split.start for split in parts), max(split.end for split in parts)
