"""People, grants and the questions of a breach, from the command line, as a shop would ask them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tillwise.access import passwords
from tillwise.access.reads import log_read
from tillwise.cli.main import cli
from tillwise.events.people import pseudonym_for
from tillwise.events.tables import TABLES
from tillwise.settings import ShopFolder
from tillwise.stores.sqlite import SqliteStore


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(passwords, "_KIBIBYTES", 8)
    passwords._hasher.cache_clear()
    assert CliRunner().invoke(cli, ["init", str(tmp_path / "shop"), "--json"]).exit_code == 0
    return tmp_path / "shop"


def run(shop: Path, *words: str, code: int = 0, given: str = "") -> str:
    done = CliRunner().invoke(cli, [*words, "--shop", str(shop)], input=given)
    assert done.exit_code == code, done.output
    return done.output


def told(shop: Path, *words: str) -> Any:
    return json.loads(run(shop, *words, "--json"))


def test_a_person_is_added_with_roles_and_a_link(shop: Path) -> None:
    """The link is printed once, no password exists before it is used, and the list says so."""
    added = told(shop, "people", "add", "Anna@example.org", "--name", "Anna Berg", "--role", "reviewer")
    assert added["link"].startswith("http://127.0.0.1:8420/set-password?code=")
    (anna,) = told(shop, "people", "list")
    assert (anna["login"], anna["state"], anna["roles"]) == ("anna@example.org", "no password yet", ["reviewer"])
    assert "Anna Berg" in run(shop, "people", "list")
    assert added["link"] != told(shop, "people", "password", "anna@example.org", "--minutes", "15")["link"]
    assert "signs in here already" in run(shop, "people", "add", "anna@EXAMPLE.org", "--role", "dpo", code=1)
    run(shop, "people", "add", "ben", "--role", "owner", code=2)
    run(shop, "people", "add", "ben", code=2)


def test_a_password_can_be_typed_instead(shop: Path) -> None:
    """On a terminal, twice; a weak one adds nobody."""
    words = ("people", "add", "ben", "--role", "admin", "--ask-password")
    assert "at least 12" in run(shop, *words, code=1, given="hunter2\nhunter2\n")
    assert told(shop, "people", "list") == []
    run(shop, *words, given="quiet harbour onion 42\nquiet harbour onion 42\n")
    assert told(shop, "people", "list")[0]["state"] == "active"
    run(shop, "people", "disable", "ben")
    assert told(shop, "people", "list")[0]["state"] == "disabled"
    assert "enable" in run(shop, "people", "password", "ben", code=1)
    run(shop, "people", "enable", "ben")
    run(shop, "people", "remove", "ben")
    assert told(shop, "people", "list") == []
    assert "nobody signs in" in run(shop, "people", "remove", "ben", code=1)


def test_grants_are_given_renewed_revoked_and_listed(shop: Path) -> None:
    """By the shop's own default of days, at most a year; what nobody uses is a list of its own."""
    settings = shop / "tillwise.toml"
    settings.write_text(settings.read_text() + "\n[access]\ngrant_days = 10\n")
    told(shop, "people", "add", "anna", "--role", "reviewer")
    given = told(shop, "grants", "give", "anna", "auditor", "--days", "365")
    run(shop, "grants", "give", "anna", "support", "--days", "366", code=2)
    short, long = told(shop, "grants", "list")
    assert {short["role"], long["role"]} == {"reviewer", "auditor"}
    assert told(shop, "grants", "renew", given["id"])["expires"] < given["expires"]
    run(shop, "grants", "revoke", given["id"])
    assert [grant["role"] for grant in told(shop, "grants", "list")] == ["reviewer"]
    assert told(shop, "grants", "list", "--unused") == []
    assert "no grant" in run(shop, "grants", "revoke", "g-none", code=1)
    settings.write_text(settings.read_text().replace("grant_days = 10", "grant_days = 366"))
    assert "grant_days" in run(shop, "grants", "list", code=1)


def test_a_month_without_use_is_listed(shop: Path) -> None:
    """Grants and keys both."""
    told(shop, "people", "add", "anna", "--role", "reviewer")
    store = SqliteStore(ShopFolder(shop).database)
    back = 31 * 86_400_000
    for table, column in (("grants", "given"), ("keys", "created")):
        store.commit(lambda t, q=f"UPDATE {table} SET {column} = {column} - {back}": t.run(q)).result()
    store.close()
    unused = told(shop, "grants", "list", "--unused")
    assert sorted(row["role"] for row in unused) == ["admin", "browser", "decide", "privacy", "reviewer", "server"]
    findings = told(shop, "doctor")
    says = " ".join(finding["says"] for finding in findings)
    assert "has not used the role reviewer" in says
    assert "was not used for 30 days" in says


def test_the_doctor_asks_for_a_responsible_person_until_there_is_one(shop: Path) -> None:
    """Nobody named: said, with the command; the shop itself keeps working, as small shops need no officer by law."""

    def says() -> str:
        return " ".join(finding["says"] for finding in told(shop, "doctor"))

    assert "nobody is named who answers for personal data" in says()
    assert "shared admin key" in says()
    told(shop, "people", "add", "anna", "--name", "Anna Berg", "--role", "dpo")
    assert told(shop, "people", "duty", "head_of_firm", "anna") == {"duty": "head_of_firm", "person": "anna"}
    assert "nobody is named who answers" not in says()
    assert "head_of_firm: Anna Berg" in says()
    assert "never set a password" in says()
    run(shop, "people", "duty", "head_of_firm", "--nobody")
    assert "nobody is named who answers" in says()
    run(shop, "people", "duty", "chief", "anna", code=2)
    run(shop, "people", "duty", "dpo", code=2)


def test_a_breach_is_answered_in_one_command(shop: Path, tmp_path: Path) -> None:
    """Whose data a key could see and saw, as a file with the shop's own ids; and the same from the person's side."""
    folder = ShopFolder(shop)
    store = SqliteStore(folder.database)
    store.create(TABLES)
    privacy = next(key["id"] for key in told(shop, "keys", "list") if key["role"] == "privacy")

    def work(transaction: Any) -> None:
        seen = pseudonym_for(transaction, folder.secrets(), "u-1")
        pseudonym_for(transaction, folder.secrets(), "u-2")
        log_read(transaction, who=privacy, what="GET /consent/{subject}", reason="complaint", subjects=(seen,))

    store.commit(work).result()
    store.close()
    out = tmp_path / "affected.csv"
    found = told(shop, "access", "who-saw", "--key", privacy, "--from", "2020-01-01", "--out", str(out))
    assert (found["could_see"], found["did_see"], found["shown"]) == (2, 1, 1)
    with out.open() as file:
        rows = {row["subject"]: row["times_seen"] for row in csv.DictReader(file)}
    assert rows == {"u-1": "1", "u-2": "0"}
    assert out.stat().st_mode & 0o077 == 0
    assert "could see" in run(shop, "access", "who-saw", "--key", privacy, "--from", "2020-01-01T00:00:00Z")
    assert "held no access" in run(
        shop, "access", "who-saw", "--key", privacy, "--from", "2020-01-01", "--to", "2020-01-02"
    )
    reasons = [line["reason"] for line in told(shop, "access", "seen", "u-1")]
    assert reasons == ["complaint", "list of people affected"]
    assert "who saw this person" in run(shop, "access", "seen", "u-1")
    assert "nobody with this id" in run(shop, "access", "seen", "u-99", code=1)
    assert "never was" in run(shop, "access", "who-saw", "--key", "k", "--from", "2020-01-01", code=1)
    assert "a day or a time" in run(shop, "access", "who-saw", "--key", "k", "--from", "yesterday", code=1)
    run(shop, "access", "who-saw", "--from", "2020-01-01", code=2)
    assert "reviewer" in CliRunner().invoke(cli, ["access", "roles"]).output
