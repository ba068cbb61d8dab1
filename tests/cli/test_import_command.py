"""`tillwise import` and `quarantine`: what a shop reads about rows that could not be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tillwise.cli.main import cli

MAPPING = """
[[source]]
file = "pay.csv"
event = "Payment Attempted"
timezone = "UTC"
[source.columns]
subject = "who"
order_id = "order"
timestamp = "when"
amount = { column = "amount", unit = "major", currency = "EUR" }
"""
GOOD = "".join(f"2026-03-01 10:00,ann,o-{n},1.00\n" for n in range(9))
BAD = "2026-03-01 10:00,bob,o-10,NaN\nsoon,bob,o-11,1\n2026-03-01 10:00,bob\n2026-03-01 10:00,bob,o-12,free\n"


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    run("init", str(folder))
    (tmp_path / "pay.csv").write_text("when,who,order,amount\n" + GOOD + BAD)
    (tmp_path / "pay.toml").write_text(MAPPING)
    return folder


def test_an_import_says_where_the_rows_it_set_aside_stand(shop: Path) -> None:
    """File, lines, column and reason: enough to open the file and mend it."""
    said = run("import", str(shop.parent / "pay.toml"), "--shop", str(shop))
    assert "pay.csv: Payment Attempted: 2 × amount: is not a number (lines 11, 14)" in said
    assert "1 × when: is no time such as 2026-11-21T09:30Z (line 12)" in said
    assert "1 × has fewer values than the first line names columns" in said
    assert "tillwise quarantine" in said


def test_a_program_gets_the_lines_too(shop: Path) -> None:
    told = json.loads(run("import", str(shop.parent / "pay.toml"), "--shop", str(shop), "--json"))
    (source,) = told["sources"]
    assert (source["quarantined"], [each["line"] for each in source["lines"]]) == (4, [11, 12, 13, 14])
    assert source["lines"][0] == {"file": "pay.csv", "line": 11, "field": "amount", "reason": "is not a number"}


def test_what_was_set_aside_is_listed_later_and_never_what_it_said(shop: Path) -> None:
    run("import", str(shop.parent / "pay.toml"), "--shop", str(shop))
    told = json.loads(run("quarantine", "--file", "pay.csv", "--limit", "2", "--shop", str(shop), "--json"))
    assert (told["total"], [(row["line"], row["field"]) for row in told["rows"]]) == (4, [(11, "amount"), (12, "when")])
    said = run("quarantine", "--shop", str(shop))
    assert "4 of 4 rows" in said
    assert "free" not in said
    assert "pay.csv" in run("quarantine", "--file", "other.csv", "--shop", str(shop), code=1)


def test_a_finished_import_run_again_says_that_nothing_was_done(shop: Path) -> None:
    """The counts are those of the first time; a reader must not take them for another load."""
    words = ("import", str(shop.parent / "pay.toml"), "--shop", str(shop))
    assert "nothing was done" not in run(*words)
    assert "nothing was done" in run(*words)
    assert json.loads(run(*words, "--json"))["already"] is True


def test_a_shop_in_a_currency_that_does_not_exist_is_refused(shop: Path) -> None:
    """Named in its own file, before any amount is read in it."""
    settings = shop / "tillwise.toml"
    settings.write_text(settings.read_text().replace('currency = "EUR"', 'currency = "EUX"'))
    said = run("doctor", "--shop", str(shop), code=1)
    assert "tillwise.toml" in said
    assert "'EUX' is no currency of ISO 4217" in said
