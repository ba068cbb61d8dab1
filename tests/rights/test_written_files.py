"""Files tillwise wrote for the shop lose an erased person; those elsewhere are counted, for the shop to delete."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tillwise.audit import tombstones
from tillwise.events.people import mark_of
from tillwise.jobs.written import ONE, Cleaned, WrittenFiles
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore

SECRETS = Secrets(b"a secret of at least 32 bytes ....")
PEOPLE = ("ann", 'ben, "b"', "chris")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "rows.db")
    store.create(tombstones.TABLES)
    yield store
    store.close()


@pytest.fixture
def files(store: SqliteStore, tmp_path: Path) -> WrittenFiles:
    (tmp_path / "shop").mkdir()
    return WrittenFiles(store, SECRETS, tmp_path / "shop")


def write(path: Path) -> None:
    """Write a file with a row per person, as scoring does."""
    source = path.with_suffix(".csv")
    with source.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerows([("user_id", "action"), *((who, "none") for who in PEOPLE)])
    if path.suffix == ".parquet":
        with duckdb.connect() as connection:
            connection.execute(f"COPY (SELECT * FROM read_csv('{source}')) TO '{path}' (FORMAT PARQUET)")
        source.unlink()


def ids(path: Path) -> list[str]:
    with duckdb.connect() as connection:
        return [row[0] for row in connection.execute(f"SELECT user_id FROM '{path}' ORDER BY 1").fetchall()]


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
def test_a_person_goes_from_a_file_inside_and_the_others_stay(files: WrittenFiles, tmp_path: Path, name: str) -> None:
    """Found by the keyed mark of their id: nothing of them need be known any more."""
    path = tmp_path / "shop" / name
    files.begin(path)
    write(path)
    assert files.without([mark_of(SECRETS, PEOPLE[1])]) == Cleaned(rows=1, files=1)
    assert ids(path) == ["ann", "chris"]
    assert files.without([mark_of(SECRETS, PEOPLE[1])]) == Cleaned()
    assert [each.name for each in path.parent.iterdir()] == [name]


def test_a_file_elsewhere_is_counted_and_left(files: WrittenFiles, tmp_path: Path) -> None:
    """It was handed over: the shop deletes it, and tells whoever has it."""
    path = tmp_path / "scores.csv"
    files.begin(path)
    write(path)
    assert files.without([mark_of(SECRETS, "ann")]) == Cleaned(outside=1)
    assert "ann" in ids(path)


def test_a_copy_for_one_person_goes_whole(files: WrittenFiles, tmp_path: Path) -> None:
    """With the line of the register that named it; another person's copy stays."""
    for who in PEOPLE[::2]:
        folder = tmp_path / "shop" / f"copy-{who}"
        files.begin(folder, ONE, mark_of(SECRETS, who))
        folder.mkdir()
        write(folder / "events.csv")
    assert files.without([mark_of(SECRETS, "ann")]) == Cleaned(files=1)
    assert [each.name for each in (tmp_path / "shop").iterdir()] == ["copy-chris"]


def test_who_is_erased_while_a_file_is_written_is_not_in_it(
    files: WrittenFiles, store: SqliteStore, tmp_path: Path
) -> None:
    """The erasure could not see the file yet, so its writer looks back."""
    path = tmp_path / "shop" / "scores.csv"
    number = files.begin(path)
    store.commit(lambda t: tombstones.bury(t, SECRETS, "subject", ["ann"])).result()
    write(path)
    assert files.finish(number) == 1
    assert "ann" not in ids(path)


def test_a_file_without_ids_is_left_as_it_is(files: WrittenFiles, tmp_path: Path) -> None:
    """A vendor's record may keep the id out of it."""
    path = tmp_path / "shop" / "scores.parquet"
    files.begin(path)
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT 'none' AS action) TO '{path}' (FORMAT PARQUET)")
    assert files.without([mark_of(SECRETS, "ann")]) == Cleaned()


def test_a_file_put_in_its_place_is_counted_and_left(files: WrittenFiles, tmp_path: Path) -> None:
    """What tillwise cannot read it does not touch, and says so."""
    path = tmp_path / "shop" / "scores.parquet"
    files.begin(path)
    path.write_bytes(b"no Parquet at all")
    assert files.without([mark_of(SECRETS, "ann")]) == Cleaned(outside=1)
    assert path.read_bytes() == b"no Parquet at all"
