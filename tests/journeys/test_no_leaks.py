"""What must not be read, learnt from, mixed or kept, is not: seen on a built shop, from the files up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from small_shop import REFUSING, material, person, say
from test_survival import BODIES, ask, check

from tillwise.app import App
from tillwise.decisions import receipts
from tillwise.decisions.replay import Verdict
from tillwise.events.event import Event
from tillwise.events.ingest import read_message
from tillwise.events.log import read_head
from tillwise.outcomes.rows import rows_of
from tillwise.privacy.ledger import State
from tillwise.use_cases.churn.learning import ChurnLearner
from tillwise.use_cases.recommendations.material import read_behaviour
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction

ORDER: dict[str, Any] = {
    "order": {"id": "needle-order", "amount": 4200, "currency": "USD", "items": []},
    "payment": {"method": "card", "card_hash": "needle-card", "bin": "411199"},
    "billing": {"country": "US", "postcode": "needle-zip"},
    "shipping": {"country": "US", "postcode": "needle-zip", "address_hash": "needle-address"},
    "device_id": "needle-device",
    "ip": "192.0.2.117",
    "email_hash": "needle-mail",
}
NEEDLES = (
    "needle-order", "needle-card", "411199", "needle-zip", "needle-address", "needle-device", "192.0.2.117",
    "needle-mail", "needle-person", "needle-visitor",
)  # fmt: skip


def attempt(app: App, order_id: str, *, simulated: bool = False) -> None:
    """Track a payment attempt on the device of ORDER."""
    message = {
        "type": "track", "event": "Payment Attempted", "messageId": f"m-{order_id}", "userId": "c-2",
        "context": {"source": "simulated"} if simulated else {},
        "properties": {"order_id": order_id, "amount": "10.00", "currency": "USD", "status": "authorised",
                       "device_id": ORDER["device_id"]},
    }  # fmt: skip
    event = read_message(message, received=app.clock.now(), currency="USD")
    assert isinstance(event, Event), event
    app.log.append([event]).result()


def attempts_seen(app: App, *, simulated: bool) -> float | None:
    answer = ask(app, "fraud", body=ORDER, simulated=simulated)
    features = answer.receipt.features
    assert features is not None
    return dict(zip(features.columns, features.values, strict=True))["attempts_1h_device"]


def test_nobody_who_refused_is_learnt_from(app: App) -> None:
    """Training tables hold nobody who said no to training, and everybody else."""
    refusing = {person(app, user_id) for user_id in REFUSING}
    labelled, _ = ChurnLearner().table(material(app))
    assert len(set(labelled.subjects.tolist())) > 100
    assert not refusing & set(labelled.subjects.tolist())
    with app.store.snapshot() as snapshot:
        head = read_head(snapshot)
        items = app.shelf.current(snapshot, head.at, head.epoch)
    behaviour = read_behaviour(material(app), items, head.at)
    assert len(behaviour.person)
    assert not refusing & set(behaviour.person.tolist())


def test_withdrawal_acts_on_the_next_decision(app: App) -> None:
    """The decision after a withdrawal knows nothing personal, says why, and both replay, from the log as well."""
    before = check(ask(app, "churn"))
    say(app, "c-2", Purpose.MARKETING, State.WITHDRAWN)
    after = ask(app, "churn")
    told = check(after)
    assert (before["degraded"], told["degraded"], told["score"]) == (None, "no_consent", None)
    assert told["permit"]["withheld"] == [{"feature_group": "personal", "cause": "consent_withdrawn"}]
    features = after.receipt.features
    assert features is None or not any(value is not None for value in features.values)
    for each in (before, told):
        assert app.replayer.replay(each["decision_id"]).verdict is Verdict.SAME
        assert app.replayer.replay(each["decision_id"], from_log=True).verdict is Verdict.SAME


def test_simulated_and_real_rows_never_meet(app: App) -> None:
    """Each world sees its own rows only, and the order in question never counts."""
    attempt(app, "o-a")
    attempt(app, "o-b")
    attempt(app, "needle-order")
    attempt(app, "o-s", simulated=True)
    assert attempts_seen(app, simulated=False) == 2
    assert attempts_seen(app, simulated=True) == 1


def test_no_text_of_a_person_lies_in_the_files(app: App, folder: Path) -> None:
    """Answered by rules or by a fallback, on time or not: ids, keys and addresses are nowhere in the shop's files."""
    ask(app, "fraud", body=ORDER, subject="needle-person", anonymous_id="needle-visitor", request_id="r-1")
    ask(app, "churn", subject="needle-person")
    ask(app, "recommendations", subject=None, anonymous_id="needle-visitor")
    app.store.close()
    for file in folder.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            found = [needle for needle in NEEDLES if needle.encode() in data]
            assert not found, f"{file.name} holds {found}"


def test_labels_of_an_unfinished_import_are_not_read(app: App) -> None:
    """Rows of an import that is not published yet are invisible to labels, as they are to features."""
    with app.store.snapshot() as snapshot:
        head = read_head(snapshot)
    point = Point.after(head, app.clock.now())
    permit = app.gate.training_permit(Purpose.MARKETING, point)
    before = len(rows_of(app.store, ("Order Completed",), permit, before=point.at)["at"])

    def unpublished(transaction: Transaction) -> None:
        transaction.run("UPDATE facts SET epoch = ? WHERE seq IN (SELECT max(seq) FROM facts)", (head.epoch + 1,))

    app.store.commit(unpublished).result()
    assert len(rows_of(app.store, ("Order Completed",), permit, before=point.at)["at"]) == before - 1


def test_a_refused_permit_reads_no_key(app: App) -> None:
    """Nobody known, nothing given: the list is of popular items, and its receipt holds no history."""
    answer = ask(app, "recommendations", subject=None, body=BODIES["recommendations"])
    with app.store.snapshot() as snapshot:
        kept = receipts.find(snapshot, str(answer.decision_id))
    assert kept.receipt.facts["history"] == []
    assert kept.subject is None
