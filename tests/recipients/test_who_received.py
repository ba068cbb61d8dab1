"""The outbound ledger: who received a person's data, whom to tell of an erasure, and what the doctor makes of it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bordering_shop import RECORD, TODAY, changed, decide, fill, make_shop, sink_settings, write_vendors
from click.testing import CliRunner

from tillwise.app import App, build_app
from tillwise.app.doctor import Finding, examine
from tillwise.cli.main import cli
from tillwise.jobs.outlived import Cutoff
from tillwise.rights.holders_recipients import TABLES as RECIPIENT_TABLES
from tillwise.rights.old_handovers import old_handovers
from tillwise.stores.sqlite import SqliteStore


def run(folder: Path, *words: str, code: int = 0) -> Any:
    result = CliRunner().invoke(cli, [*words, "--json", "--shop", str(folder)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return json.loads(result.stdout) if result.stdout else result.stderr


def findings(app: App) -> list[Finding]:
    return [each for each in examine(app) if each.about in ("recipients", "sinks", "region")]


def test_a_person_learns_who_received_their_data_and_recipients_hear_of_the_erasure(border: Any) -> None:
    """Access names the recipient (GDPR 15(1)(c)); erasure names whom to tell (19), keeps a task, and leaves no link."""
    decide(border.app, "u-1")
    decide(border.app, "u-2")
    border.app.outbound.sinks.deliver()
    border.app.close()
    told = run(border.folder, "privacy", "access", "u-1", "--place", "DE", "--identity-checked")
    rows = [row for row in told["data"]["recipients"] if row["table"] == "sent"]
    assert [(row["vendor"], row["what"], row["purpose"]) for row in rows] == [("mail-tool", "sink mail", "marketing")]
    assert "user.unique_id" in rows[0]["categories"]
    assert len(run(border.folder, "recipients", "sent", "--subject", "u-1")["sent"]) == 1
    erased = run(border.folder, "privacy", "erase", "u-1", "--place", "DE", "--identity-checked")
    assert erased["result"]["to_tell"] == ["mail-tool"]
    assert "mail-tool" not in json.dumps(erased["result"]["rows"])
    sent = run(border.folder, "recipients", "sent")
    (task,) = sent["tell"]
    assert task["vendor"] == "mail-tool"
    assert run(border.folder, "recipients", "told", str(task["id"]))["done"] is True
    assert "no open task" in run(border.folder, "recipients", "told", str(task["id"]), code=1)
    assert "nobody" in run(border.folder, "recipients", "sent", "--subject", "u-1", code=1)
    border.app = build_app(border.folder)
    with border.app.store.snapshot() as snapshot:
        assert snapshot.one("SELECT count(*) FROM sent_people") == (1,)


@pytest.mark.parametrize("asked", [("rectify", "language=fr"), ("restrict",)])
def test_recipients_hear_of_corrections_and_restrictions_too(border: Any, asked: tuple[str, ...]) -> None:
    """GDPR 19: the receipt names whom to tell, and a task stays open until somebody did; others are not named."""
    decide(border.app, "u-1")
    border.app.outbound.sinks.deliver()
    border.app.close()
    act, *more = asked
    for subject, told in (("u-1", ["mail-tool"]), ("u-2", None)):
        done = run(border.folder, "privacy", act, subject, *more, "--place", "DE", "--identity-checked")
        assert done["result"].get("to_tell") == told
    assert [task["vendor"] for task in run(border.folder, "recipients", "sent")["tell"]] == ["mail-tool"]
    border.app = build_app(border.folder)


def test_the_commands_say_who_may_receive_and_why_not(border: Any) -> None:
    """list, show, check and score: the same record, the same causes, exit code 1 where nothing may leave."""
    border.app.close()
    (listed,) = run(border.folder, "recipients", "list")
    assert (listed["name"], listed["obstacles"]) == ("mail-tool", [])
    assert run(border.folder, "recipients", "show", "mail-tool")["record"]["country"] == "US"
    assert run(border.folder, "recipients", "check", "mail-tool", "--purpose", "marketing")["may_receive"] is True
    refused = run(border.folder, "recipients", "check", "mail-tool", "--purpose", "share", code=1)
    assert [cause["code"] for cause in refused["causes"]] == ["purpose_not_allowed"]
    refused = run(border.folder, "recipients", "check", "mail-tool", "--place", "CN", code=1)
    assert [cause["code"] for cause in refused["causes"]] == ["localised"]
    out = border.folder / "out.csv"
    assert run(border.folder, "score", "churn", "--out", str(out), "--for", "mail-tool")["rows"] == 3
    assert "record_missing" in run(border.folder, "score", "churn", "--out", str(out), "--for", "nobody", code=1)
    assert run(border.folder, "recipients", "secret", "mail")["secret"].startswith("whsec_")
    assert "names no sink" in run(border.folder, "recipients", "secret", "mall", code=1)
    assert "was never served" in run(border.folder, "recipients", "consent", "u-1", "US", "given", code=1)
    assert run(border.folder, "recipients", "consent", "u-1", "US", "refused")["transfer"] == "transfer:US"
    border.app = build_app(border.folder)


def test_work_delivers_what_waits(border: Any) -> None:
    """A shop without a running server delivers from its timer."""
    decide(border.app, "u-3")
    border.app.close()
    assert run(border.folder, "work")["sink mail"].startswith("1 arrived")
    assert run(border.folder, "recipients", "retry", "mail")["tried"] == 0
    border.app = build_app(border.folder)


@pytest.mark.parametrize(
    ("records", "level", "says"),
    [
        ((RECORD,), "fine", "nothing ever went to 'mail-tool'"),
        ((), "wrong", "of whom there is no record"),
        ((changed(RECORD, agreement=None),), "wrong", "names no agreement"),
        ((changed(RECORD, agreement={"kind": "DPA", "expires": TODAY + timedelta(days=9)}),), "warning", "ends on"),
        (
            (changed(RECORD, transfer={"mechanism": "scc", "expires": TODAY}),),
            "warning",
            "mechanism of 'mail-tool' ends",
        ),
        ((changed(RECORD, transfer=None),), "wrong", "names no mechanism"),
        (
            (changed(RECORD, evidence=[{"kind": "SOC 2", "expires": TODAY - timedelta(days=1)}]),),
            "wrong",
            "SOC 2 ended",
        ),
        ((changed(RECORD, role="friend"),), "wrong", "key 'role'"),
    ],
)
def test_the_doctor_names_it_with_the_step_that_mends_it(
    tmp_path: Path, records: tuple[dict[str, Any], ...], level: str, says: str
) -> None:
    """Missing, expired and soon expiring papers, and sinks nobody stands behind."""
    folder = tmp_path / "shop"
    make_shop(folder, more=sink_settings("https://shop.example/hook"))
    write_vendors(folder, *records)
    app = build_app(folder)
    try:
        (found,) = [each for each in findings(app) if says in each.says]
        assert (found.level, bool(found.mend)) == (level, True)
    finally:
        app.close()


def test_the_doctor_names_what_waits_and_who_is_held_in_the_wrong_place(border: Any) -> None:
    """A sink that refuses, and people whose law keeps them elsewhere, are said with numbers."""
    border.server.status = 503
    decide(border.app, "u-1")
    border.app.outbound.sinks.deliver()
    fill(border.app, people=("x-1",))
    write = "INSERT INTO traits (subject, created, country, body) SELECT max(pseudonym), NULL, 'CN', '{}' FROM subjects"
    border.app.store.commit(lambda t: t.run(write)).result()
    said = " | ".join(each.says for each in findings(border.app))
    assert "1 messages wait for sink 'mail'" in said
    assert "the sink answered 503" in said
    assert "1 people of CN are held here" in said


def test_hand_overs_end_with_their_retention(tmp_path: Path) -> None:
    """Who received data is known for three years; a person on hold keeps theirs."""
    store = SqliteStore(tmp_path / "shop.db")
    store.create(RECIPIENT_TABLES)
    rows = (
        "INSERT INTO sent SELECT value, value, 'mail', 'r', 'w', 'marketing', 'c', 2, 2, 'DE', 'eu', '', '', ''"
        " FROM json_each('[1, 2, 100]')",
        "INSERT INTO sent_people VALUES (7, 1), (8, 1), (7, 2), (9, 100)",
        "INSERT INTO outbox VALUES (1, 'mail', 'decision', 'd', '', 1, 9, NULL, ''), (2, 'mail', 'decision', 'e', '',"
        " 99, 0, NULL, '')",
        "INSERT INTO signals_seen VALUES (7, 'gpc', 5), (9, 'gpc', 99)",
        "INSERT INTO sent_tasks VALUES (1, 5, 'mail', 6), (2, 5, 'mail', NULL)",
    )
    store.create(rows)
    done = store.commit(lambda t: old_handovers(t, Cutoff(50, frozenset({8}), set()))).result()
    assert done == {"sent_people": 2, "sent": 1, "sent_tasks": 1, "outbox": 1, "signals_seen": 1}
    with store.snapshot() as snapshot:
        assert snapshot.all("SELECT id FROM sent ORDER BY id") == [(1,), (100,)]
        assert snapshot.all("SELECT subject, sent FROM sent_people ORDER BY sent") == [(8, 1), (9, 100)]
    store.close()
