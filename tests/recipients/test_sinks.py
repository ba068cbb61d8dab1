"""Webhook sinks against a real HTTP server: signed, at least once, recognisable, and never on a detour."""

from __future__ import annotations

import base64
import hashlib
import hmac
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from bordering_shop import RECORD, changed, decide, fill, key_of, make_shop, sink_settings, write_vendors

from tillwise.app import build_app
from tillwise.app.outbound import remember_signals
from tillwise.connectors.outbound_http import Line
from tillwise.connectors.outbound_sinks import Delivered, Sinks
from tillwise.decisions import receipts
from tillwise.errors import ConfigurationError
from tillwise.outcomes import outcomes
from tillwise.outcomes.outcomes import Outcome
from tillwise.recipients import outbox, sent
from tillwise.review.queue import open_case
from tillwise.vocabulary.clock import LogClock


def later(border: Any, ahead: int) -> Sinks:
    """Return the same sinks in a process whose clock is `ahead` milliseconds further."""
    app = border.app
    clock = LogClock(0, wall=lambda: app.clock.wall() + ahead)
    return Sinks(app.store, app.secrets, clock, app.outbound.gate, app.outbound.sinks.settings, app.use_cases)


def waiting(border: Any) -> list[outbox.Queue]:
    with border.app.store.snapshot() as snapshot:
        return outbox.queues(snapshot)


def test_a_message_says_what_was_decided_and_proves_who_sent_it(border: Any) -> None:
    """The body is the decision; the signature is that of Standard Webhooks 1.0 under the sink's own secret."""
    answer = decide(border.app, "u-1")
    assert border.app.outbound.sinks.deliver()["mail"] == Delivered(arrived=1)
    ((headers, body),) = border.server.got
    said = border.server.bodies[0]
    assert (said["type"], said["data"]["decision_id"], said["data"]["subject"]) == (
        "decision.churn", answer.decision_id, "u-1",
    )  # fmt: skip
    assert said["data"]["action"] == answer.decision.action
    secret = base64.b64decode(border.app.outbound.sinks.secret("mail").removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mark = base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{mark}"
    assert waiting(border) == []


def test_what_arrived_before_a_kill_arrives_again_under_the_same_id(border: Any) -> None:
    """Killed between sending and marking: nothing is lost, the repetition is equal, and the ledger knew before."""
    decide(border.app, "u-1")
    process = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("killed_process.py")), str(border.folder)],
        check=False, timeout=120, capture_output=True,
    )  # fmt: skip
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()
    assert len(border.server.got) == 1
    with border.app.store.snapshot() as snapshot:
        assert sent.received(snapshot, [key_of(border.app, "u-1")]) == ["mail-tool"]
    assert border.app.outbound.sinks.deliver()["mail"] == Delivered()  # somebody else seems to be at it
    assert later(border, outbox.LEASE + 1).deliver()["mail"].arrived == 1
    first, second = border.server.got
    assert first[0]["webhook-id"] == second[0]["webhook-id"]
    assert first[1] == second[1]
    assert waiting(border) == []


def test_a_refused_message_is_tried_again_and_at_last_given_up(border: Any) -> None:
    """5xx and 4xx wait twice as long each time; after three days a person has to look."""
    border.server.status = 500
    decide(border.app, "u-1")
    assert border.app.outbound.sinks.deliver()["mail"].put_off == 1
    assert border.app.outbound.sinks.deliver()["mail"] == Delivered()
    border.server.status = 410
    assert later(border, outbox.FIRST_WAIT + 1).deliver()["mail"].put_off == 1
    assert waiting(border)[0].cause == "the sink answered 410"
    assert later(border, outbox.GIVE_UP + 1).deliver()["mail"].put_off == 1
    assert (waiting(border)[0].waiting, waiting(border)[0].given_up) == (1, 1)
    assert later(border, 2 * outbox.GIVE_UP).deliver()["mail"] == Delivered()
    border.server.status = 204
    border.app.store.commit(lambda t: outbox.retry(t, "mail", border.app.clock.wall())).result()
    assert border.app.outbound.sinks.deliver()["mail"].arrived == 1


def test_a_redirect_is_not_followed(border: Any) -> None:
    """Only the address in the shop's own file is ever called."""
    border.server.status, border.server.headers = 302, {"location": border.server.url + "/elsewhere"}
    decide(border.app, "u-1")
    assert border.app.outbound.sinks.deliver()["mail"].put_off == 1
    assert border.server.paths == ["/hook"]


def test_a_sink_that_is_not_there_received_nothing(border: Any) -> None:
    """Nobody was reached: the message waits, and the ledger claims no recipient."""
    decide(border.app, "u-1")
    app = border.app
    gone = Sinks(
        app.store, app.secrets, app.clock, app.outbound.gate, app.outbound.sinks.settings, app.use_cases,
        line=lambda _, timeout: Line("http://127.0.0.1:9/", timeout),
    )  # fmt: skip
    assert gone.deliver()["mail"].put_off == 1
    with app.store.snapshot() as snapshot:
        assert sent.newest(snapshot) == []
        assert "not reached" in outbox.queues(snapshot)[0].cause


def test_what_is_erased_before_it_left_does_not_leave(border: Any) -> None:
    """The outbox holds references only: with the receipt gone, so is the message."""
    answer = decide(border.app, "u-1")
    border.app.store.commit(
        lambda t: t.run("DELETE FROM receipts WHERE decision_id = ?", (answer.decision_id,))
    ).result()
    assert border.app.outbound.sinks.deliver()["mail"] == Delivered()
    assert (border.server.got, waiting(border)) == ([], [])


def test_an_answer_that_left_without_its_receipt_is_not_told(border: Any) -> None:
    """The caller got the unrecorded answer: a sink must not hear another one."""
    answer = decide(border.app, "u-1")
    mark = "UPDATE receipts SET delivered = 0 WHERE decision_id = ?"
    border.app.store.commit(lambda t: t.run(mark, (answer.decision_id,))).result()
    assert border.app.outbound.sinks.deliver()["mail"] == Delivered()
    assert border.server.got == []


def test_outcomes_of_its_decisions_are_told(border: Any) -> None:
    """An outcome the sink asked for is told under its decision; other kinds and use cases are not."""
    app = border.app
    churn, fraud = decide(app, "u-1"), decide(app, "u-2", use_case="fraud")
    app.outbound.sinks.deliver()
    for decision_id, kind in (
        (churn.decision_id, "purchase"),
        (churn.decision_id, "click"),
        (fraud.decision_id, "purchase"),
    ):
        outcome = Outcome(kind, 1.0, app.clock.now(), decision_id)

        def work(transaction: Any, outcome: Outcome = outcome) -> None:
            outcomes.append(transaction, outcome)
            for hook in app.on_outcome:
                hook(transaction, outcome)

        app.store.commit(work).result()
    assert app.outbound.sinks.deliver()["mail"].arrived == 1
    assert [body["type"] for body in border.server.bodies] == ["decision.churn", "outcome.churn"]
    assert border.server.bodies[1]["data"]["outcome"]["kind"] == "purchase"
    assert border.server.bodies[1]["data"]["subject"] == "u-1"


def test_what_a_reviewer_finds_is_an_outcome_to_be_told(border: Any) -> None:
    """The verdict and the message about it are one transaction."""
    border.app.close()
    settings = border.folder / "tillwise.toml"
    text = settings.read_text("utf-8").replace('["churn"]', '["fraud"]').replace('"purchase"', '"fraud_cleared"')
    settings.write_text(text, "utf-8")
    border.app = app = build_app(border.folder)
    decision_id = decide(app, "u-2", use_case="fraud").decision_id
    with app.store.snapshot() as snapshot:
        kept = receipts.find(snapshot, decision_id)
    app.store.commit(lambda t: open_case(t, kept)).result()
    app.reviews.decide("ann", decision_id, "approve", "a customer of many years")
    with app.store.snapshot() as snapshot:
        queued = snapshot.all("SELECT kind, decision_id FROM outbox ORDER BY id")
    assert queued == [("decision", decision_id), ("outcome", decision_id)]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (sink_settings("http://shop.example/hook"), "must be https"),
        (sink_settings("https://user:word@shop.example/hook"), "name, password or fragment"),
        (sink_settings("file:///etc/passwd"), "must look like"),
        (sink_settings("https://shop.example/h").replace('"churn"', '"chrun"'), "is no use case"),
        (sink_settings("https://shop.example/h", outcomes='"joy"'), "is no outcome"),
        (sink_settings("https://shop.example/h").replace("decisions", "decision"), "unknown field `decision`"),
    ],
)
def test_odd_sinks_stop_the_start(tmp_path: Path, more: str, says: str) -> None:
    """A sink's address is the owner's word alone, and is checked before anything runs."""
    make_shop(tmp_path / "shop", more=more)
    write_vendors(tmp_path / "shop", RECORD)
    with pytest.raises(ConfigurationError, match=says):
        build_app(tmp_path / "shop")


def test_a_shop_without_sinks_queues_nothing(tmp_path: Path) -> None:
    """No sink, no queue: a decision writes nothing more than before."""
    make_shop(tmp_path / "shop")
    app = build_app(tmp_path / "shop")
    try:
        fill(app, people=("u-1",))
        decide(app, "u-1")
        assert (app.outbound.on_receipt, app.on_outcome) == ((remember_signals,), ())
        with app.store.snapshot() as snapshot:
            assert (snapshot.all("SELECT * FROM outbox"), snapshot.all("SELECT * FROM signals_seen")) == ([], [])
    finally:
        app.close()


def test_two_processes_take_different_messages(border: Any) -> None:
    """Whoever takes a message keeps it for a while: two deliverers at once send each message once."""
    for _ in range(60):
        decide(border.app, "u-1")
    both = [later(border, 0), later(border, 1)]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda sinks: sinks.deliver()["mail"].arrived, both))
    assert sum(done) == 60
    assert len({headers["webhook-id"] for headers, _ in border.server.got}) == len(border.server.got) == 60


def test_a_record_changed_while_serving_is_kept_before_anything_leaves_under_it(border: Any) -> None:
    """What the ledger names as the record of a hand-over can be looked up, and its change is in the audit log."""
    record = changed(RECORD, contact="privacy@mail.example")
    write_vendors(border.folder, record)
    decide(border.app, "u-1")
    border.app.outbound.sinks.deliver()
    with border.app.store.snapshot() as snapshot:
        acts = snapshot.all("SELECT body FROM audit_log WHERE kind = 'vendors' ORDER BY id")
        (kept,) = snapshot.all("SELECT body FROM vendor_records ORDER BY id DESC LIMIT 1")
        (handed,) = sent.newest(snapshot)
    assert len(acts) == 2
    assert "privacy@mail.example" in kept[0]
    assert handed["record"] == border.app.outbound.book.vendors["mail-tool"].digest
