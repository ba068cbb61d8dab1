"""Nobody edits, deletes, reorders or cuts the log without being found out."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tillwise.audit import extend as extending
from tillwise.audit.checkpoint import Checkpoint, Signer, read_checkpoint
from tillwise.audit.extend import extend, newest_checkpoint, waiting
from tillwise.audit.log import ACTS, TABLES, add_columns, enter_act, enter_erasure, forget, ranges, seal_rows
from tillwise.audit.source import Source
from tillwise.audit.verify import Findings, verify
from tillwise.errors import InvalidInput
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.store import Transaction

SECRETS = Secrets(log=b"0123456789abcdef0123456789abcdef")
NOTES = Source("note", "notes", ("seq",), ("seq", "ref"), "ref", "body")
SOURCES = (ACTS, NOTES)
NOTES_TABLE = (
    "CREATE TABLE notes (seq INTEGER PRIMARY KEY AUTOINCREMENT, ref TEXT NOT NULL UNIQUE, body TEXT NOT NULL,"
    " salt BLOB, leaf BLOB) STRICT"
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "log.db")
    store.create((*TABLES, NOTES_TABLE))
    yield store
    store.close()


def add_note(transaction: Transaction, ref: str, body: str) -> None:
    transaction.run("INSERT INTO notes (ref, body) VALUES (?, ?)", (ref, body))
    row = transaction.one("SELECT seq FROM notes WHERE ref = ?", (ref,))
    assert row is not None
    seal_rows(transaction, NOTES, row[0])


def write(store: SqliteStore, *numbers: int) -> None:
    def work(transaction: Transaction) -> None:
        for number in numbers:
            add_note(transaction, f"n{number}", f"content {number}")

    store.commit(work).result()


def grow(store: SqliteStore) -> Checkpoint:
    return extend(store, SOURCES, Signer(SECRETS))


def look(store: SqliteStore, *held: Checkpoint) -> Findings:
    with store.snapshot() as snapshot:
        return verify(snapshot, SOURCES, held)


def erase(store: SqliteStore, *refs: str, say: bool = True) -> None:
    def work(transaction: Transaction) -> None:
        entries = forget(transaction, NOTES, refs)
        transaction.run_many("DELETE FROM notes WHERE ref = ?", [(ref,) for ref in refs])
        if say:
            enter_erasure(transaction, entries, why="request")

    store.commit(work).result()


def test_an_honest_log_verifies_however_it_grew(store: SqliteStore) -> None:
    """Entries and checkpoints in any rhythm; the newest entries may still wait for the tree."""
    held = []
    for start, count in ((0, 1), (1, 6), (7, 0), (7, 30)):
        write(store, *range(start, start + count))
        store.commit(lambda t: enter_act(t, "anything", {"did": "something"})).result()
        held.append(grow(store))
    write(store, 99)
    findings = look(store, *held)
    assert findings.intact
    assert (findings.entries, findings.sealed, findings.waiting, findings.erased) == (41, 41, 1, 0)
    with store.snapshot() as snapshot:
        assert waiting(snapshot, SOURCES) == 1


def test_nothing_is_written_when_nothing_came(store: SqliteStore) -> None:
    """A quiet shop's log stays as it is; a second process that comes too soon does nothing."""
    write(store, 1)
    first = grow(store)
    assert grow(store) == first
    write(store, 2)
    assert extend(store, SOURCES, Signer(SECRETS), skip_after=0) == first
    assert grow(store).size == 2


def test_a_long_backlog_is_taken_over_in_pieces(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much waits, each transaction takes a bounded part, and rows of one position stay together."""
    monkeypatch.setattr(extending, "RUN", 7)
    monkeypatch.setattr(extending, "ROUND", 20)
    write(store, *range(100))
    held = grow(store)
    assert held.size == 100
    assert look(store, held).intact


def test_an_erasure_keeps_the_log_whole(store: SqliteStore) -> None:
    """Content and salt of what is erased are gone; the tree and its checkpoints stand."""
    write(store, *range(20))
    held = grow(store)
    erase(store, "n3", "n7", "n19")
    findings = look(store, held)
    assert findings.intact
    assert findings.erased == 3
    write(store, 50)  # a position that was erased is never given again
    assert look(store, held, grow(store)).intact


def test_what_is_erased_before_it_enters_never_does(store: SqliteStore) -> None:
    """Something written and erased between two rounds of the job leaves no gap."""
    write(store, *range(5))
    erase(store, "n2")
    assert look(store, grow(store)).intact


def test_an_erasure_during_the_job_makes_it_read_again(store: SqliteStore) -> None:
    """What was read for the tree and erased before it was kept does not enter."""
    write(store, *range(5))

    class Slow(Signer):
        done = False

        def sign(self, checkpoint: Checkpoint) -> str:
            if not self.done:
                self.done = True
                erase(store, "n2")
            return super().sign(checkpoint)

    assert look(store, extend(store, SOURCES, Slow(SECRETS))).intact


def test_a_deletion_cannot_pose_as_an_erasure(store: SqliteStore) -> None:
    """Without an entry that says so, a missing row is a missing row."""
    write(store, *range(5))
    grow(store)
    erase(store, "n2", say=False)
    assert look(store).wrong == ("entry 2: its note is gone, and no erasure says so",)


def test_acts_are_entered_with_their_content(store: SqliteStore) -> None:
    """An act has no other table; changing what it says is found, also before it came into the tree."""
    store.commit(lambda t: enter_act(t, "act", {"did": "made a key"})).result()
    store.commit(lambda t: t.run("UPDATE audit_log SET body = '{}'")).result()
    assert "changed before it came into the tree" in look(store).wrong[0]
    grow(store)
    assert "changed after it was entered" in look(store).wrong[0]


def test_rows_older_than_the_log_are_counted_and_no_more_can_be_put_in(store: SqliteStore) -> None:
    """A table of an earlier release has rows without leaves; the log says how many, and a new one is found."""
    store.create(("DROP TABLE notes", NOTES_TABLE.replace(", salt BLOB, leaf BLOB", "").replace(" salt BLOB,", "")))
    store.commit(lambda t: t.run("INSERT INTO notes (ref, body) VALUES ('old', 'x'), ('older', 'y')")).result()
    for _ in range(2):
        store.commit(lambda t: add_columns(t, "notes")).result()
    write(store, 1, 2)
    held = grow(store)
    findings = look(store, held)
    assert findings.intact
    assert findings.older == 2
    store.commit(lambda t: t.run("INSERT INTO notes (seq, ref, body) VALUES (-5, 'forged', 'z')")).result()
    assert "some were put in or edited" in look(store, held).wrong[0]


def test_checkpoints_are_thinned_and_the_newest_stays(store: SqliteStore) -> None:
    """Not one row per second for ever: the newest, one an hour, and after a week one a day."""
    hour, now = 3_600_000, 1_790_000_000_000
    rows = [(size, now - (400 - size) * hour // 2, b"r" * 32, "note") for size in range(1, 400)]
    store.commit(
        lambda t: t.run_many("INSERT INTO audit_signed (size, wall, root, note) VALUES (?, ?, ?, ?)", rows)
    ).result()
    store.commit(lambda t: extending._thin(t, now)).result()
    with store.snapshot() as snapshot:
        walls = [row[0] for row in snapshot.all("SELECT wall FROM audit_signed ORDER BY wall")]
        newest = newest_checkpoint(snapshot)
    old = [wall for wall in walls if wall < now - 7 * 24 * hour]
    assert len(old) == len({wall // (24 * hour) for wall in old})
    assert newest is not None
    assert newest[1] < now - now % hour


class Undo(Exception):
    """Takes a tampering back."""


def _tamper(dice: random.Random, size: int) -> Callable[[Transaction], None]:
    """Return one random way of an intruder who can write every table, and forges the shop's own checkpoints."""
    entry, other = dice.sample(range(1, size + 1), 2)

    def swap(t: Transaction, columns: str) -> None:
        rows = {i: t.one(f"SELECT {columns} FROM notes WHERE seq = ?", (i,)) for i in (entry, other)}
        t.run("UPDATE notes SET ref = ref || '-away'")
        changes = ", ".join(f"{name} = ?" for name in columns.split(", "))
        for to, source in ((entry, other), (other, entry)):
            t.run(f"UPDATE notes SET {changes} WHERE seq = ?", (*(rows[source] or ()), to))
        t.run("UPDATE notes SET ref = replace(ref, '-away', '')")

    def drop_leaf(t: Transaction) -> None:
        packed = bytes((t.one("SELECT leaves FROM audit_runs WHERE source = 'note'") or (b"",))[0])
        cut = packed[: (entry - 1) * 32] + packed[entry * 32 :]
        t.run("UPDATE audit_runs SET leaves = ? WHERE source = 'note'", (cut,))
        if dice.random() < 0.5:
            t.run("DELETE FROM notes WHERE seq = ?", (entry,))

    def cut(t: Transaction, entry: int = min(entry, size - 1)) -> None:
        packed = bytes((t.one("SELECT leaves FROM audit_runs WHERE source = 'note'") or (b"",))[0])
        t.run("UPDATE audit_runs SET leaves = ?, upto = ? WHERE source = 'note'", (packed[: entry * 32], entry))
        t.run("DELETE FROM notes WHERE seq > ?", (entry,))

    def rewrite(t: Transaction) -> None:
        t.run("UPDATE notes SET body = 'forged' WHERE seq = ?", (entry,))
        if dice.random() < 0.5:  # with a leaf that fits the forged content
            t.run("UPDATE notes SET leaf = NULL WHERE seq = ?", (entry,))
            seal_rows(t, NOTES, entry)

    def put_in(t: Transaction) -> None:
        add_note(t, "late", "put in")
        t.run("UPDATE notes SET seq = -1 WHERE ref = 'late'")

    ways: list[Callable[[Transaction], object]] = [
        lambda t: swap(t, "leaf"), lambda t: swap(t, "ref, body, salt, leaf"), lambda t: swap(t, "body"), drop_leaf,
        cut, rewrite, lambda t: t.run("DELETE FROM notes WHERE seq = ?", (entry,)),
        lambda t: t.run("UPDATE notes SET leaf = zeroblob(32) WHERE seq = ?", (entry,)),
        lambda t: t.run("UPDATE notes SET salt = zeroblob(16) WHERE seq = ?", (entry,)),
        lambda t: t.run("UPDATE notes SET salt = NULL, leaf = NULL WHERE seq = ?", (entry,)),
        put_in,
    ]  # fmt: skip
    way = dice.choice(ways)
    forge = dice.random() < 0.5

    def work(t: Transaction) -> None:
        way(t)
        if forge:
            t.run("DELETE FROM audit_signed")
            t.run("DELETE FROM audit_edge")

    return work


def test_a_thousand_random_tamperings_are_all_found(store: SqliteStore) -> None:
    """Against one checkpoint held elsewhere: edits, deletions, reorderings, truncations, forged checkpoints."""
    size = 40
    write(store, *range(size))
    held = grow(store)
    dice = random.Random(7)
    missed = []
    for _ in range(1_000):
        work = _tamper(dice, size)

        def attack(transaction: Transaction, work: Callable[[Transaction], None] = work) -> None:
            work(transaction)
            if verify(transaction, SOURCES, [held]).intact:
                missed.append(work)
            raise Undo

        with pytest.raises(Undo):
            store.commit(attack).result()
    assert missed == []
    assert look(store, held).intact


def test_a_log_rewritten_with_the_stolen_key_is_found(store: SqliteStore) -> None:
    """Whoever rewrites every row, every leaf and every checkpoint still cannot change the one held elsewhere."""
    write(store, *range(10))
    held = grow(store)
    store.create(("DELETE FROM notes", "DELETE FROM audit_runs", "DELETE FROM audit_signed", "DELETE FROM audit_began"))
    store.create(("UPDATE audit_edge SET size = 0, roots = x''",))
    write(store, *range(10))
    grow(store)
    assert look(store).intact
    assert "differs from the one held elsewhere" in look(store, held).wrong[0]


def test_a_held_checkpoint_must_be_ours_and_whole(store: SqliteStore) -> None:
    """An edited note, another key or plain text is refused with a reason."""
    write(store, 1, 2, 3)
    signer = Signer(SECRETS)
    checkpoint = grow(store)
    note = signer.sign(checkpoint)
    assert read_checkpoint(note, signer.public) == checkpoint
    stranger = Signer(Secrets(log=b"another secret of thirty-two byte"))
    for broken, key in (
        (note.replace("\n3\n", "\n2\n"), signer.public), (note, stranger.public), ("hello", signer.public),
        (note, "no key"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            read_checkpoint(broken, key)


def test_numbers_are_told_as_ranges() -> None:
    """An erasure of many entries in a row is told in a few words."""
    assert ranges([5, 1, 2, 3, 9, 8]) == [[1, 3], [5, 5], [8, 9]]
