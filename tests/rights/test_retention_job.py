"""The retention job deletes what is too old from every table and copy, spares what is held, and proves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from tillwise.app.build import App, build_app
from tillwise.app.doctor.retention import retention as look
from tillwise.audit.checkpoint import Signer
from tillwise.audit.extend import extend
from tillwise.audit.verify import verify
from tillwise.cli.init import create_shop
from tillwise.decisions.decision import Place, Request
from tillwise.errors import Conflict, NotFound
from tillwise.events import seal
from tillwise.events.ingest import read_message
from tillwise.events.log import EventLog
from tillwise.events.people import find_pseudonym, user_ids
from tillwise.outcomes.outcomes import Outcome, append
from tillwise.privacy import holds, ledger
from tillwise.privacy.ledger import Consent
from tillwise.rights.asked import Asked
from tillwise.rights.entered import SOURCES
from tillwise.rights.request import Kind
from tillwise.vocabulary.clock import LogClock, wall_now
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction

DAY = 86_400_000


class Shop:
    def __init__(self, folder: Path) -> None:
        create_shop(folder)
        self.app: App = build_app(folder)
        self.now = wall_now()
        self.log = EventLog(self.app.store, self.app.secrets, LogClock(wall=lambda: self.now), (self.app.tiles,))

    def days_ago(self, days: int, *messages: dict[str, Any]) -> None:
        self.now = wall_now() - days * DAY
        assert self.log.append([read_message(each, received=self.now) for each in messages]).result().accepted

    def person(self, user: str) -> Pseudonym:
        with self.app.store.snapshot() as snapshot:
            found = find_pseudonym(snapshot, self.app.secrets, user)
        assert found is not None
        return found

    def count(self, table: str) -> int:
        with self.app.store.snapshot() as snapshot:
            row = snapshot.one(f"SELECT count(*) FROM {table}")
        assert row is not None
        return int(row[0])

    def commit(self, work: Any) -> Any:
        return self.app.store.commit(work).result()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path / "shop")
    yield shop
    shop.app.close()


def view(user: str) -> dict[str, Any]:
    return {"type": "track", "event": "Product Viewed", "userId": user, "properties": {"product_id": "p-1"}}


def order(user: str, number: int) -> dict[str, Any]:
    lines = [{"product_id": "p-1", "quantity": 1, "price": 5.0}, {"product_id": "p-2", "quantity": 1, "price": 5.0}]
    return {
        "type": "track", "event": "Order Completed", "userId": user,
        "properties": {"order_id": f"o-{number}", "currency": "EUR", "products": lines},
    }  # fmt: skip


def test_rows_go_when_their_own_retention_is_over(shop: Shop) -> None:
    """Views after 25 months, orders after three years; tables, tiles and the exported log say the same."""
    shop.days_ago(1_200, order("old", 1), {"type": "alias", "userId": "old", "previousId": "before"})
    shop.days_ago(800, view("ann"), order("ann", 2))
    shop.days_ago(10, view("ann"), view("ben"))
    shop.app.segments.export(shop.app.store)
    done = shop.app.keeping.run()
    assert done is not None
    assert done.deleted["purchases"]["events"] == 1
    assert done.deleted["account"]["events"] == 1
    assert done.deleted["behaviour"]["events"] == 1
    assert done.deleted["profiles"] == {"subjects": 2}
    assert shop.count("events") == 3
    assert shop.count("by_shop") == shop.count("facts") == 5
    with shop.app.store.snapshot() as snapshot:
        assert find_pseudonym(snapshot, shop.app.secrets, "old") is None
        kept = snapshot.all("SELECT seq, line FROM facts ORDER BY seq, line")
        tiles = snapshot.all("SELECT * FROM tiles ORDER BY 1, 2, 3, 4, 5, 6, 7")
    files = f"{shop.app.segments.folder}/facts-*/*.parquet"
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT seq, line FROM '{files}' ORDER BY 1, 2").fetchall() == kept
    shop.commit(lambda t: shop.app.tiles.rebuild(t, everything=True))
    with shop.app.store.snapshot() as snapshot:
        assert snapshot.all("SELECT * FROM tiles ORDER BY 1, 2, 3, 4, 5, 6, 7") == tiles
    again = shop.app.keeping.run()
    assert again is not None
    assert (again.rows, again.files) == (0, 0)


def test_restricted_and_held_people_are_left_alone(shop: Shop) -> None:
    """A restriction stores, a legal hold stops deletion and erasure, until they end."""
    shop.days_ago(1_200, order("held", 1), order("restricted", 2), order("gone", 3))
    shop.days_ago(1, view("now"))
    held, restricted = shop.person("held"), shop.person("restricted")
    shop.commit(lambda t: holds.hold(t, held, "claim 17"))
    shop.commit(lambda t: ledger.restrict(t, restricted, shop.now, place="DE", source="request"))
    done = shop.app.keeping.run()
    assert done is not None
    assert done.held == 2
    assert done.deleted["purchases"]["events"] == 1
    with pytest.raises(Conflict, match="legal hold"):
        shop.app.rights.erase(Asked("held", Kind.ERASURE, place="DE", identity=True))
    shop.commit(lambda t: holds.release(t, held))
    shop.commit(lambda t: ledger.lift(t, restricted, shop.now, source="request"))
    done = shop.app.keeping.run()
    assert done is not None
    assert done.deleted["purchases"]["events"] == 2
    with pytest.raises(NotFound):
        shop.commit(lambda t: holds.release(t, held))


def test_old_decisions_go_and_the_log_still_verifies(shop: Shop) -> None:
    """Receipts with their reviews, outcomes and quarantine; which entries went is itself an entry."""
    shop.days_ago(2, view("ann"))
    body = {"order": {"id": "o", "amount": 900, "currency": "EUR", "items": []}}
    ids = []
    for _ in range(3):
        request = Request(None, body, subject="ann", place=Place("DE"), deadline_ms=20_000)
        ids.append(shop.app.road.decide(shop.app.use_case("fraud"), request, "key").decision_id)
    checkpoint = extend(shop.app.store, SOURCES, Signer(shop.app.secrets))

    def age(transaction: Transaction) -> None:
        append(transaction, Outcome("fraud_cleared", 1.0, shop.now, decision_id=str(ids[0])))
        transaction.run("UPDATE outcomes SET at = at - ?", (1_200 * DAY,))
        transaction.run(
            "INSERT INTO quarantine (wall, reason, field, parsed) VALUES (?, 'x', 'y', '{}')", (wall_now() - 31 * DAY,)
        )

    shop.commit(age)
    later = wall_now() + 1_099 * DAY
    job = replace(shop.app.keeping, wall=lambda: later)
    done = job.run()
    assert done.deleted["decisions"]["receipts"] == 3
    assert done.deleted["outcomes"] == {"outcomes": 1}
    assert done.deleted["quarantine"] == {"quarantine": 1}
    with shop.app.store.snapshot() as snapshot:
        findings = verify(snapshot, SOURCES, [checkpoint])
        act = snapshot.one("SELECT body FROM audit_log WHERE kind = 'retention' ORDER BY id DESC LIMIT 1")
    assert findings.wrong == ()
    assert findings.erased == 3
    assert act is not None
    assert msgspec.json.decode(act[0])["deleted"]["decisions"]["receipts"] == 3


def test_what_counts_now_of_a_consent_stays(shop: Shop) -> None:
    """Only what something newer replaced long ago is deleted; a refusal never is."""
    shop.days_ago(2_000, view("ann"))
    ann = shop.person("ann")

    def say(state: ledger.State, days: int) -> None:
        consent = Consent(ann, Purpose.RECOMMEND, state, place="DE")
        shop.commit(lambda t: ledger.record(t, consent, wall_now() - days * DAY))

    say(ledger.State.GIVEN, 1_990)
    say(ledger.State.REFUSED, 1_900)
    shop.days_ago(1, view("ann"))
    checkpoint = extend(shop.app.store, SOURCES, Signer(shop.app.secrets))
    shop.app.keeping.run()
    with shop.app.store.snapshot() as snapshot:
        states = [row[0] for row in snapshot.all("SELECT state FROM consents WHERE subject = ?", (ann,))]
        assert verify(snapshot, SOURCES, [checkpoint]).wrong == ()
    assert states == ["refused"]


def test_it_runs_once_a_day_and_the_doctor_says_when_it_did_not(shop: Shop) -> None:
    """A second process finds it done; the doctor names what is still there."""

    def says() -> str:
        with shop.app.store.snapshot() as snapshot:
            return " | ".join(finding.says for finding in look(shop.app, snapshot))

    shop.days_ago(1_200, order("old", 1))
    shop.days_ago(1, view("ann"))
    assert "never ran" in says()
    assert "purchases from" in says()
    assert shop.app.keeping.run_if_due() is not None
    assert shop.app.keeping.run_if_due() is None
    assert "never ran" not in says()
    assert "purchases from" not in says()


def test_a_run_that_was_stopped_is_taken_up_again(shop: Shop) -> None:
    """Positions already deleted leave the exported log with the next run."""
    shop.days_ago(1_200, order("old", 1))
    shop.days_ago(1, view("ann"))
    shop.app.segments.export(shop.app.store)
    assert shop.app.keeping.run_if_due(lambda: True) is None
    done = shop.app.keeping.run_if_due()
    assert done is not None
    assert done.files == 2
    assert shop.count("retention_pending") == 0


def test_people_of_an_older_version_get_keys_of_their_own(shop: Shop) -> None:
    """Their ids were sealed under the shop's one key; they are read before and after."""
    shop.days_ago(1, view("ann"))
    ann = shop.person("ann")
    cipher = seal._cipher(shop.app.secrets, b"seal user id")
    old = b"n" * 12 + cipher.encrypt(b"n" * 12, b"ann", None)

    def back(transaction: Transaction) -> None:
        transaction.run("DELETE FROM subject_keys")
        transaction.run("UPDATE subjects SET sealed = ?", (old,))

    shop.commit(back)
    with shop.app.store.snapshot() as snapshot:
        assert user_ids(snapshot, shop.app.secrets, [ann]) == {ann: "ann"}
    shop.app.keeping.run()
    assert shop.count("subject_keys") == 1
    with shop.app.store.snapshot() as snapshot:
        assert user_ids(snapshot, shop.app.secrets, [ann]) == {ann: "ann"}
