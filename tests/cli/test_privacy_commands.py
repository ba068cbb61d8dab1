"""A person's rights from the command line, from the request to the proof."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tillwise.app import build_app
from tillwise.cli.init import create_shop
from tillwise.cli.main import cli
from tillwise.decisions.decision import Place, Request
from tillwise.events.ingest import read_message
from tillwise.privacy.consent_receipt import check_receipt


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A shop with one customer, and the id of the decision about their order."""
    shop = tmp_path_factory.mktemp("privacy") / "shop"
    create_shop(shop)
    app = build_app(shop)
    now = app.clock.now()
    messages: list[dict[str, Any]] = [
        {"type": "identify", "anonymousId": "v-9", "userId": "c-9", "traits": {"country": "DE"}},
        {"type": "track", "event": "Products Searched", "userId": "c-9", "properties": {"query": "=a wish"}},
    ]
    app.log.append([read_message(each, received=now) for each in messages]).result()
    order = {"id": "o-9", "amount": 9_000_000, "currency": "EUR", "items": []}
    body = {"order": order, "payment": {"method": "card"}}
    answer = app.road.decide(
        app.use_case("fraud"), Request(None, body, subject="c-9", place=Place("DE"), deadline_ms=20_000), "k"
    )
    app.close()
    assert answer.decision_id is not None
    return shop, answer.decision_id


def told(shop: Path, *words: str, code: int = 0) -> Any:
    """Run a privacy command and return its document, or the line it is refused with."""
    result = CliRunner().invoke(cli, ["privacy", *words, "--json", "--shop", str(shop)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return json.loads(result.stdout) if code == 0 else result.stderr


ASKING = ("--place", "DE", "--identity-checked")


def test_rights_from_the_first_request_to_the_last(lived: tuple[Path, str], tmp_path: Path) -> None:
    """Nothing without proof; then access, a copy, a correction, an objection, reasons, a reviewer; then gone."""
    shop, decision = lived
    assert "check who is asking" in told(shop, "access", "c-9", "--place", "DE", code=1)
    (waiting,) = told(shop, "requests")
    assert (waiting["kind"], waiting["state"], waiting["law"]) == ("access", "verifying", "GDPR 12(3)")
    assert told(shop, "requests", "extend", waiting["request"], "--reason", "many_requests")["extended"] is True
    told(shop, "requests", "extend", waiting["request"], code=1)

    found = told(shop, "access", "c-9", *ASKING)
    assert found["request"] == waiting["request"]
    opened = told(shop, "requests", "show", waiting["request"])
    assert [each["what"] for each in opened["steps"]] == ["received", "verifying", "extended", "working", "done"]
    check_receipt(opened["signed"]["receipt"], opened["signed"]["signature"], opened["signed"]["public_key"])
    assert {each["id"] for each in found["data"]["identity"]} == {"c-9", "v-9"}
    assert decision in json.dumps(found["data"]["decisions"])
    assert told(shop, "requests") == []

    told(shop, "export", "c-9", *ASKING, "--out", str(tmp_path / "copy"))
    with (tmp_path / "copy" / "events.csv").open() as file:
        assert any("=a wish" in row["properties"] for row in csv.DictReader(file))
    copied, again = (
        json.loads((tmp_path / "copy" / "everything.json").read_text()),
        told(shop, "access", "c-9", *ASKING),
    )
    assert copied["events"] == again["data"]["events"]
    assert copied["profile"] == again["data"]["profile"]
    assert "exists already" in told(shop, "export", "c-9", *ASKING, "--out", str(tmp_path / "copy"), code=1)

    told(shop, "rectify", "c-9", "country=FR", *ASKING)
    assert told(shop, "access", "c-9", *ASKING)["data"]["profile"][0]["country"] == "FR"
    assert "country" in told(shop, "rectify", "c-9", "shoe=44", *ASKING, code=1)

    assert "recommend" in told(shop, "object", "c-9", *ASKING)["result"]["ended"]
    said = CliRunner().invoke(cli, ["consent", "show", "c-9", "--json", "--shop", str(shop)])
    states = {each["purpose"]: each["state"] for each in json.loads(said.stdout)}
    assert states["recommend"] == states["train"] == "withdrawn"

    assert told(shop, "explain", "c-9", *ASKING)["data"]["decisions"][0]["decision_id"] == decision
    assert told(shop, "review", "c-9", decision, *ASKING)["result"] == {"review": "opened"}
    assert "no such decision" in told(shop, "review", "c-9", "d-somebody-else", *ASKING, code=1)
    assert told(shop, "requests") == [], "a request about somebody else's decision is none"
    told(shop, "explain", "c-9", "--place", "DE", code=1)
    (left,) = told(shop, "requests", "list")
    refused = told(shop, "requests", "refuse", left["request"], "right_does_not_apply")
    assert (refused["state"], refused["justification"]) == ("refused", "justifications:LegallyExempted")

    assert told(shop, "restrict", "c-9", *ASKING)["state"] == "done"
    assert "before it is lifted" in told(shop, "lift", "c-9", *ASKING, code=1)
    assert told(shop, "lift", "c-9", "--informed", *ASKING)["result"]["lifted"] is True

    assert told(shop, "erase", "c-9", *ASKING)["state"] == "done"
    assert told(shop, "access", "c-9", *ASKING)["result"].keys() == {"held", "erased"}
    assert told(shop, "resume") == []
    replayed = CliRunner().invoke(cli, ["replay", decision, "--json", "--shop", str(shop)])
    assert json.loads(replayed.stdout)["verdict"] == "erased"
    assert CliRunner().invoke(cli, ["work", "--shop", str(shop)]).exit_code == 0
    audit = CliRunner().invoke(cli, ["audit", "verify", "--json", "--shop", str(shop)])
    assert audit.exit_code == 0, audit.output
    assert json.loads(audit.stdout)["entries"] > 0


@pytest.mark.parametrize(
    "command",
    ["notice --html", "inventory --html", "ropa --html", "features --out", "audit checkpoint --out",
     "privacy access u-1 --identity-checked --out"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["secrets.toml", "tillwise.db", "link"])
def test_nothing_is_ever_written_over_a_file_of_the_shop(tmp_path: Path, command: str, name: str) -> None:
    """With the secret gone nobody's pseudonym could be found again; a link to it is as bad."""
    shop = tmp_path / "shop"
    assert CliRunner().invoke(cli, ["init", str(shop)]).exit_code == 0
    (shop / "link").symlink_to(shop / "secrets.toml")
    before = (shop / "secrets.toml").read_bytes()
    done = CliRunner().invoke(cli, [*command.split(), str(shop / name), "--shop", str(shop)])
    assert (done.exit_code, "a file of the shop itself" in done.output) == (2, True)
    assert (shop / "secrets.toml").read_bytes() == before


def test_a_copy_of_somebodys_data_never_goes_into_an_older_file(lived: tuple[Path, str], tmp_path: Path) -> None:
    """It may be open to others: nothing is asked, nothing is written."""
    older = tmp_path / "copy.json"
    older.write_text("old", "utf-8")
    asked = ["privacy", "access", "c-9", "--identity-checked", "--out", str(older), "--shop", str(lived[0])]
    done = CliRunner().invoke(cli, asked)
    assert (done.exit_code, "exists already" in done.output) == (1, True)
    assert older.read_text("utf-8") == "old"


def test_nobody_known_is_answered_too(lived: tuple[Path, str]) -> None:
    """A request about somebody never seen is done: nothing is held."""
    assert told(lived[0], "erase", "nobody", *ASKING)["result"] == {"held": "nothing"}


@pytest.mark.parametrize("place", ["Germany", "D", "DE-", "DE_BE", "US-CALI", "1X", "DE BE"])
def test_a_place_that_is_no_code_is_refused(lived: tuple[Path, str], place: str) -> None:
    """It would silently stand for the strictest law: no request is taken in, and the line says what is wanted."""
    shop, _ = lived
    before = told(shop, "requests", "list", "--all")
    for command in (("access", "c-9"), ("erase", "c-9"), ("rectify", "c-9", "country=FR")):
        assert "no ISO 3166 code" in told(shop, *command, "--place", place, code=2)
    assert told(shop, "requests", "list", "--all") == before


def test_a_place_may_be_written_as_people_write_it(lived: tuple[Path, str]) -> None:
    """Small letters, and UK for GB."""
    shop, _ = lived
    for place, law in (("de", "GDPR 12(3)"), ("uk", "UK GDPR 12, 12A: the clock stops for identity and clarification")):
        assert told(shop, "access", f"nobody-{place}", "--place", place, "--identity-checked")["law"] == law
