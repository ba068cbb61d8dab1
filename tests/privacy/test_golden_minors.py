"""The law of age as sentences: what the gate answers of people whose age the shop told, place by place.

`golden_minors.txt` beside this file is what a lawyer reads. After a deliberate change of the tables, write it anew with
`python tests/privacy/test_golden_minors.py` and read the difference.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from consent_shop import NOW, ConsentShop
from test_golden_cases import SAMPLE

from tillwise.privacy import ledger
from tillwise.privacy.age import in_words
from tillwise.privacy.jurisdictions import load_jurisdictions
from tillwise.privacy.ledger import Consent, State
from tillwise.privacy.purposes import UNKNOWN
from tillwise.privacy.rule_file import load_rules
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction

GOLDEN = Path(__file__).with_name("golden_minors.txt")
PURPOSES = (Purpose.RECOMMEND, Purpose.MARKETING, Purpose.SHARE, Purpose.TRAIN, Purpose.FRAUD_PREVENTION)
AGES = (12, 14, 16, 18)
SAYINGS = ("said nothing", "said yes", "said yes with a guardian")


def _who(age: int, said: str) -> Pseudonym:
    return Pseudonym(100 * age + SAYINGS.index(said))


def _record(transaction: Transaction) -> None:
    for age in AGES:
        for said in SAYINGS:
            person = _who(age, said)
            ledger.know_age(transaction, person, age, NOW, source="shop")
            for purpose in PURPOSES if said != "said nothing" else ():
                yes = Consent(person, purpose, State.GIVEN, guardian=said.endswith("guardian"))
                ledger.record(transaction, yes, NOW)


def sentences(folder: Path) -> Iterator[str]:
    """Yield every golden case."""
    shop, laws, rules = ConsentShop(folder / "golden.db"), load_jurisdictions(), load_rules()
    shop.do(_record)
    for place in SAMPLE:
        where = "At an unknown place" if place == UNKNOWN else f"In {place}"
        for purpose in PURPOSES:
            why = f"{rules.rule(place, purpose, NOW).default}; {laws.age(place).source}"
            for age in AGES:
                for said in SAYINGS:
                    country = None if place == UNKNOWN else place
                    permit = shop.permit(country, purpose, _who(age, said))
                    answer = (
                        f"allowed on the basis {permit.basis}" if permit.granted
                        else f"refused as {permit.withheld[0].cause}"
                    )  # fmt: skip
                    yield f"{where}, for {purpose}, somebody aged {in_words(age)} who {said}: {answer}, because {why}."
    shop.store.close()


def test_the_law_of_age_reads_as_it_was_last_read(tmp_path: Path) -> None:
    """Every sentence is as committed."""
    made = list(sentences(tmp_path))
    assert made == GOLDEN.read_text("utf-8").splitlines()
    assert len(set(made)) == len(made) >= 500


def test_growing_up_and_guardians_never_close_a_door() -> None:
    """A second reading, without the gate: what is allowed at an age is allowed at every later one; a guardian helps."""
    answers: dict[str, list[bool]] = {}
    for line in GOLDEN.read_text("utf-8").splitlines():
        situation, answer = line.split(": ", 1)
        place, purpose, rest = situation.split(", ", 2)
        said = rest.partition(" who ")[2]
        answers.setdefault(f"{place} {purpose} {said}", []).append(answer.startswith("allowed"))
    for key, by_age in answers.items():
        assert by_age == sorted(by_age), key
        if key.endswith("said yes"):
            assert all(helped >= alone for helped, alone in zip(answers[key + " with a guardian"], by_age, strict=True))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        GOLDEN.write_text("\n".join(sentences(Path(folder))) + "\n", "utf-8")
    sys.stdout.write(f"{len(GOLDEN.read_text('utf-8').splitlines())} sentences\n")
