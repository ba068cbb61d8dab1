"""The law as sentences: every place and purpose, what somebody said, what the gate answers and why.

`golden_cases.txt` beside this file is what a lawyer reads. After a deliberate change of the tables, write it anew with
`python tests/privacy/test_golden_cases.py` and read the difference.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tillwise.events.tables import TABLES as EVENT_TABLES
from tillwise.privacy import ledger
from tillwise.privacy.gate import Gate
from tillwise.privacy.ledger import Consent, State
from tillwise.privacy.permit import Permit
from tillwise.privacy.purposes import UNKNOWN, Rule, Rulebook
from tillwise.privacy.rule_file import load_rules
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import PERSONAL_PURPOSES, Purpose
from tillwise.vocabulary.store import Snapshot, Transaction

GOLDEN = Path(__file__).with_name("golden_cases.txt")
NOW = 1_795_000_000_000  # 2026-11-18
LATER = NOW + 800 * 86_400_000
PURPOSES = (*PERSONAL_PURPOSES, Purpose.SHARE)
SAYINGS = {
    "said nothing": None,
    "said yes": State.GIVEN,
    "said no": State.REFUSED,
    "took their yes back": State.WITHDRAWN,
}
SAMPLE = ("DE", "GB", "US-CA", "US-TX", "US-VA", "US-NY", "US-MD", "BR", "CA", "CA-QC", "IN", "CN", UNKNOWN)
"""Places for which everything somebody may say is spelled out; for the others, silence."""


class Court:
    """A gate over a ledger in which four people said one thing about every purpose."""

    def __init__(self, snapshot: Snapshot, rules: Rulebook) -> None:
        self.snapshot, self.rules, self.gate = snapshot, rules, Gate(rules=rules, wall=lambda: NOW)

    def sentence(
        self, place: str, purpose: Purpose, said: str, *, visitor: bool = False, gpc: bool = False, at: int = NOW
    ) -> str:
        person = Pseudonym(1 + list(SAYINGS).index(said))
        permit = self.gate.permit(
            self.snapshot, purpose=purpose, subject=None if visitor else person,
            anonymous=person if visitor else None, country=None if place == UNKNOWN else place,
            point=Point(0, at, 2**40), signals=frozenset({"gpc"}) if gpc else frozenset(),
        )  # fmt: skip
        rule = self.rules.rule(place, purpose, NOW, visitor=visitor)
        who = "a visitor known by device" if visitor else "a logged-in person"
        signal = ", whose browser sends Sec-GPC: 1," if gpc else ""
        when = " 800 days ago" if at == LATER else ""
        where = "At an unknown place" if place == UNKNOWN else f"In {place}"
        return f"{where}, for {purpose}, {who}{signal} who {said}{when}: {_outcome(permit, rule)}."


def _outcome(permit: Permit, rule: Rule) -> str:
    why = f"{rule.default} ({rule.law}: {rule.source}; {rule.kind}, {rule.confidence}, reviewed {rule.reviewed})"
    if permit.granted:
        return f"allowed on the basis {permit.basis}, because {why}"
    return f"refused as {permit.withheld[0].cause}, because {why}"


def _record(transaction: Transaction) -> None:
    for number, state in enumerate(SAYINGS.values(), 1):
        for purpose in PURPOSES if state else ():
            assert state
            ledger.record(transaction, Consent(Pseudonym(number), purpose, state), NOW)


def sentences(folder: Path) -> Iterator[str]:
    """Yield every golden case."""
    store = SqliteStore(folder / "golden.db")
    store.create((*EVENT_TABLES, *ledger.TABLES))
    store.commit(_record).result()
    rules = load_rules()
    with store.snapshot() as snapshot:
        court = Court(snapshot, rules)
        for place in (*sorted({rule.place for rule in rules.rules}), UNKNOWN):
            for purpose in PURPOSES:
                yield court.sentence(place, purpose, "said nothing")
            for purpose in (Purpose.RECOMMEND, Purpose.SEARCH):
                yield court.sentence(place, purpose, "said nothing", visitor=True)
            for purpose in (Purpose.SHARE, Purpose.MARKETING):
                yield court.sentence(place, purpose, "said nothing", gpc=True)
        for place in SAMPLE:
            for purpose in PURPOSES:
                for said in list(SAYINGS)[1:]:
                    yield court.sentence(place, purpose, said)
            yield court.sentence(place, Purpose.RECOMMEND, "said yes", at=LATER)
            yield court.sentence(place, Purpose.SHARE, "said yes", gpc=True)
    store.close()


def test_the_law_reads_as_it_was_last_read(tmp_path: Path) -> None:
    """Every sentence is as committed: a changed table shows up as changed sentences, and nowhere else."""
    made = list(sentences(tmp_path))
    assert made == GOLDEN.read_text("utf-8").splitlines()
    assert len(set(made)) == len(made) >= 500


GPC_STATES = ("CA", "CO", "CT", "DE", "MD", "MN", "MT", "NE", "NH", "NJ", "OR", "TX")
SILENCE = {
    "notice": "allowed on the basis", "opt_out": "allowed on the basis", "opt_in": "refused as consent_missing",
    "ban": "refused as banned_in_place",
}  # fmt: skip


def test_silence_means_what_the_row_says() -> None:
    """A second reading, without the gate: silence is enough for notice and opt_out, never for opt_in or a ban."""
    by_signal = []
    for line in GOLDEN.read_text("utf-8").splitlines():
        situation, silent, outcome = line.partition(" who said nothing: ")
        if not silent:
            continue
        answer, _, why = outcome.partition(", because ")
        if answer == "refused as gpc":
            by_signal.append(situation.split(",")[0])
            assert ", for share, " in situation
            assert "Sec-GPC: 1" in situation
        else:
            assert answer.startswith(SILENCE[why.split(" ")[0]]), line
    assert sorted(by_signal) == sorted(["In US", *(f"In US-{state}" for state in GPC_STATES)])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        GOLDEN.write_text("\n".join(sentences(Path(folder))) + "\n", "utf-8")
    sys.stdout.write(f"{len(GOLDEN.read_text('utf-8').splitlines())} sentences\n")
