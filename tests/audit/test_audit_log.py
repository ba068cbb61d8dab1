"""Nobody edits, deletes, reorders or cuts the log without being found out."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tillwise.audit.checkpoint import Checkpoint, Signer, read_checkpoint
from tillwise.audit.log import ACTS, ERASURE, TABLES, enter, enter_act, enter_erasure, extend, forget, verify
from tillwise.errors import InvalidInput
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.store import Transaction

SECRETS = Secrets(log=b"0123456789abcdef0123456789abcdef")
CONTENTS = {"note": "SELECT n.body FROM notes n WHERE n.ref = l.ref", ERASURE: ACTS, "act": ACTS}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "log.db")
    store.create((*TABLES, "CREATE TABLE notes (ref TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT"))
    yield store
    store.close()


def write(store: SqliteStore, *numbers: int) -> None:
    def work(transaction: Transaction) -> None:
        for number in numbers:
            ref, body = f"n{number}", f"content {number}"
            transaction.run("INSERT INTO notes (ref, body) VALUES (?, ?)", (ref, body))
            enter(transaction, "note", ref, body.encode())

    store.commit(work).result()


def found_wrong(store: SqliteStore, *held: Checkpoint) -> tuple[str, ...]:
    with store.snapshot() as snapshot:
        return verify(snapshot, CONTENTS, held).wrong


def test_an_honest_log_verifies_however_it_grew(store: SqliteStore) -> None:
    """Entries and checkpoints in any rhythm; the newest entries may still wait for theirs."""
    signer = Signer(SECRETS)
    held = []
    for start, count in ((0, 1), (1, 6), (7, 0), (7, 30)):
        write(store, *range(start, start + count))
        held.append(extend(store, signer))
    write(store, 99)
    with store.snapshot() as snapshot:
        findings = verify(snapshot, CONTENTS, held)
    assert findings.intact
    assert (findings.entries, findings.sealed) == (38, 37)


def test_an_erasure_keeps_the_log_whole(store: SqliteStore) -> None:
    """The erased content, its salt and its reference are gone; the tree and its checkpoints stand."""
    write(store, *range(20))
    held = extend(store, Signer(SECRETS))

    def erase(transaction: Transaction) -> None:
        transaction.run("DELETE FROM notes WHERE ref IN ('n3', 'n7')")
        enter_erasure(transaction, forget(transaction, "note", ["n3", "n7"]), why="request")

    store.commit(erase).result()
    with store.snapshot() as snapshot:
        findings = verify(snapshot, CONTENTS, [held])
        assert snapshot.one("SELECT count(*) FROM audit_leaves WHERE ref IN ('n3', 'n7')") == (0,)
    assert findings.intact
    assert findings.erased == 2


def test_a_deletion_cannot_pose_as_an_erasure(store: SqliteStore) -> None:
    """Without an entry that says so, a missing salt is a missing salt."""
    write(store, *range(5))
    store.commit(lambda t: t.run("DELETE FROM notes WHERE ref = 'n2'")).result()
    store.commit(lambda t: forget(t, "note", ["n2"])).result()
    assert "no erasure says so" in found_wrong(store)[0]


def test_acts_are_entered_with_their_content(store: SqliteStore) -> None:
    """An act has no other table; changing what it says is found."""
    store.commit(lambda t: enter_act(t, "act", {"did": "made a key"})).result()
    assert not found_wrong(store)
    store.commit(lambda t: t.run("UPDATE audit_acts SET body = '{}'")).result()
    assert "changed after it was entered" in found_wrong(store)[0]


def test_unknown_kinds_are_named(store: SqliteStore) -> None:
    """An entry nobody can check is not quietly passed over."""
    store.commit(lambda t: enter(t, "mystery", "x", b"")).result()
    assert "mystery" in found_wrong(store)[0]


class Undo(Exception):
    """Takes a tampering back."""


def _tamper(dice: random.Random, size: int) -> Callable[[Transaction], None]:
    """Return one random way of an intruder who can write every table, and forges the shop's own checkpoints."""
    entry, other = dice.sample(range(1, size + 1), 2)

    def swap(t: Transaction, columns: str) -> None:
        rows = {i: t.one(f"SELECT {columns} FROM audit_leaves WHERE id = ?", (i,)) for i in (entry, other)}
        changes = ", ".join(f"{name} = ?" for name in columns.split(", "))
        for to, source in ((entry, other), (other, entry)):
            t.run(f"UPDATE audit_leaves SET {changes} WHERE id = ?", (*(rows[source] or ()), to))

    def drop_entry(t: Transaction) -> None:
        t.run("DELETE FROM audit_leaves WHERE id = ?", (entry,))
        if dice.random() < 0.5:  # close the gap, as a careful intruder would
            t.run("UPDATE audit_leaves SET id = -id WHERE id > ?", (entry,))
            t.run("UPDATE audit_leaves SET id = -id - 1 WHERE id < 0")

    def cut(t: Transaction) -> None:
        t.run("DELETE FROM audit_leaves WHERE id >= ?", (entry,))
        if dice.random() < 0.5:
            t.run("DELETE FROM audit_checkpoints WHERE size >= ?", (entry,))

    def rewrite(t: Transaction) -> None:
        t.run("UPDATE notes SET body = 'forged' WHERE ref = (SELECT ref FROM audit_leaves WHERE id = ?)", (entry,))
        if dice.random() < 0.5:  # with a leaf that fits the forged content
            ref = (t.one("SELECT ref FROM audit_leaves WHERE id = ?", (entry,)) or ("",))[0]
            t.run("DELETE FROM audit_leaves WHERE id = ?", (entry,))
            enter(t, "note", ref, b"forged")
            t.run("UPDATE audit_leaves SET id = ? WHERE id = (SELECT max(id) FROM audit_leaves)", (entry,))

    ways: list[Callable[[Transaction], object]] = [
        lambda t: swap(t, "leaf"), lambda t: swap(t, "kind, ref, salt, leaf"), drop_entry, cut, rewrite,
        lambda t: t.run("DELETE FROM notes WHERE ref = (SELECT ref FROM audit_leaves WHERE id = ?)", (entry,)),
        lambda t: t.run("UPDATE audit_leaves SET leaf = zeroblob(32) WHERE id = ?", (entry,)),
        lambda t: t.run("UPDATE audit_leaves SET salt = zeroblob(16) WHERE id = ?", (entry,)),
        lambda t: t.run("UPDATE audit_leaves SET salt = NULL, ref = '' WHERE id = ?", (entry,)),
    ]  # fmt: skip
    way = dice.choice(ways)
    forge = dice.random() < 0.5

    def work(t: Transaction) -> None:
        way(t)
        if forge:
            t.run("DELETE FROM audit_checkpoints")

    return work


def test_a_thousand_random_tamperings_are_all_found(store: SqliteStore) -> None:
    """Against one checkpoint held elsewhere: edits, deletions, reorderings, truncations, forged checkpoints."""
    size = 40
    write(store, *range(size))
    held = extend(store, Signer(SECRETS))
    dice = random.Random(7)
    missed = []
    for _ in range(1_000):
        work = _tamper(dice, size)

        def look(transaction: Transaction, work: Callable[[Transaction], None] = work) -> None:
            work(transaction)
            if verify(transaction, CONTENTS, [held]).intact:
                missed.append(work)
            raise Undo

        with pytest.raises(Undo):
            store.commit(look).result()
    assert missed == []
    assert not found_wrong(store, held)


def test_a_held_checkpoint_must_be_ours_and_whole(store: SqliteStore) -> None:
    """An edited note, another key or plain text is refused with a reason."""
    write(store, 1, 2, 3)
    signer = Signer(SECRETS)
    checkpoint = extend(store, signer)
    note = signer.sign(checkpoint)
    assert read_checkpoint(note, signer.public) == checkpoint
    stranger = Signer(Secrets(log=b"another secret of thirty-two byte"))
    for broken, key in (
        (note.replace("\n3\n", "\n2\n"), signer.public), (note, stranger.public), ("hello", signer.public),
        (note, "no key"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            read_checkpoint(broken, key)
