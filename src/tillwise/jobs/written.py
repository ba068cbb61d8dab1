"""Files with people's rows that tillwise wrote for the shop: which, where, and how a person is taken out of them again.

A file inside the shop's folder is tillwise's to clean. One outside was handed over: an erasure names it, so that the
shop can delete it and tell whoever has it (GDPR 19).
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tillwise.audit.tombstones import tombstone
from tillwise.events.people import mark_of
from tillwise.settings import Secrets
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.store import Store, Transaction

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS written_files (id INTEGER PRIMARY KEY, path TEXT NOT NULL, kind TEXT NOT NULL,"
    " wall INTEGER NOT NULL, inside INTEGER NOT NULL, person BLOB) STRICT",
)
PEOPLE: Final = "people"
"""A file with a row per person, whose id stands in `user_id`."""
ONE: Final = "one person"
"""A file or folder with the data of one person only."""
ID: Final = "user_id"


@dataclass(frozen=True, slots=True)
class Cleaned:
    """How many rows and files were cleaned, and how many copies lie where tillwise may not touch them."""

    rows: int = 0
    files: int = 0
    outside: int = 0


class WrittenFiles:
    """The register of files. `folder` is the shop's own."""

    def __init__(self, store: Store, secrets: Secrets, folder: Path) -> None:
        store.create(TABLES)
        self._store = store
        self._secrets = secrets
        self._folder = folder.resolve()

    def begin(self, path: Path, kind: str = PEOPLE, person: bytes | None = None) -> int:
        """Note a file before it is written, `person` by their mark for a file about one; return its number."""
        place = path.resolve()
        inside = place.is_relative_to(self._folder)
        row = (str(place), kind, wall_now(), int(inside), person)

        def work(transaction: Transaction) -> int:
            transaction.run("INSERT INTO written_files (path, kind, wall, inside, person) VALUES (?, ?, ?, ?, ?)", row)
            found = transaction.one("SELECT max(id) FROM written_files")
            return int(found[0]) if found else 0

        return self._store.commit(work).result()

    def finish(self, number: int) -> int:
        """Take out whoever was erased while the file was written; return how many rows."""
        with self._store.snapshot() as snapshot:
            row = snapshot.one("SELECT path, wall, kind FROM written_files WHERE id = ?", (number,))
            erased = set() if row is None else {
                bytes(each[0]) for each in snapshot.all("SELECT mark FROM tombstones WHERE wall >= ?", (row[1],))
            }  # fmt: skip
        path = None if row is None else Path(row[0])
        if path is None or row is None or row[2] != PEOPLE or not erased or not path.exists():
            return 0
        gone = [text for text in _ids(path) if tombstone(self._secrets, "subject", text) in erased]
        return _rewrite(path, set(gone)) if gone else 0

    def without(self, marks: Collection[bytes]) -> Cleaned:
        """Take the people with these marks out of every file inside the folder; repeating it does no harm."""
        wanted = {bytes(mark) for mark in marks}
        rows = files = outside = 0
        with self._store.snapshot() as snapshot:
            known = snapshot.all("SELECT id, path, kind, inside, person FROM written_files ORDER BY id")
        finished: list[int] = []
        for number, text, kind, inside, person in known:
            path = Path(text)
            if kind == ONE:
                if person is None or bytes(person) not in wanted:
                    continue
                finished.append(number)
                outside += 0 if inside else 1
                files += _remove(path) if inside else 0
            elif not inside:
                outside += 1
            elif not path.exists():
                finished.append(number)
            else:
                try:
                    n = self._clean(path, wanted)
                except (ValueError, OSError):  # somebody put another file in its place: theirs to clean
                    outside += 1
                    continue
                rows, files = rows + n, files + (1 if n else 0)
        self._forget(finished)
        return Cleaned(rows, files, outside)

    def _clean(self, path: Path, wanted: Collection[bytes]) -> int:
        gone = {
            text
            for text in _ids(path)
            if mark_of(self._secrets, text) in wanted or mark_of(self._secrets, text, anonymous=True) in wanted
        }
        return _rewrite(path, gone) if gone else 0

    def _forget(self, numbers: Iterable[int]) -> None:
        gone = [(number,) for number in numbers]
        if gone:
            delete = "DELETE FROM written_files WHERE id = ?"
            self._store.commit(lambda transaction: transaction.run_many(delete, gone)).result()


def _ids(path: Path) -> set[str]:
    """Return the people of a file; raise ValueError when it is no longer what tillwise wrote."""
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return {row[ID] for row in csv.DictReader(file) if row.get(ID)}
    import duckdb  # noqa: PLC0415 - only for the one file kind

    with duckdb.connect(config=_SETTINGS) as connection:
        source = f"read_parquet({_text(path)})"
        try:
            columns = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
            rows = connection.execute(f"SELECT DISTINCT {ID} FROM {source}").fetchall() if ID in columns else []
        except duckdb.Error as error:
            raise ValueError(str(error)) from error
    return {str(row[0]) for row in rows if row[0]}


def _rewrite(path: Path, gone: Collection[str]) -> int:
    """Write a file anew without these ids; return how many rows fewer it has."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        n = _rewrite_csv(path, half, gone) if path.suffix == ".csv" else _rewrite_parquet(path, half, gone)
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)
    return n


def _rewrite_csv(path: Path, half: Path, gone: Collection[str]) -> int:
    n = 0
    with path.open(newline="", encoding="utf-8") as source, half.open("w", newline="", encoding="utf-8") as target:
        table = csv.DictReader(source)
        written = csv.DictWriter(target, table.fieldnames or ())
        written.writeheader()
        for row in table:
            if row.get(ID) in gone:
                n += 1
            else:
                written.writerow(row)
    return n


def _rewrite_parquet(path: Path, half: Path, gone: Collection[str]) -> int:
    import duckdb  # noqa: PLC0415 - only for the one file kind

    with duckdb.connect(config=_SETTINGS) as connection:
        connection.execute("CREATE TEMP TABLE gone (id VARCHAR)")
        connection.executemany("INSERT INTO gone VALUES (?)", [(each,) for each in gone])
        source = f"read_parquet({_text(path)})"
        row = connection.execute(f"SELECT count(*) FROM {source} WHERE {ID} IN (SELECT id FROM gone)").fetchone()
        connection.execute(
            f"COPY (SELECT * FROM {source} WHERE {ID} IS NULL OR {ID} NOT IN (SELECT id FROM gone))"
            f" TO {_text(half)} (FORMAT PARQUET)"
        )
    return int(row[0]) if row else 0


_SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {"autoinstall_known_extensions": False}


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _remove(path: Path) -> int:
    if path.is_dir():
        n = sum(1 for each in path.rglob("*") if each.is_file())
        shutil.rmtree(path)
        return n
    existed = path.exists()
    path.unlink(missing_ok=True)
    return int(existed)
