"""What the doctor advises mends: whoever follows it, word by word, does not hear the same again."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tillwise.app import build_app
from tillwise.cli.init import create_shop
from tillwise.cli.main import cli
from tillwise.events.event import Quarantined
from tillwise.events.quality import count, quarantine
from tillwise.rights.request import Kind
from tillwise.rights.requests import Asked
from tillwise.stores.sqlite import SqliteStore

DAY = 86_400_000


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    create_shop(tmp_path / "shop")
    return tmp_path / "shop"


def told(shop: Path, *words: str) -> Any:
    result = CliRunner().invoke(cli, [*words, "--json", "--shop", str(shop)])
    assert "Traceback" not in result.output
    assert result.exit_code in (0, 1), result.output
    return json.loads(result.stdout)


def found(shop: Path, about: str, *, level: str = "warning") -> list[dict[str, str]]:
    return [each for each in told(shop, "doctor") if each["about"] == about and each["level"] == level]


def write(shop: Path, *statements: str) -> None:
    store = SqliteStore(shop / "tillwise.db")
    for each in statements:
        store.commit(lambda t, q=each: t.run(q)).result()
    store.close()


def follow(shop: Path, mend: str) -> None:
    """Run the commands of an advice, in order."""
    for command in mend.partition(" (or ")[0].split(", then "):
        words = command.removeprefix("tillwise ").replace("NAME", "anna").split()
        result = CliRunner().invoke(cli, [*words, "--shop", str(shop)])
        assert result.exit_code == 0, (words, result.output)


def test_the_duties_can_be_named_as_it_says_on_a_new_shop(shop: Path) -> None:
    """First the person, then the duty; with people there, the duty alone. Then nothing more is asked."""
    while wanting := found(shop, "duty"):
        follow(shop, wanting[0]["mend"])
    assert {each["says"] for each in found(shop, "duty", level="fine")} == {"dpo: anna", "security_contact: anna"}


def test_a_named_officer_stands_in_the_record(shop: Path) -> None:
    """Whoever holds the duty is the data protection officer of the record: it is not asked for twice."""
    assert any("data protection officer" in each["says"] for each in found(shop, "controller"))
    told(shop, "people", "add", "anna", "--name", "Anna Berg", "--role", "dpo")
    told(shop, "people", "duty", "dpo", "anna")
    assert not any("data protection officer" in each["says"] for each in found(shop, "controller"))
    assert told(shop, "ropa")["controller"]["dpo"] == "Anna Berg"


def test_every_warning_says_what_to_do(shop: Path) -> None:
    """No line but a fine one leaves the column of advice empty."""
    app = build_app(shop)
    app.store.commit(lambda t: count(t, {"undeclared: Product Viewed.shoe": 1, "unknown event: Shoe": 2})).result()
    app.close()
    assert [each for each in told(shop, "doctor") if each["level"] != "fine" and not each["mend"]] == []


def test_a_corrected_sender_is_not_warned_of_for_ever(shop: Path) -> None:
    """What was lost in the last 30 days is a warning with its day; after that it is a count that needs nothing."""
    app = build_app(shop)
    refused = Quarantined(reason="is missing", field="products", type="Order Completed")
    app.store.commit(lambda t: quarantine(t, app.secrets, [refused])).result()
    app.store.commit(lambda t: count(t, {"undeclared: Product Viewed.shoe": 1, "unknown event: Shoe": 2})).result()
    app.close()
    for about in ("quarantine", "undeclared", "unknown"):
        (lost,) = found(shop, about)
        assert "the last on 20" in lost["says"]
    write(shop, f"UPDATE counted_last SET wall = wall - {31 * DAY}")
    for about in ("quarantine", "undeclared", "unknown"):
        assert found(shop, about) == []
        (over,) = found(shop, about, level="fine")
        assert "none in the last 30 days" in over["says"]
    app = build_app(shop)
    app.store.commit(lambda t: count(t, {"unknown event: Shoe": 1})).result()
    app.close()
    assert "3 × event 'Shoe'" in found(shop, "unknown")[0]["says"]


def test_a_request_that_waits_for_proof_of_who_asks_is_something_to_do(shop: Path) -> None:
    """It waits for the shop, and its deadline runs meanwhile."""
    app = build_app(shop)
    request = app.rights.take(Asked("u-1", Kind.ERASURE, place="DE"))
    app.close()
    (waiting,) = found(shop, "requests")
    assert "erasure" in waiting["says"]
    assert "checked who asks" in waiting["says"]
    assert f"tillwise privacy requests verify {request.id}" in waiting["mend"]
    told(shop, "privacy", "requests", "verify", request.id)
    assert found(shop, "requests") == []


def test_a_key_above_its_role_is_wrong(shop: Path) -> None:
    """Whoever wrote the table: the key, what it may do besides, and how to be rid of it."""
    write(shop, "UPDATE keys SET scopes = 'admin ingest:behaviour' WHERE role = 'browser'")
    (said,) = found(shop, "keys", level="wrong")
    assert "may also admin" in said["says"]
    follow(shop, said["mend"])
    assert found(shop, "keys", level="wrong") == []


def test_a_written_file_older_than_its_decisions_is_named(shop: Path, tmp_path: Path) -> None:
    """A file of scores lies about for years: named until it is gone, wherever it lies."""
    app = build_app(shop)
    app.written.begin(tmp_path / "old scores.csv")
    days = app.retention.days("decisions")
    app.close()
    with (tmp_path / "old scores.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("user_id", "score"), ("u-1", 0.5)])
    assert found(shop, "files") == []
    write(shop, f"UPDATE written_files SET wall = {int(time.time() * 1000) - (days + 1) * DAY}")
    (named,) = found(shop, "files")
    assert "old scores.csv" in named["says"]
    (tmp_path / "old scores.csv").unlink()
    assert found(shop, "files") == []
