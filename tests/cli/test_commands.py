"""The commands as people and programs call them: exit codes, one clear line when refused, one JSON document."""

from __future__ import annotations

import csv
import json
import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tillwise.app import build_app
from tillwise.cli.main import COMMANDS, cli
from tillwise.decisions.decision import Place, Request

END = datetime(2026, 3, 2, tzinfo=UTC)
MAPPING = """\
[basis]
place = "US"
recommend = { basis = "notice", notice = "terms-1" }
train = { basis = "legitimate_interest", notice = "terms-1" }

[[source]]
file = "items.csv"
catalog = true
[source.columns]
item_id = "item"
title = "title"
category = "category"

[[source]]
file = "orders.csv"
event = "Order Completed"
one_event_per = ["order_id"]
timezone = "UTC"
[source.columns]
subject = "customer"
order_id = "order"
timestamp = "bought_at"
"products.item_id" = "item"
"products.quantity" = { const = 1 }
"products.line_total" = { column = "total", unit = "major", currency = "USD" }
"""


def run(*words: str, shop: Path | None = None) -> Result:
    """Run a command as the shell would."""
    where = () if shop is None else ("--shop", str(shop))
    return CliRunner().invoke(cli, [*words, *where])


def told(*words: str, shop: Path | None = None, code: int = 0) -> Any:
    """Run a command with --json and return its document."""
    result = run(*words, "--json", shop=shop)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def refused(*words: str, shop: Path | None = None, code: int = 1) -> str:
    """Return the one line a refused command says."""
    result = run(*words, shop=shop)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    said = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(said) == 1, result.output
    return said[0]


def write_files(folder: Path) -> Path:
    """Write a tiny shop's files: 60 customers, 20 items, 200 days."""
    rng = random.Random(5)
    folder.mkdir()
    with (folder / "items.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("item", "title", "category")])
        csv.writer(file).writerows((f"i-{n}", f"Thing {n}", f"kind {n % 4}") for n in range(20))
    with (folder / "orders.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("customer", "order", "bought_at", "item", "total"))
        for person in range(60):
            for day in sorted(rng.sample(range(200), 12)):
                at = END - timedelta(days=200 - day, hours=rng.uniform(1, 20))
                for item in {person % 4 + 4 * int(rng.betavariate(1, 3) * 5) for _ in range(3)}:
                    table.writerow((f"c-{person}", f"o-{person}-{day}", at.isoformat(), f"i-{item}", "9.99"))
    mapping = folder / "mapping.toml"
    mapping.write_text(MAPPING)
    return mapping


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop made, loaded and trained by commands alone."""
    root = tmp_path_factory.mktemp("commands")
    shop, mapping = root / "shop", write_files(root / "files")
    keys = told("init", str(shop))["keys"]
    assert set(keys) == {"browser", "server", "decide", "privacy", "admin"}
    result = told("import", str(mapping), shop=shop)
    assert result["epoch"] == 1
    assert [source["quarantined"] for source in result["sources"]] == [0, 0]
    trained = told("train", "recommendations", shop=shop)
    assert trained[0]["released"] in ("model", "baseline")
    return shop


@pytest.fixture
def shop(made: Path, tmp_path: Path) -> Path:
    """A copy of it, for one test to change."""
    return Path(shutil.copytree(made, tmp_path / "shop"))


def ask(shop: Path, use_case: str, body: dict[str, Any]) -> str:
    """Take a decision and return its id."""
    app = build_app(shop)
    try:
        request = Request(None, body, subject="c-1", place=Place("US"), deadline_ms=20_000)
        answer = app.road.decide(app.use_case(use_case), request, "k-test")
    finally:
        app.close()
    assert answer.decision_id is not None
    return answer.decision_id


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_explains_itself(command: str) -> None:
    """`--help` of each listed command works: the table names modules that exist."""
    assert run(command, "--help").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [("nothing",), ("import",), ("import", "no-such-file.toml"), ("train", "--seed", "x"), ("consent", "set", "c-1"),
     ("keys", "create", "king"), ("review", "decide", "d", "maybe", "--reason", "r"), ("score", "churn")],
)  # fmt: skip
def test_wrong_usage_is_exit_code_2(words: tuple[str, ...]) -> None:
    """What cannot be meant is refused before anything is opened."""
    assert refused(*words, code=2)


@pytest.mark.parametrize(
    "words", [("train",), ("doctor",), ("releases",), ("keys", "list"), ("replay", "d"), ("review", "list"), ("work",)]
)
def test_no_shop_is_one_clear_line(words: tuple[str, ...], tmp_path: Path) -> None:
    """In a folder that is no shop, commands say which command makes one."""
    assert "tillwise init" in refused(*words, shop=tmp_path)
    assert not list(tmp_path.iterdir())


def test_init_makes_private_files_and_never_overwrites(tmp_path: Path) -> None:
    """Files are their owner's only; a second init refuses and changes nothing."""
    told("init", str(tmp_path / "shop"))
    before = {path: path.read_bytes() for path in (tmp_path / "shop").glob("*.toml")}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "shop").iterdir())
    assert "exists already" in refused("init", str(tmp_path / "shop"))
    assert before == {path: path.read_bytes() for path in (tmp_path / "shop").glob("*.toml")}


def test_a_wrong_mapping_is_refused_whole(shop: Path, tmp_path: Path) -> None:
    """The line names the column that is not there."""
    mapping = write_files(tmp_path / "files")
    mapping = mapping.rename(mapping.with_name("other.toml"))
    mapping.write_text(MAPPING.replace('"customer"', '"kunde"'))
    assert "kunde" in refused("import", str(mapping), shop=shop)


def test_an_import_is_not_loaded_twice(shop: Path, made: Path) -> None:
    """The same files again add no event: their source is skipped, and no new epoch begins."""
    again = told("import", str(made.parent / "files" / "mapping.toml"), shop=shop)
    assert (again["epoch"], again["sources"][1]["skipped"]) == (1, True)


def test_training_says_what_is_missing(shop: Path) -> None:
    """Nothing could be released: exit code 1; one of two is enough for 0."""
    assert "fraud" in refused("train", "fraud", shop=shop)
    assert "no use case" in refused("train", "frod", shop=shop)
    assert "no use case" in refused("evaluate", "frod", shop=shop)


def test_releases_show_and_roll_back(shop: Path) -> None:
    """Who answers is one document; with nobody before, there is no step back."""
    found = told("releases", shop=shop)
    assert [release["use_case"] for release in found] == ["recommendations"]
    assert found[0]["version"].startswith("sha256:")
    refused("rollback", "churn", shop=shop)
    refused("release", "sha256:" + "0" * 64, shop=shop)


def test_keys_are_made_listed_and_ended(shop: Path) -> None:
    """The key's text is shown once, when it is made."""
    made = told("keys", "create", "decide", "--days", "3", shop=shop)
    assert made["key"]
    listed = told("keys", "list", shop=shop)
    assert made["id"] in [key["id"] for key in listed]
    assert made["key"] not in json.dumps(listed)
    told("keys", "revoke", made["id"], shop=shop)
    assert made["id"] not in [key["id"] for key in told("keys", "list", shop=shop)]
    refused("keys", "revoke", "k-nobody", shop=shop)


def test_consent_is_recorded_and_shown(shop: Path) -> None:
    """What was said last stands last; nobody unknown is shown."""
    told("consent", "set", "c-1", "recommend", "withdrawn", "--place", "US", shop=shop)
    said = told("consent", "show", "c-1", shop=shop)
    assert (said[-1]["purpose"], said[-1]["state"]) == ("recommend", "withdrawn")
    assert "nobody" in refused("consent", "show", "c-unknown", shop=shop)


def test_replay_and_score(shop: Path, tmp_path: Path) -> None:
    """A decision replays to the same bytes; a batch writes one row per person who may be asked about."""
    decision = ask(shop, "recommendations", {"placement": "home", "k": 3})
    replayed = told("replay", decision, shop=shop)
    assert (replayed["verdict"], replayed["recorded"]) == ("same", replayed["replayed"])
    assert told("replay", decision, "--from-log", shop=shop)["verdict"] == "same"
    assert "no decision" in refused("replay", "d-unknown", shop=shop)
    scored = told("score", "recommendations", "--out", str(tmp_path / "lists.csv"), shop=shop)
    with (tmp_path / "lists.csv").open() as file:
        assert len(list(csv.DictReader(file))) == scored["rows"] == 60
    assert "batches" in refused("score", "fraud", "--out", str(tmp_path / "fraud.csv"), shop=shop)
    assert ".parquet" in refused("score", "recommendations", "--out", str(tmp_path / "lists.txt"), shop=shop)


def test_whoever_is_shown_decisions_at_a_terminal_is_written_down(shop: Path, tmp_path: Path) -> None:
    """A proof holds the receipt, a batch file everybody's scores: both are reads, and the file a kept hand-over."""
    decision = ask(shop, "recommendations", {"placement": "home", "k": 3})
    told("audit", "prove", decision, shop=shop)
    asked, read = told("access", "seen", "c-1", shop=shop)
    assert asked["decision_id"] == decision
    assert (read["who"], read["what"], read["decision_id"]) == ("command line", "audit prove", decision)
    scored = told("score", "recommendations", "--out", str(tmp_path / "lists.csv"), shop=shop)
    assert scored["kept_by_shop"]
    newest = next(read for read in told("access", "seen", "c-1", shop=shop) if read["what"].startswith("score"))
    assert (newest["what"], newest["people"]) == ("score recommendations", 60)
    (total,) = told("recipients", "sent", shop=shop)["totals"]
    assert (total["vendor"], total["records"], total["people"]) == ("kept by the shop", 60, 60)
    assert "stays with the shop" in run("score", "recommendations", "--out", str(tmp_path / "b.csv"), shop=shop).output
    said = told("privacy", "erase", "c-1", "--place", "US", "--identity-checked", shop=shop)
    assert "kept by the shop" not in json.dumps(said)
    assert told("audit", "verify", shop=shop)["wrong"] == []


def test_a_review_is_listed_taken_and_decided(shop: Path) -> None:
    """A case waits until somebody took and decided it, with a reason; a second verdict is refused."""
    order = {"id": "o-1", "amount": 9_000_000, "currency": "USD", "items": []}
    decision = ask(shop, "fraud", {"order": order, "payment": {"method": "card"}})
    assert [case["decision_id"] for case in told("review", "list", shop=shop)] == [decision]
    taken = told("review", "take", "--as", "kim", shop=shop)
    assert taken["case"]["decision_id"] == decision
    assert taken["reasons"]
    refused("review", "take", decision, "--as", "lee", shop=shop)
    told("review", "decide", decision, "approve", "--reason", "known customer", "--as", "kim", shop=shop)
    refused("review", "decide", decision, "decline", "--reason", "changed my mind", "--as", "kim", shop=shop)
    assert told("review", "list", shop=shop) == []


def test_the_doctor_names_what_is_wrong(shop: Path) -> None:
    """Exit code 1 when something is wrong, with the command that mends it."""
    findings = told("doctor", shop=shop)
    assert {finding["about"] for finding in findings} >= {"events", "basis", "release"}
    model = told("releases", shop=shop)[0]["version"].removeprefix("sha256:")
    shutil.rmtree(shop / "models" / model)
    wrong = [finding for finding in told("doctor", shop=shop, code=1) if finding["level"] == "wrong"]
    assert [finding["about"] for finding in wrong] == ["release"]
    assert "tillwise train recommendations" in wrong[0]["mend"]
