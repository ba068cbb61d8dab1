"""`tillwise consent` from outside: the same checks as over HTTP, and proof that can be checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tillwise.cli.main import cli


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    assert CliRunner().invoke(cli, ["init", str(folder)]).exit_code == 0
    return folder


def run(shop: Path, *words: str) -> Any:
    done = CliRunner().invoke(cli, ["consent", *words, "--json", "--shop", str(shop)])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refused(shop: Path, *words: str) -> str:
    done = CliRunner().invoke(cli, ["consent", *words, "--shop", str(shop)])
    assert done.exit_code == 1, done.output
    return done.output


def test_a_yes_needs_a_notice_that_was_served(shop: Path) -> None:
    """No notice, a made-up one, somebody else's: refused; a no needs nothing."""
    other = run(shop, "notice", "u-9", "--place", "DE")["notice_id"]
    for notice in ("", "n-0000000000000000", other):
        assert "never served" in refused(shop, "set", "u-1", "recommend", "given", "--notice", notice)
    assert run(shop, "set", "u-1", "recommend", "withdrawn")["state"] == "withdrawn"
    notice = run(shop, "notice", "u-1", "--place", "DE")["notice_id"]
    given = run(shop, "set", "u-1", "recommend", "given", "--notice", notice, "--place", "DE", "--evidence", "call 7")
    assert given["receipt"]["event"]["event_state"] == "ConsentGiven"
    assert [row["state"] for row in run(shop, "show", "u-1")] == ["withdrawn", "given"]
    shown = CliRunner().invoke(cli, ["consent", "show", "u-1", "--shop", str(shop)]).stdout
    assert "what counts now" in shown
    assert "ConsentGiven" in shown


def test_a_look_at_somebodys_consents_is_written_down(shop: Path) -> None:
    """Who looked, at what, why: the person may ask for it (GDPR 15; CJEU C-579/21)."""
    run(shop, "set", "u-1", "recommend", "refused")
    run(shop, "show", "u-1", "--reason", "their mail of Monday")
    run(shop, "show", "u-1")
    seen = CliRunner().invoke(cli, ["access", "seen", "u-1", "--json", "--shop", str(shop)])
    assert seen.exit_code == 0, seen.output
    assert seen.stdout.count("consent show") == 2
    assert "their mail of Monday" in seen.stdout


def test_an_age_told_with_a_refused_yes_is_kept(shop: Path) -> None:
    """The yes of a child is refused, and from then on the shop knows that it is one."""
    notice = run(shop, "notice", "u-1", "--place", "US")["notice_id"]
    said = ("u-1", "recommend", "given", "--notice", notice, "--place", "US", "--age", "10")
    assert "guardian" in refused(shop, "set", *said)
    shown = CliRunner().invoke(cli, ["consent", "show", "u-1", "--shop", str(shop)]).stdout
    assert "age: unknown" not in shown


def test_a_forged_receipt_is_found_out(shop: Path, tmp_path: Path) -> None:
    """Genuine, changed, of another shop, and no receipt at all."""
    signed = run(shop, "set", "u-1", "share", "refused", "--place", "US-CA")
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(signed))
    assert run(shop, "verify", str(file))["valid"]
    assert run(shop, "verify", str(file), "--public-key", signed["public_key"])["valid"]
    signed["receipt"]["event"]["event_state"] = "ConsentGiven"
    file.write_text(json.dumps(signed))
    assert "changed afterwards" in refused(shop, "verify", str(file))
    other = tmp_path / "other"
    CliRunner().invoke(cli, ["init", str(other)])
    file.write_text(json.dumps(run(other, "set", "u-1", "share", "refused")))
    assert "not signed by this shop" in refused(shop, "verify", str(file))
    for text in ("{", "[]", '{"receipt": 1, "signature": "x"}'):
        file.write_text(text)
        assert "no signed receipt" in refused(shop, "verify", str(file))


def test_what_nobody_can_say_is_wrong_usage(shop: Path) -> None:
    """Unknown purposes and states are exit code 2 and name what there is."""
    for words in (("set", "u-1", "world domination", "given"), ("set", "u-1", "recommend", "declared")):
        done = CliRunner().invoke(cli, ["consent", *words, "--shop", str(shop)])
        assert (done.exit_code, "is not one of" in done.output) == (2, True)


def test_age_is_told_once_and_binds(shop: Path) -> None:
    """A band is kept; below the age of the place a guardian agrees too."""
    assert run(shop, "age", "u-1", "15") == {"subject": "u-1", "age": "15"}
    notice = run(shop, "notice", "u-1", "--place", "DE")["notice_id"]
    yes = ("set", "u-1", "recommend", "given", "--notice", notice, "--place", "DE")
    assert "guardian has to agree" in refused(shop, *yes)
    assert run(shop, *yes, "--guardian")["state"] == "given"


def test_a_file_of_another_tool(shop: Path, tmp_path: Path) -> None:
    """Counts in words; a category nobody mapped is named; an unknown purpose in the mapping stops every command."""
    settings = shop / "tillwise.toml"
    text = settings.read_text()
    settings.write_text(text + '\n[consent.categories]\nads = "share"\npersonal = ["recommend", "search"]\n')
    file = tmp_path / "klaro.jsonl"
    file.write_text('{"subject": "u-1", "record": {"ads": false, "personal": true, "chat": true}}\n')
    words = ("import", str(file), "--format", "klaro", "--notice", "terms-1", "--evidence", "export 3")
    assert run(shop, *words) == {
        "lines": 1, "category not mapped: chat": 1, "refused": 1, "declared, not witnessed": 2,
    }  # fmt: skip
    file.write_text("{\n")
    assert "line 1:" in refused(shop, *words)
    settings.write_text(text + '\n[consent.categories]\nads = "world domination"\n')
    assert "world domination" in refused(shop, "show", "u-1")
