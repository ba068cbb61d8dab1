"""People change their minds while decisions are being taken: no decision uses what was taken back before it began."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from pathlib import Path

from toy import Shop, ask, fraud_like, open_shop, toy

from tillwise.decisions.decision import Degraded
from tillwise.privacy import ledger
from tillwise.privacy.ledger import State
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.store import Transaction

PEOPLE = tuple(f"u-{n}" for n in range(4))


@dataclass
class Heard:
    """A change that was acknowledged, and a decision that was taken, in the order a caller could observe them."""

    facts: dict[str, list[tuple[int, State]]]
    decided: list[tuple[str, int, str]]
    lock: threading.Lock


def speak(shop: Shop, heard: Heard, seed: int, times: int) -> None:
    dice = random.Random(seed)
    for _ in range(times):
        person, state = dice.choice(PEOPLE), dice.choice((State.GIVEN, State.WITHDRAWN, State.REFUSED))
        seq = shop.consent(person, state)
        with heard.lock:
            heard.facts[person].append((seq, state))


def decide(shop: Shop, heard: Heard, seed: int, times: int) -> None:
    dice, use_case = random.Random(seed), toy()
    for _ in range(times):
        person = dice.choice(PEOPLE)
        with heard.lock:
            acknowledged = max((seq for seq, _ in heard.facts[person]), default=0)
        answer = shop.road.decide(use_case, ask(subject=person), "key")
        assert answer.recorded
        with heard.lock:
            heard.decided.append((person, acknowledged, answer.decision_id or ""))


def hold(shop: Shop, heard: list[tuple[str, int, bool]], lock: threading.Lock, seed: int, times: int) -> None:
    """Put people on hold and let them go again; note position and outcome of what was acknowledged."""
    dice, held = random.Random(seed), dict.fromkeys(PEOPLE, False)
    for _ in range(times):
        name = dice.choice(PEOPLE)
        person, on = shop.pseudonym(name), not held[name]
        held[name] = on

        def work(transaction: Transaction, person: Pseudonym = person, on: bool = on) -> int:
            if on:
                return ledger.restrict(transaction, person, shop.wall(), place="DE", source="request")
            ledger.lift(transaction, person, shop.wall(), source="request")
            return ledger.consent_seq(transaction, person)

        seq = shop.store.commit(work).result()
        with lock:
            heard.append((name, seq, on))


def test_no_decision_goes_on_after_a_restriction_was_acknowledged(tmp_path: Path) -> None:
    """Not even fraud prevention: each decision rests on a hold, or a release, at least as new as the last one heard."""
    with open_shop(tmp_path / "shop.db") as shop:
        for person in PEOPLE:
            shop.consent(person)
        holds: list[tuple[str, int, bool]] = []
        decided: list[tuple[str, int, str]] = []
        lock = threading.Lock()

        def check(seed: int) -> None:
            dice, use_case = random.Random(seed), fraud_like()
            for _ in range(40):
                person = dice.choice(PEOPLE)
                with lock:
                    acknowledged = max((seq for name, seq, _ in holds if name == person), default=0)
                answer = shop.road.decide(use_case, ask(subject=person), "key")
                with lock:
                    decided.append((person, acknowledged, answer.decision_id or ""))

        threads = [threading.Thread(target=hold, args=(shop, holds, lock, 1, 40))]
        threads += [threading.Thread(target=check, args=(20 + n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(decided) == 120
        states = {(name, seq): on for name, seq, on in holds}
        for person, acknowledged, decision_id in decided:
            permit = shop.receipt(decision_id).receipt.permit
            assert permit.consent_seq >= acknowledged
            assert permit.granted is not states.get((person, permit.consent_seq), False)


def test_no_decision_uses_what_was_taken_back_before_it_began(tmp_path: Path) -> None:
    """Linearizable: each decision rests on a word at least as new as the last one acknowledged before it started."""
    with open_shop(tmp_path / "shop.db") as shop:
        heard = Heard({person: [] for person in PEOPLE}, [], threading.Lock())
        threads = [threading.Thread(target=speak, args=(shop, heard, n, 60)) for n in range(2)]
        threads += [threading.Thread(target=decide, args=(shop, heard, 10 + n, 60)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(heard.decided) == 240
        states = {seq: state for facts in heard.facts.values() for seq, state in facts}
        for _, acknowledged, decision_id in heard.decided:
            receipt = shop.receipt(decision_id).receipt
            assert receipt.permit.consent_seq >= acknowledged
            word = states.get(receipt.permit.consent_seq)
            assert receipt.permit.granted is (word is State.GIVEN)
            assert (receipt.decision.degraded is Degraded.NO_CONSENT) is not receipt.permit.granted
