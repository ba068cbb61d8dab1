"""The notice in force, made from what really runs; every text it ever had is kept with the day it came into force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from tillwise.audit.log import enter_act
from tillwise.documents.described import Described
from tillwise.documents.told import Difference, Told, compare, told_of
from tillwise.documents.uses import facts, materials, purposes_in_force
from tillwise.errors import NotFound
from tillwise.privacy.material import keep_materials
from tillwise.privacy.notice import Facts, Notice, make_notice
from tillwise.privacy.notice_place import notice_place
from tillwise.vocabulary.canonical import canonical
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Row, Snapshot, Transaction

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS notices_in_force (number INTEGER PRIMARY KEY, wall INTEGER NOT NULL,"
    " place TEXT NOT NULL, language TEXT NOT NULL, id TEXT NOT NULL, told TEXT NOT NULL) STRICT",
    "CREATE INDEX IF NOT EXISTS notices_by_place ON notices_in_force (place, language, number)",
)
_COLUMNS: Final = "number, wall, place, language, id, told"
_DAY: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class InForce:
    """A notice from the day it came into force (`wall`, Unix ms); the next one of its place and language ends it."""

    number: int
    wall: int
    place: str
    language: str
    notice_id: str
    told: Told


class NoticeDesk:
    """Makes the notices of one shop and keeps each new text."""

    def __init__(self, shop: Described) -> None:
        """Create the tables where they are missing."""
        self._shop = shop
        self._made: dict[tuple[str, str], Notice] = {}
        self._facts: Facts | None = None
        self._stamp: tuple[object, ...] = ()
        self._needed: dict[Purpose, str] = {}
        self._records: tuple[str, ...] | None = None
        shop.store.create(TABLES)

    @property
    def purposes(self) -> tuple[Purpose, ...]:
        """Return the purposes the notice speaks of."""
        return purposes_in_force(self._shop)

    def refresh(self) -> None:
        """Tell the gate what each purpose uses now, and keep it: a yes that does not cover it has to be renewed.

        Within a process only vendor records change what is used, so that asking again and again costs next to nothing.
        """
        records = tuple(vendor.digest for vendor in self._shop.vendors)
        if records == self._records:
            return
        needed = materials(self._shop)
        if needed != self._needed:
            wall = self._shop.wall()
            self._shop.store.commit(lambda transaction: keep_materials(transaction, needed, wall)).result()
            self._shop.gate.need(needed)
            self._needed = needed
        self._records = records

    def current(self, place: str = "", language: str = "en") -> Notice:
        """Return the notice in force at a place; a text nobody saw before is durable when this returns.

        Raises InvalidInput for a language without words.
        """
        self.refresh()  # a yes on this text covers what it names, also when a vendor's record changed just before
        with self._shop.store.snapshot() as snapshot:
            found = self.make(snapshot, place or self._shop.settings.shop.place, language)
        self.keep(found)
        return found

    def keep(self, notice: Notice) -> None:
        """Note that a notice is in force from now on, unless it is already; durable when this returns.

        It opens a transaction of its own: never call it within one.
        """
        with self._shop.store.snapshot() as snapshot:
            newest = _newest(snapshot, notice.place, notice.language)
        if newest is None or newest.notice_id != notice.notice_id:
            self._shop.store.commit(lambda transaction: self._keep(transaction, notice)).result()

    def make(self, snapshot: Snapshot, place: str, language: str = "en") -> Notice:
        """Return the notice in force without keeping it: the same text for the same releases, rules and day.

        It is made for the place whose rules hold there (privacy/notice_place.py): read `place` of what comes back.
        """
        shop, wall = self._shop, self._shop.wall()
        place = self._where(place)
        stamp = self._present(snapshot, wall)
        if stamp != self._stamp or self._facts is None:
            self._made.clear()
            self._facts, self._stamp = facts(shop, snapshot), stamp
        made = self._made.get((place, language))
        if made is None:
            made = self._made[place, language] = make_notice(
                shop.name, self.purposes, shop.rules, place, wall, shop.settings.shop.notice_url, language=language,
                facts=self._facts,
            )  # fmt: skip
        return made

    def history(self, snapshot: Snapshot, place: str = "", language: str = "") -> list[InForce]:
        """Return every notice that came into force, newest first, of one place and language or of all."""
        rows = snapshot.all(
            f"SELECT {_COLUMNS} FROM notices_in_force WHERE (? = '' OR place = ?) AND (? = '' OR language = ?)"
            " ORDER BY number DESC",
            (self._where(place) if place else "",) * 2 + (language,) * 2,
        )
        return [_read(row) for row in rows]

    def find(self, snapshot: Snapshot, notice_id: str) -> InForce:
        """Return the notice of this id, or of its number in the history; raise NotFound when there is none."""
        row = snapshot.one(
            f"SELECT {_COLUMNS} FROM notices_in_force WHERE id = ? OR CAST(number AS TEXT) = ? ORDER BY number LIMIT 1",
            (notice_id, notice_id),
        )
        if row is None:
            raise NotFound(f"no notice '{notice_id[:40]}' was ever in force here: see `tillwise notice history`")
        return _read(row)

    def diff(self, snapshot: Snapshot, before: str, after: str) -> Difference:
        """Return what changed between two notices named by id or number; raise NotFound for one never in force."""
        return compare(self.find(snapshot, before).told, self.find(snapshot, after).told)

    def _where(self, place: str) -> str:
        return notice_place(place, {rule.place for rule in self._shop.rules.rules})

    def _keep(self, transaction: Transaction, notice: Notice) -> None:
        """Write down a new text, what it told, and what a yes has to cover from now on."""
        newest = _newest(transaction, notice.place, notice.language)
        if self._facts is None or (newest is not None and newest.notice_id == notice.notice_id):
            return  # another process was faster
        wall = self._shop.wall()
        told = told_of(self._facts, self._shop.rules, notice.place, wall)
        transaction.run(
            "INSERT INTO notices (id, sha256, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (notice.notice_id, notice.sha256, canonical(notice.content).decode()),
        )
        transaction.run(
            "INSERT INTO notices_in_force (wall, place, language, id, told) VALUES (?, ?, ?, ?, ?)",
            (wall, notice.place, notice.language, notice.notice_id, canonical(told).decode()),
        )
        act = {"notice": notice.notice_id, "sha256": notice.sha256, "place": notice.place, "language": notice.language}
        enter_act(transaction, "notice", act)

    def _present(self, snapshot: Snapshot, wall: int) -> tuple[object, ...]:
        """Return everything that may change the text while a process runs."""
        shop = self._shop
        imported = snapshot.one("SELECT 1 FROM epochs WHERE visible = 1 LIMIT 1") is not None
        return (
            *(shop.releases.latest(snapshot, name) for name in shop.use_cases), imported, wall // _DAY,
            shop.rules.revision, *(vendor.digest for vendor in shop.vendors),
        )  # fmt: skip


def _newest(snapshot: Snapshot, place: str, language: str) -> InForce | None:
    row = snapshot.one(
        f"SELECT {_COLUMNS} FROM notices_in_force WHERE place = ? AND language = ? ORDER BY number DESC LIMIT 1",
        (place, language),
    )
    return None if row is None else _read(row)


def _read(row: Row) -> InForce:
    return InForce(row[0], row[1], row[2], row[3], row[4], msgspec.json.decode(row[5], type=Told))
