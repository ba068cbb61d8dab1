"""Records are read strictly, kept under their content name, and every change of them is an act."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from bordering_shop import RECORD, changed, make_shop, write_vendors
from hypothesis import given, settings
from hypothesis import strategies as st

from tillwise.app import build_app
from tillwise.errors import ConfigurationError
from tillwise.recipients.gate import youngest
from tillwise.recipients.vendor import covers
from tillwise.recipients.vendors import parse_vendors, read_vendors

GOOD = """
[[vendor]]
name = "mail-tool"
role = "processor"
country = "US"
purposes = ["marketing"]
categories = ["user.unique_id"]
agreement = { kind = "DPA", signed = 2026-01-01, expires = 2027-01-01 }
transfer = { mechanism = "scc" }
"""


@pytest.mark.parametrize(
    ("was", "now", "key"),
    [
        ("2027-01-01", '"soon"', "key 'agreement.expires'"),
        ("2027-01-01", "2025-01-01", "key 'agreement.expires': ends on 2025-01-01, before it was signed"),
        ('role = "processor"', "", "key 'role': Object missing required field"),
        ('role = "processor"', 'role = "friend"', "key 'role': Invalid enum value 'friend'"),
        ('["marketing"]', '["fun"]', r"key 'purposes\[0\]'"),
        ('["marketing"]', "[]", "key 'purposes': is empty"),
        ("kind = ", "kynd = ", "key 'agreement.kynd'"),
        ('"DPA"', '""', "key 'agreement.kind': is empty"),
        ('country = "US"', 'country = "usa"', "key 'country': 'usa' is no ISO 3166 code"),
        ('["user.unique_id"]', '["User Id"]', "key 'categories': 'User Id' is no category"),
        ('["user.unique_id"]', '["competitor_private.price"]', "key 'categories': .* help to collude"),
        ('"scc"', '"trust"', "key 'transfer.mechanism': Invalid enum value 'trust'"),
        ('"mail-tool"', '"Mail Tool"', "vendor 'Mail Tool', key 'name'"),
        ("[[vendor]]", "[vendor]", "in double brackets"),
        ("[[vendor]]", "[[vendors]]", "there is no key 'vendors'"),
        ("[[vendor]]", GOOD + "[[vendor]]", "key 'name': stands there twice"),
        ('role = "processor"', "role = ", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_named(was: str, now: str, key: str) -> None:
    """File, vendor and key: nobody has to guess."""
    with pytest.raises(ConfigurationError, match=key) as refused:
        parse_vendors(GOOD.replace(was, now, 1), "vendors.toml")
    assert str(refused.value).startswith("vendors.toml")


def test_no_file_means_no_vendors(tmp_path: Path) -> None:
    """A shop that hands data to nobody needs no file."""
    assert read_vendors(tmp_path) == ()


@given(st.lists(st.sampled_from(["user", "contact", "email", "behavior"]), min_size=1, max_size=3), st.data())
@settings(max_examples=50, deadline=None)
def test_a_category_covers_what_lies_below_it_and_nothing_else(parts: list[str], data: st.DataObject) -> None:
    """`user.contact` covers `user.contact.email`, never `user.contacts` nor `user`."""
    category = ".".join(parts)
    above = ".".join(parts[: data.draw(st.integers(1, len(parts)))])
    assert covers([above], category)
    assert not covers([f"{category}.more"], category)
    assert not covers([above], f"{above}s")


@pytest.mark.parametrize(
    ("band", "age"),
    [("13-17", 13), ("under 18", 0), ("<16", 0), ("65+", 65), ("18 to 24", 18), ("adult", None), ("", None)],
)
def test_a_band_is_read_as_its_lowest_age(band: str, age: int | None) -> None:
    """Who may be too young is taken to be."""
    assert youngest(band) == age


def acts(folder: Path) -> list[dict[str, Any]]:
    app = build_app(folder)
    try:
        with app.store.snapshot() as snapshot:
            rows = snapshot.all("SELECT body FROM audit_log WHERE kind = 'vendors' ORDER BY id")
        return [msgspec.json.decode(row[0]) for row in rows]
    finally:
        app.close()


def test_every_change_of_the_records_is_an_act(tmp_path: Path) -> None:
    """The audit log names who was added, changed and struck; opening the shop again says nothing new."""
    folder = tmp_path / "shop"
    make_shop(folder)
    assert acts(folder) == []
    write_vendors(folder, RECORD)
    acts(folder)
    write_vendors(folder, changed(RECORD, country="CA"), changed(RECORD, name="other"))
    acts(folder)
    write_vendors(folder, changed(RECORD, name="other"))
    found = acts(folder)
    assert [(act["added"], act["changed"], act["removed"]) for act in found] == [
        (["mail-tool"], [], []), (["other"], ["mail-tool"], []), ([], [], ["mail-tool"]),
    ]  # fmt: skip
