"""The record of processing: what was not said is missing, what protects the data was really looked at."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from tillwise.access.keys import create_key
from tillwise.app import App, build_app
from tillwise.cli.main import cli
from tillwise.documents.whole import documents

VENDORS = """
[[vendor]]
name = "mail-tool"
title = "Mail Tool Inc."
role = "processor"
country = "US"
purposes = ["marketing"]
categories = ["user.behavior"]

[[vendor]]
name = "ad-house"
role = "controller"
country = "FR"
purposes = ["marketing"]
categories = ["user.behavior.browsing_history"]
agreement = { kind = "contract", signed = 2020-01-15, expires = 2021-12-31 }
"""


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def test_what_the_shop_did_not_say_is_called_missing(app: App) -> None:
    """Name, address, contact, officer and region: each with where to say it."""
    record = documents(app.described).record
    assert set(record.controller.values()) == {"missing"}
    assert len(record.missing) == 5
    assert "`name` under [controller]" in record.missing[0]


def test_what_it_said_stands_in_record_and_notice(folder: Path) -> None:
    """One place in tillwise.toml feeds both."""
    settings = folder / "tillwise.toml"
    said = '\n[controller]\nname = "Laden GmbH"\naddress = "Hauptstr. 1, Berlin"\n'
    said += 'contact = "d@laden.example"\ndpo = "none"\n'
    settings.write_text(settings.read_text().replace('place = "DE"', 'place = "DE"\nregion = "eu"') + said)
    app = build_app(folder)
    record, notice = documents(app.described).record, app.notices.current().long
    app.close()
    assert record.missing == ()
    assert record.region == "eu"
    assert "Laden GmbH, Hauptstr. 1, Berlin" in notice
    assert "Write to us: d@laden.example" in notice


def test_every_purpose_of_a_use_case_is_an_activity_with_basis_data_and_time(app: App) -> None:
    """Purposes, categories, recipients, time limits: Article 30(1)(b) to (f)."""
    by_name = {each.purpose: each for each in documents(app.described).record.activities}
    assert set(by_name) == {"recommend", "marketing", "fraud_prevention", "train"}
    assert by_name["fraud_prevention"].basis == "legitimate_interest"
    assert by_name["recommend"].default == "opt_in"
    assert "user.device.ip_address" in by_name["fraud_prevention"].data
    assert all(each.days for each in by_name.values())
    assert by_name["train"].use_cases == ("churn", "fraud", "recommendations")


def test_a_recipient_without_papers_is_shown_with_what_it_lacks(app: App) -> None:
    """No agreement, no mechanism, an agreement that ended; a recipient for itself makes sharing an activity."""
    (app.folder.path / "vendors.toml").write_text(VENDORS)
    by_name = {each.purpose: each for each in documents(app.described).record.activities}
    ads, mail = by_name["marketing"].recipients
    assert mail.name == "Mail Tool Inc."
    assert mail.problem == "no agreement is on record; no transfer mechanism is on record"
    assert "ended on 2021-12-31" in ads.problem
    assert [each.name for each in by_name["share"].recipients] == ["ad-house"]


def test_measures_are_looked_up_not_claimed(app: App) -> None:
    """A file others may read is seen; keys are counted; what this program does not do is said."""
    before = {each.name: each for each in documents(app.described).record.measures}
    assert before["file modes"].on
    assert before["deleting"].on
    assert not before["transport"].on
    assert not before["backups"].on
    (app.folder.path / "tillwise.toml").chmod(0o644)
    create_key(app.store, "browser")
    after = {each.name: each for each in documents(app.described).record.measures}
    assert not after["file modes"].on
    assert "tillwise.toml" in after["file modes"].says
    assert after["keys"].says != before["keys"].says


def test_the_commands_of_the_contract_answer_in_json_and_html(folder: Path, tmp_path: Path) -> None:
    """inventory, notice, ropa: one JSON document each; pages load nothing and escape what a shop is called."""
    settings = folder / "tillwise.toml"
    settings.write_text(settings.read_text().replace('name = "shop"', 'name = "<b>Shop</b>"'))
    shop = ("--shop", str(folder))
    fields = json.loads(run("inventory", "--json", *shop).output)
    assert {"name", "category", "sensitivity", "source", "stored", "purposes", "kept", "recipients", "place"} <= set(
        fields[0]
    )
    assert json.loads(run("ropa", "--json", *shop).output)["controller"]["name"] == "missing"
    notice = json.loads(run("notice", "--place", "DE", "--language", "pt", "--json", *shop).output)
    assert notice["language"] == "pt"
    assert notice["notice_id"].startswith("n-")
    assert "recommend" in notice["purposes"]
    for command in ("inventory", "ropa", "notice"):
        page = tmp_path / f"{command}.html"
        assert run(command, "--html", str(page), *shop).exit_code == 0
        text = page.read_text("utf-8")
        assert "<b>Shop</b>" not in text
        assert "src=" not in text
        assert "href=" not in text
        assert "<script" not in text


def test_notice_history_and_diff_on_the_command_line(folder: Path) -> None:
    """Two notices, their numbers, what changed; an unknown one is one clear line and exit code 1."""
    shop = ("--shop", str(folder))
    assert run("notice", *shop).exit_code == 0
    (folder / "vendors.toml").write_text(VENDORS)
    assert run("notice", *shop).exit_code == 0
    history = json.loads(run("notice", "history", "--json", *shop).output)
    assert [each["number"] for each in history] == [2, 1]
    found = json.loads(run("notice", "diff", "1", "2", "--json", *shop).output)
    assert found["renew"] == {"marketing": ["ad-house in FR", "mail-tool in US"]}
    assert not found["only_wording"]
    wrong = run("notice", "diff", "1", "7", *shop)
    assert wrong.exit_code == 1
    assert "was ever in force" in wrong.output


def test_an_untagged_column_stops_the_inventory_with_a_clear_line(app: App, folder: Path) -> None:
    """The inventory is shown, and the exit code says that it is not complete."""
    app.store.create(("CREATE TABLE IF NOT EXISTS secret_notes (subject INTEGER NOT NULL) STRICT",))
    done = run("inventory", "--shop", str(folder))
    assert done.exit_code == 1
    assert "secret_notes.subject" in done.output
