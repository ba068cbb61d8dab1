"""Keys, grants, requests, releases and notices carry no leaf: verification holds them against their acts."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tillwise.app import App, build_app
from tillwise.cli.init import create_shop
from tillwise.cli.main import cli
from tillwise.decisions.decision import Place, Request
from tillwise.outcomes.outcomes import Outcome, append
from tillwise.privacy.served import serve
from tillwise.releases.gate import Choice, GateResult, Verdict
from tillwise.rights.asked import Asked
from tillwise.rights.request import Kind, Refusal
from tillwise.vocabulary.identity import Pseudonym

YEAR = 400 * 86_400_000


def live(app: App) -> None:
    """Requests in every state, a notice served, a decision, an outcome, a read."""
    body = {"order": {"id": "o-1", "amount": 5_000, "currency": "EUR"}, "payment": {"method": "card"}}
    for subject in ("c-1", "c-2"):
        asked = Request(None, body, subject=subject, place=Place("DE"), deadline_ms=20_000)
        decision = app.road.decide(app.use_case("fraud"), asked, "k").decision_id
    requests = app.rights.requests
    requests.receive(Asked("c-1", Kind.ERASURE, "DE"))
    requests.extend(requests.receive(Asked("c-1", Kind.ACCESS, "DE", identity=True)).id)
    requests.refuse(requests.receive(Asked("c-2", Kind.ACCESS, "DE")).id, Refusal.IDENTITY_NOT_PROVEN)
    app.rights.access(Asked("c-2", Kind.PORTABILITY, "DE", identity=True))
    notice = app.notices.current("DE")
    app.store.commit(lambda t: serve(t, notice, Pseudonym(1), 5)).result()
    app.store.commit(lambda t: append(t, Outcome("purchase", 1.0, 5, decision_id=decision))).result()
    passed = GateResult("quality", Verdict.PASS, "so")
    app.releases.release("fraud", Choice("rules", "rules", None, "a test", (passed,)), who="anna")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shop = tmp_path_factory.mktemp("compared") / "shop"
    create_shop(shop)
    app = build_app(shop)
    live(app)
    app.close()
    told(shop, "keys", "create", "decide")
    gone = told(shop, "keys", "create", "server")["id"]
    told(shop, "keys", "revoke", gone)
    for name in ("anna", "berta"):
        told(shop, "people", "add", name, "--role", "reviewer")
    told(shop, "people", "remove", "berta")
    told(shop, "audit", "checkpoint", "--out", str(shop / "cp.txt"))
    return shop


@pytest.fixture
def shop(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "shop"))


def told(shop: Path, *words: str, code: int = 0) -> Any:
    result = CliRunner().invoke(cli, [*words, "--json", "--shop", str(shop)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return json.loads(result.stdout)


def tamper(shop: Path, statement: str) -> None:
    with sqlite3.connect(shop / "tillwise.db") as database:
        for each in statement.split(";"):
            assert database.execute(each).rowcount > 0, each


def test_an_untouched_shop_is_intact(shop: Path) -> None:
    """Requests in every state, keys made and revoked, notices in force and served: all as they were entered."""
    assert told(shop, "audit", "verify", "--checkpoint", str(shop / "cp.txt"))["wrong"] == []


@pytest.mark.parametrize(("edit", "says"), [
    ("DELETE FROM rights_requests WHERE finished IS NULL", "was entered and is gone"),
    ("DELETE FROM rights_requests WHERE state = 'done'", "was entered and is gone"),
    (f"UPDATE rights_requests SET deadline = received + {YEAR}, kind = 'portability'", "kind, deadline changed"),
    ("UPDATE rights_requests SET identity = 1 WHERE identity = 0", "identity changed"),
    ("UPDATE rights_requests SET received = received - 1, state = 'received' WHERE finished IS NULL", "received chang"),
    ("UPDATE rights_requests SET refusal = 'excessive' WHERE state = 'refused'", "refusal changed"),
    ("INSERT INTO rights_requests SELECT 'r', person, kind, place, law, received, deadline, extended, state, identity,"
     " refusal, finished, result FROM rights_requests LIMIT 1", "put in"),
    ("DELETE FROM rights_steps WHERE what = 'extended'", "its steps"),
    ("UPDATE rights_steps SET wall = wall - 86400000 WHERE what = 'refused'", "its steps"),
    ("UPDATE keys SET scopes = 'admin' WHERE role = 'browser'", "scopes changed"),
    ("UPDATE keys SET role = 'admin' WHERE role = 'browser'", "role changed"),
    ("UPDATE keys SET expires = expires + 1 WHERE role = 'decide'", "expires changed"),
    ("UPDATE keys SET revoked = NULL WHERE revoked IS NOT NULL", "revoked changed"),
    ("UPDATE keys SET revoked = 1 WHERE role = 'admin'", "revoked changed"),
    ("UPDATE keys SET hash = x'00' WHERE role = 'admin'", "hash changed"),
    ("INSERT INTO keys SELECT 'mine', x'01', role, scopes, created, expires, NULL, NULL FROM keys WHERE role = 'admin'",
     "key mine is in no entry"),
    ("DELETE FROM keys WHERE revoked IS NOT NULL", "was entered and is gone"),
    ("UPDATE grants SET role = 'admin' WHERE revoked IS NULL", "role changed"),
    ("UPDATE grants SET expires = expires + 1, revoked = NULL", "expires"),
    ("DELETE FROM grants", "was entered and is gone"),
    ("UPDATE releases SET version = 'sha256:00'", "version changed"),
    ("UPDATE releases SET gates = replace(gates, 'pass', 'fail')", "gates changed"),
    ("DELETE FROM releases", "was entered and is gone"),
    ("UPDATE notices SET body = '{}'", "its text is not the one"),
    ("UPDATE notices SET body = body || ' '", "its text is not the one"),
    ("DELETE FROM notices", "its text is gone"),
    ("DELETE FROM notices_in_force", "gone from the history"),
    ("INSERT INTO notices_in_force (wall, place, language, id, told) SELECT wall, 'XX', language, id, told"
     " FROM notices_in_force LIMIT 1", "never entered as being in force"),
])  # fmt: skip
def test_an_edit_of_a_table_without_leaves_is_found(shop: Path, edit: str, says: str) -> None:
    """Deleted, edited or put in: the acts say otherwise, and the line names the row."""
    tamper(shop, edit)
    wrong = told(shop, "audit", "verify", "--checkpoint", str(shop / "cp.txt"), code=1)["wrong"]
    assert any(says in each for each in wrong), wrong


@pytest.mark.parametrize(("edit", "says"), [
    ("DELETE FROM access_reads; DELETE FROM access_read_people", "its read is gone"),
    ("DELETE FROM access_read_people", "its read person is gone"),
    ("UPDATE access_read_people SET subject = subject + 1", "read person"),
    ("UPDATE access_reads SET who = 'somebody else'", "its read was changed"),
    ("UPDATE access_reads SET people = 0", "its read was changed"),
    ("UPDATE outcomes SET value = 0", "its outcome was changed"),
    ("DELETE FROM outcomes", "its outcome is gone"),
])  # fmt: skip
def test_an_edit_of_reads_or_outcomes_is_found(shop: Path, edit: str, says: str) -> None:
    """Who looked at whom, and what happened after a decision, are entries like any other."""
    tamper(shop, edit)
    wrong = told(shop, "audit", "verify", "--checkpoint", str(shop / "cp.txt"), code=1)["wrong"]
    assert any(says in each for each in wrong), wrong


def test_the_acts_of_a_request_name_nobody(shop: Path) -> None:
    """Receipt, extension and refusal are in the log by the request's id alone: no id, no mark of a person."""
    with sqlite3.connect(shop / "tillwise.db") as database:
        bodies = [row[0] for row in database.execute("SELECT body FROM audit_log WHERE kind = 'request.step'")]
        marks = [bytes(row[0]).hex() for row in database.execute("SELECT person FROM rights_requests")]
    assert {json.loads(body)["what"] for body in bodies} >= {"received", "verifying", "extended", "refused", "done"}
    assert not [body for body in bodies if "c-1" in body or any(mark in body for mark in marks)]


def test_an_erasure_of_who_asked_keeps_the_log_whole(shop: Path) -> None:
    """Requests, reads and outcomes of an erased person do not look like tampering."""
    told(shop, "privacy", "erase", "c-2", "--place", "DE", "--identity-checked")
    assert told(shop, "audit", "verify", "--checkpoint", str(shop / "cp.txt"))["intact"]


def test_a_shop_of_an_earlier_release_says_once_what_stood_there(shop: Path) -> None:
    """Keys and requests without acts are entered as found, once; what is put in after that has no entry."""
    gone = ("audit_log", "audit_runs", "audit_signed", "audit_began")
    with sqlite3.connect(shop / "tillwise.db") as database:
        for table in ("access_reads", "access_read_people", "outcomes"):
            database.execute(f"ALTER TABLE {table} DROP COLUMN leaf")
            database.execute(f"ALTER TABLE {table} DROP COLUMN salt")
    tamper(shop, "; ".join(
        [*(f"DELETE FROM {table}" for table in gone), "UPDATE audit_edge SET size = 0, roots = x''",
         "UPDATE receipts SET salt = NULL, leaf = NULL"]
    ))  # fmt: skip
    assert told(shop, "audit", "verify")["wrong"] == []
    tamper(shop, "UPDATE keys SET scopes = 'admin' WHERE role = 'browser'")
    assert any("scopes changed" in each for each in told(shop, "audit", "verify", code=1)["wrong"])


def test_a_bundle_over_an_edited_table_does_not_pass_for_evidence(shop: Path, tmp_path: Path) -> None:
    """The bundle says that the log did not verify, where it is made and where it is checked."""
    out, key = tmp_path / "e.zip", told(shop, "audit", "checkpoint")["key"]
    words = ("audit", "bundle", "--from", "2000-01-01", "--to", "2100-01-01", "--out", str(out))
    told(shop, *words)
    good = CliRunner().invoke(cli, ["audit", "verify-bundle", str(out), "--public-key", key])
    assert good.exit_code == 0, good.output
    tamper(shop, f"UPDATE rights_requests SET deadline = received + {YEAR}")
    said = CliRunner().invoke(cli, [*words, "--shop", str(shop)])
    assert "NOT intact" in said.output
    bad = CliRunner().invoke(cli, ["audit", "verify-bundle", str(out), "--public-key", key])
    assert bad.exit_code == 1
    assert "deadline changed" in bad.output
