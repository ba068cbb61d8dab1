"""No table with a column that leads to a person is forgotten."""

from __future__ import annotations

import importlib
import pkgutil
import re

import tillwise
from tillwise.features.tiles import TileWriter
from tillwise.rights.files import ShopFiles
from tillwise.rights.holders import STAYS, row_holders
from tillwise.rights.texts import Texts
from tillwise.settings import Secrets

LEADS_TO_A_PERSON = {
    "subject", "anonymous", "pseudonym", "person", "user_id", "device", "card", "ip", "address", "email", "phone",
    "order_ref", "decision_id", "request_id", "mark", "ref", "parsed", "sealed", "wrapped",
}  # fmt: skip
NOBODY = {"audit_log": "acts name no person: counts, entries, request ids"}


def declared_tables() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for module in pkgutil.walk_packages(tillwise.__path__, "tillwise."):
        if module.name.endswith("__main__"):
            continue
        for statement in getattr(importlib.import_module(module.name), "TABLES", ()):
            match = re.match(r"CREATE TABLE IF NOT EXISTS (\w+) \((.*)\)", str(statement), re.S)
            if match:
                found[match[1]] = set(re.findall(r"(\w+) (?:INTEGER|TEXT|BLOB|REAL)", match[2]))
    return found


def covered_tables() -> set[str]:
    holders = (*row_holders(TileWriter(()), Secrets(b"a secret of at least 32 bytes ....")), Texts, ShopFiles)
    return {table for holder in holders for table in holder.tables}


def test_every_table_that_leads_to_a_person_has_a_holder() -> None:
    """A new table with such a column fails here until a holder answers for it, or it is named among what stays."""
    covered = covered_tables()
    tables = declared_tables()
    assert {"events", "facts", "by_email", "receipts", "consents", "subjects", "quarantine"} <= tables.keys()
    forgotten = {
        table: sorted(columns & LEADS_TO_A_PERSON)
        for table, columns in tables.items()
        if columns & LEADS_TO_A_PERSON and table not in covered | STAYS.keys() | NOBODY.keys()
    }
    assert forgotten == {}


def test_holders_name_tables_that_exist() -> None:
    """A holder of a table that was renamed would silently hold nothing."""
    tables = declared_tables()
    covered = covered_tables()
    assert (covered | STAYS.keys()) - tables.keys() == set()
