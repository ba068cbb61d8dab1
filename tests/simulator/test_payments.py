"""Invented payments: seeded, labelled, and with something in them to find."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from tillwise.events.build import Header, build_event
from tillwise.events.event import Event
from tillwise.simulator.files import write_payments
from tillwise.simulator.payments import DAY, PATTERNS, Shape, payments

END = 1_760_000_000_000
SMALL = Shape(customers=150, days=120, card_tests=4, rings=3, takeovers=12, friendly=6)


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    """Deterministic: same seed, same bytes; another seed, another world."""
    for folder, seed in (("one", 7), ("two", 7), ("three", 8)):
        write_payments(tmp_path / folder, seed=seed, end=END, shape=SMALL)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["attempts.jsonl", "chargebacks.jsonl", "signups.jsonl", "simulated-payments.toml"]
    read = {f: [(tmp_path / f / name).read_bytes() for name in names] for f in ("one", "two", "three")}
    assert read["one"] == read["two"] != read["three"]


def test_every_row_is_a_valid_event_of_its_type(tmp_path: Path) -> None:
    """What is invented enters by the same door as real data: nothing of it may be quarantined."""
    stream = payments(7, END, SMALL)
    names = ("Signed Up", "Payment Attempted", "Chargeback Received")
    for name, (_, rows) in zip(names, stream.files(), strict=True):
        for row in rows:
            properties = {k: v for k, v in row.items() if k not in ("user_id", "timestamp", "message_id")}
            event = build_event(name, properties, Header(ts=0, user_id=row["user_id"], simulated=True))
            assert isinstance(event, Event), event
            assert event.undeclared == ()


def test_chargebacks_come_later_and_belong_to_a_payment() -> None:
    """A chargeback is 7 to 60 days younger than the payment it takes back."""
    stream = payments(7, END, SMALL)
    paid = {row["order_id"]: row for row in stream.attempts if row["status"] == "authorised"}
    assert stream.chargebacks
    for back in stream.chargebacks:
        assert back["timestamp"] > paid[back["order_id"]]["timestamp"]
        assert back["amount"] == paid[back["order_id"]]["amount"]
        assert stream.patterns[back["order_id"]] != "honest"
    assert set(stream.patterns.values()) == set(PATTERNS)


def test_people_are_marked_as_invented(tmp_path: Path) -> None:
    """Simulated people have their own ids and can never be taken for a shop's own."""
    mapping = write_payments(tmp_path, seed=7, end=END, shape=SMALL)
    rows = [json.loads(line) for line in (tmp_path / "attempts.jsonl").read_text().splitlines()]
    assert all(row["user_id"].startswith("sim-") and row["order_id"].startswith("sim-") for row in rows)
    assert "simulated" in mapping.read_text()
    assert Counter(row["currency"] for row in rows) == {"EUR": len(rows)}
    assert DAY == 86_400_000
