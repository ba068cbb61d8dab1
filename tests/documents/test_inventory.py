"""The inventory: complete, tagged, never calling a hash anonymous, and true about what arrived."""

from __future__ import annotations

import importlib
import pkgutil
import re

from lived_shop import order, send

import tillwise
from tillwise.app import App
from tillwise.app.doctor.inventory import inventory as doctor
from tillwise.documents.inventory import UNDECLARED, inventory, untagged
from tillwise.documents.observed import observe
from tillwise.documents.stores import columns_in, kept_files, tables, undeclared
from tillwise.events.types import EVENT_TYPES
from tillwise.vocabulary.anonymous import Suppressed

PERSON_LIKE = ("subject", "anonymous", "pseudonym", "device", "card", "ip", "address", "email", "mark", "order_ref")


def test_every_column_of_every_table_is_declared(app: App) -> None:
    """Whoever adds a column says in documents/stores.toml what it holds, or this fails."""
    with app.store.snapshot() as snapshot:
        assert undeclared(snapshot) == []
        fields = inventory(app.described, snapshot, observe(app.described, snapshot))
        real = {f"{table}.{column}" for table, columns in columns_in(snapshot).items() for column in columns}
    assert real <= {field.name for field in fields if field.kind == "column"}
    assert untagged(fields) == []


def test_tables_that_are_made_later_are_declared_too() -> None:
    """Not only what a new shop has: every table any module declares."""
    for module in pkgutil.walk_packages(tillwise.__path__, "tillwise."):
        if module.name.endswith("__main__"):
            continue
        for statement in getattr(importlib.import_module(module.name), "TABLES", ()):
            found = re.match(r"CREATE TABLE IF NOT EXISTS (\w+) \((.*)\)", str(statement), re.S)
            if found:
                assert found[1] in tables(), f"{found[1]} of {module.name} is not declared in documents/stores.toml"
                columns = set(re.findall(r"(\w+) (?:INTEGER|TEXT|BLOB|REAL)", found[2]))
                assert columns <= tables()[found[1]].columns.keys(), found[1]


def test_nothing_is_declared_that_is_not_there(app: App) -> None:
    """A column that was renamed or dropped leaves the declarations too."""
    with app.store.snapshot() as snapshot:
        real = columns_in(snapshot)
    stale = {f"{name}.{column}" for name, table in tables().items() if name in real for column in table.columns} - {
        f"{name}.{column}" for name, columns in real.items() for column in columns
    }
    assert stale == set()


def test_an_undeclared_column_is_an_error_named_by_the_doctor(app: App) -> None:
    """A table nobody declared is not passed over in silence."""
    app.store.create(("CREATE TABLE IF NOT EXISTS secret_notes (subject INTEGER NOT NULL) STRICT",))
    with app.store.snapshot() as snapshot:
        fields = inventory(app.described, snapshot, observe(app.described, snapshot))
        said = [finding for finding in doctor(app, snapshot) if finding.level == "wrong"]
    assert [field.name for field in untagged(fields)] == ["secret_notes.subject"]
    assert untagged(fields)[0].category == UNDECLARED
    assert "secret_notes.subject" in said[0].says


def test_every_stored_property_of_every_event_type_is_in_it(app: App) -> None:
    """Also those of event types that never arrived: they would be stored when they come."""
    with app.store.snapshot() as snapshot:
        fields = inventory(app.described, snapshot, observe(app.described, snapshot))
    names = {field.name for field in fields}
    for declared in EVENT_TYPES.values():
        for each in declared.properties:
            if each.stored:
                assert f"{declared.name}: {each.name}" in names


def test_no_key_code_or_hash_of_a_person_is_called_anonymous(app: App) -> None:
    """Not as a column, not as a property of an event about a person, not as a feature, not as a file with people."""
    with app.store.snapshot() as snapshot:
        fields = inventory(app.described, snapshot, observe(app.described, snapshot))
    anonymous = [field for field in fields if field.sensitivity == "anonymous"]
    assert [f.name for f in anonymous if f.kind == "column" and f.name.split(".")[-1] in PERSON_LIKE] == []
    assert [f.name for f in anonymous if f.kind in ("feature", "reading", "request", "computed")] == []
    price = next(f for f in fields if f.name == "Order Completed: currency")
    assert price.sensitivity == "pseudonymous"


def test_what_arrived_is_told_from_what_was_declared(app: App) -> None:
    """A declared property that never came is marked so; a person-like key is seen in its own table."""
    paid = {"event": "Payment Attempted", "userId": "u-1", "messageId": "p-1", "properties": {
        "order_id": "o-1", "amount": "5.00", "currency": "EUR", "device_id": "d-1"}}  # fmt: skip
    send(app, order("u-1", 1), paid)
    with app.store.snapshot() as snapshot:
        observed = observe(app.described, snapshot)
        fields = {field.name: field for field in inventory(app.described, snapshot, observed)}
    assert fields["Order Completed: order_id"].seen is True
    assert fields["Order Completed: product_id"].seen is True
    assert fields["Order Completed: coupon"].seen is False
    assert fields["Payment Attempted: device_id"].seen is True
    assert fields["Payment Attempted: ip"].seen is False
    assert fields["Payment Attempted: device_id"].stored == ("facts.device (keyed code)", "by_device (keyed code)")


def test_few_people_are_not_counted_many_are(app: App) -> None:
    """Nine people stay inside, ten are told."""
    send(app, *(order(f"u-{n}", 1) for n in range(9)))
    with app.store.snapshot() as snapshot:
        assert isinstance(observe(app.described, snapshot).arrived["Order Completed"].events, Suppressed)
    send(app, order("u-9", 1))
    with app.store.snapshot() as snapshot:
        seen = observe(app.described, snapshot)
    assert str(seen.arrived["Order Completed"].events) == "10"
    assert str(seen.people) == "10"
    assert str(seen.visitors) == "0"


def test_data_that_nothing_reads_are_named(app: App) -> None:
    """Tickets arrive and no use case reads them: the doctor says so."""
    send(app, {"event": "Ticket Opened", "userId": "u-1", "messageId": "t-1", "properties": {"ticket_id": "t-1"}})
    with app.store.snapshot() as snapshot:
        said = [finding.says for finding in doctor(app, snapshot) if finding.about == "unread"]
    assert len(said) == 1
    assert "'Ticket Opened'" in said[0]


def test_declared_files_cover_what_a_shop_folder_holds(app: App) -> None:
    """Every file in a new shop's folder is the row store or a declared file."""
    here = {path.name + ("/" if path.is_dir() else "") for path in app.folder.path.iterdir()}
    known = {*kept_files(), "tillwise.db", "tillwise.db-shm"}
    assert here - known == set()
