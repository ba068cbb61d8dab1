"""The log nobody can quietly edit: 10,000 manipulations against a checkpoint held elsewhere, and 1 M entries verified.

Protocol
- The tables are the shop's own: receipts, consents, acts, reads, outcomes, runs, checkpoints. A log of `--small`
  entries grows in rounds, with erasures in between; the newest checkpoint is signed and put aside.
- `--manipulations` times, an intruder who can write every table and holds the signing key does one thing at random on
  a copy in memory: edits a content, a column, a salt or a leaf; deletes a row, with or without closing the gap; swaps
  rows, leaves or runs; cuts off the end; puts something in; changes checkpoints. Half of the time the intruder then
  computes everything anew and signs it: leaves, runs, tree and checkpoints fit each other again. What was done to the
  copy is undone afterwards. Each one must be found, with the checkpoint held elsewhere; the untouched log must verify.
- A manipulation that changed nothing (two equal things swapped) is drawn again, never counted.
- `--entries` entries (79 % receipts with bodies of `--body` bytes, 14 % consents, 1 % acts, 4 % reads with the people
  in them, 2 % outcomes) are verified from a file in
  a process that has not read it before, contents hashed anew; three runs, the best and the worst are shown.
Target: 100 % found; 1 M entries in at most 10 s.

    python benchmarks/audit.py                       # everything, some minutes
    python benchmarks/audit.py --manipulations 500 --entries 50000
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tillwise.access import tables as access
from tillwise.access.reads import log_read
from tillwise.audit import log
from tillwise.audit.checkpoint import Checkpoint, Signer, read_checkpoint
from tillwise.audit.extend import extend, newest_checkpoint
from tillwise.audit.log import ACTS, enter_act, enter_erasure, forget
from tillwise.audit.merkle import Frontier
from tillwise.audit.source import Source, entry_hash
from tillwise.audit.verify import verify
from tillwise.decisions import receipts
from tillwise.events import tables
from tillwise.outcomes import outcomes
from tillwise.outcomes.outcomes import Outcome
from tillwise.privacy import ledger
from tillwise.rights.entered import CONSENT, OUTCOME, READ, READ_PERSON, RECEIPT, SOURCES
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore, SqliteTransaction
from tillwise.vocabulary.identity import new_decision_id
from tillwise.vocabulary.store import Row, Transaction

SECRETS = Secrets(log=b"a secret of the benchmark, 32 bytes long or more")
SIGNER = Signer(SECRETS)
TABLES = (*log.TABLES, *tables.TABLES, *ledger.TABLES, *receipts.TABLES, *access.TABLES, *outcomes.TABLES)
WALL = 1_790_000_000_000
RECEIPT_COLUMNS = (
    "decision_id", "use_case", "subject", "order_ref", "epoch", "at", "mark", "wall", "action", "model", "degraded",
    "simulated", "key_id",
)  # fmt: skip
CONSENT_COLUMNS = CONSENT.head
PURPOSES = ("marketing", "recommend", "search", "train")


def receipt_rows(draw: random.Random, start: int, count: int, body: int) -> Iterator[tuple[object, ...]]:
    """Yield receipts: their columns, body, salt, leaf."""
    filler = os.urandom(body).hex()
    for n in range(start, start + count):
        head = (
            str(new_decision_id()), draw.choice(("fraud", "churn", "recommendations")), draw.getrandbits(62), n, 1,
            WALL + n, 2 * n + 1, WALL + n, draw.choice(("approve", "review", "none")), "sha256:" + "ab" * 32, None,
            0, "key-1",
        )  # fmt: skip
        cut = draw.randrange(body)
        text = f'{{"n":{n},"filler":"{filler[cut : cut + max(1, body - 24)]}"}}'.encode()
        yield (*head, text, *RECEIPT.seal(head, text))


def consent_rows(draw: random.Random, start: int, count: int) -> Iterator[tuple[object, ...]]:
    """Yield consents: their columns, salt, leaf."""
    for n in range(start, start + count):
        head = (
            draw.getrandbits(62), draw.choice(PURPOSES), n, WALL + n, draw.choice(("given", "withdrawn")), "consent",
            "DE", "notice-1", "sha256:" + "cd" * 32, "banner", -1, 0, 0, "",
        )  # fmt: skip
        yield (*head, *CONSENT.seal(head))


def write(transaction: Transaction, draw: random.Random, start: int, count: int, body: int) -> None:
    """Append `count` entries in the shares of the protocol."""
    consents, acts = max(1, count * 14 // 100), max(1, count // 100)
    reads = told = max(1, count * 2 // 100)  # a read is two entries: the line, and who is in it
    columns = ", ".join(RECEIPT_COLUMNS)
    transaction.run_many(
        f"INSERT INTO receipts ({columns}, body, salt, leaf, latency, delivered)"
        f" VALUES ({', '.join('?' * len(RECEIPT_COLUMNS))}, ?, ?, ?, 900, 1)",
        receipt_rows(draw, start, count - consents - acts - 2 * reads - told, body),
    )
    transaction.run_many(
        f"INSERT INTO consents ({', '.join(CONSENT_COLUMNS)}, salt, leaf)"
        f" VALUES ({', '.join('?' * len(CONSENT_COLUMNS))}, ?, ?)",
        consent_rows(draw, start, consents),
    )
    for n in range(acts):
        enter_act(transaction, draw.choice(("release", "key", "policy")), {"n": start + n})
    for _ in range(reads):
        log_read(transaction, who="p-1", what="page", reason="audit", subjects=(draw.getrandbits(62),))
    for _ in range(told):
        told_of = {"decision_id": str(new_decision_id()), "order_ref": draw.getrandbits(62)}
        outcomes.append(transaction, Outcome("purchase", draw.random(), WALL, **told_of))


def erase(transaction: Transaction, draw: random.Random) -> None:
    """Erase three receipts as an erasure does it."""
    ids = [row[0] for row in transaction.all("SELECT decision_id FROM receipts ORDER BY random() LIMIT 3")]
    entries = forget(transaction, RECEIPT, ids)
    transaction.run_many("DELETE FROM receipts WHERE decision_id = ?", [(each,) for each in ids])
    enter_erasure(transaction, entries, request=f"r-{draw.randrange(10**6)}")


def grown(folder: Path, entries: int, body: int, rounds: int, seed: int) -> tuple[Path, str]:
    """Return a log of so many entries, and the signed checkpoint over all of it."""
    path, draw = folder / f"log-{entries}.db", random.Random(seed)
    store = SqliteStore(path)
    store.create(TABLES)
    each = entries // rounds
    for number in range(rounds):
        start = number * each
        store.commit(lambda t: write(t, draw, start, each, body)).result()  # noqa: B023
        extend(store, SOURCES, SIGNER)
        if entries < 100_000:
            store.commit(lambda t: erase(t, draw)).result()
    extend(store, SOURCES, SIGNER)
    with store.snapshot() as snapshot:
        newest = newest_checkpoint(snapshot)
    store.close()
    assert newest is not None
    return path, newest[2]


class Intruder:
    """Writes every table, and holds the signing key."""

    def __init__(self, transaction: Transaction, draw: random.Random) -> None:
        self._t = transaction
        self._draw = draw

    def rows(self, source: Source) -> list[Row]:
        """Return the keys of a source's rows."""
        return self._t.all(f"SELECT {', '.join(source.order)} FROM {source.table} ORDER BY {', '.join(source.order)}")

    def some(self, source: Source, n: int = 1) -> list[Row]:
        """Return some of its rows, by their keys."""
        return self._draw.sample(self.rows(source), n)

    def where(self, source: Source) -> str:
        """Return what finds one row."""
        return " AND ".join(f"{column} = ?" for column in source.order)

    def edit(self) -> None:
        """Change one column of one row: numbers by one, texts by a letter, bytes by a bit."""
        source = self._draw.choice((RECEIPT, RECEIPT, CONSENT, ACTS, READ, READ_PERSON, OUTCOME))
        free = {
            "receipt": [*RECEIPT_COLUMNS, "body", "salt", "leaf", "seq"],
            "consent": [*CONSENT_COLUMNS, "salt", "leaf"],
            "act": ["ref", "kind", "wall", "body", "salt", "leaf"],
            "read": [*READ.head, "salt", "leaf"],
            "read person": [*READ_PERSON.head, "salt", "leaf"],
            "outcome": [*OUTCOME.head, "salt", "leaf"],
        }[source.name]
        column, (key,) = self._draw.choice(free), self.some(source)
        value = (self._t.one(f"SELECT {column} FROM {source.table} WHERE {self.where(source)}", key) or (None,))[0]
        self._t.run(
            f"UPDATE OR REPLACE {source.table} SET {column} = ? WHERE {self.where(source)}", (self.other(value), *key)
        )

    def other(self, value: object) -> object:
        """Return something else of the same type."""
        if isinstance(value, bytes):
            at = self._draw.randrange(len(value))
            return value[:at] + bytes([value[at] ^ (1 << self._draw.randrange(8))]) + value[at + 1 :]
        if isinstance(value, int | float):
            return value + self._draw.choice((-1, 1))
        return f"{value or ''}x"

    def delete(self) -> None:
        """Delete rows; half of the time their leaves go too."""
        source = self._draw.choice(SOURCES)
        for key in self.some(source, self._draw.randrange(1, 4)):
            leaf = (self._t.one(f"SELECT leaf FROM {source.table} WHERE {self.where(source)}", key) or (b"",))[0]
            entry = entry_hash(key[0], bytes(leaf))
            self._t.run(f"DELETE FROM {source.table} WHERE {self.where(source)}", key)
            if self._draw.random() < 0.5:
                self.cut_entry(entry)

    def cut_entry(self, entry: bytes) -> None:
        """Take an entry out of its run."""
        for first, packed in self._t.all("SELECT first, leaves FROM audit_runs"):
            at = bytes(packed).find(entry)
            if at >= 0 and at % 32 == 0:
                self._t.run(
                    "UPDATE audit_runs SET leaves = ? WHERE first = ?", (packed[:at] + packed[at + 32 :], first)
                )

    def swap_rows(self) -> None:
        """Let two rows of a table change places, whole or in one column."""
        source = self._draw.choice((RECEIPT, ACTS))
        one, two = self.some(source, 2)
        position = source.position
        self._t.run(f"UPDATE {source.table} SET {position} = -1 WHERE {position} = ?", one[:1])
        self._t.run(f"UPDATE {source.table} SET {position} = ? WHERE {position} = ?", (one[0], two[0]))
        self._t.run(f"UPDATE {source.table} SET {position} = ? WHERE {position} = -1", two[:1])

    def swap_leaves(self) -> None:
        """Let two leaves of a run change places."""
        runs = [row for row in self._t.all("SELECT first, leaves FROM audit_runs") if len(row[1]) >= 64]
        first, packed = self._draw.choice(runs)
        leaves = [packed[at : at + 32] for at in range(0, len(packed), 32)]
        one, two = self._draw.sample(range(len(leaves)), 2)
        leaves[one], leaves[two] = leaves[two], leaves[one]
        self._t.run("UPDATE audit_runs SET leaves = ? WHERE first = ?", (b"".join(leaves), first))

    def swap_runs(self) -> None:
        """Let two runs of equal length change places, or give one to another source."""
        runs = self._t.all("SELECT first, source, upto, leaves FROM audit_runs")
        one, two = self._draw.sample(runs, 2)
        for target, other in ((one, two), (two, one)):
            self._t.run(
                "UPDATE audit_runs SET source = ?, upto = ?, leaves = ? WHERE first = ?", (*other[1:], target[0])
            )

    def truncate(self) -> None:
        """Cut off the end: rows, runs, checkpoints, and the tree's edge."""
        runs = self._t.all("SELECT first, source, upto, leaves FROM audit_runs ORDER BY first")
        keep = self._draw.randrange(1, len(runs))
        for first, name, _, _ in runs[keep:]:
            self._t.run("DELETE FROM audit_runs WHERE first = ?", (first,))
            source = next(each for each in SOURCES if each.name == name)
            upto = (self._t.one("SELECT coalesce(max(upto), -1) FROM audit_runs WHERE source = ?", (name,)) or (-1,))[0]
            self._t.run(f"DELETE FROM {source.table} WHERE {source.position} > ?", (upto,))
        self.edge()

    def put_in(self) -> None:
        """Put a receipt in where none was, with a leaf that fits it."""
        rows = receipt_rows(self._draw, self._draw.randrange(10**9), 1, 40)
        columns = ", ".join(RECEIPT_COLUMNS)
        taken = {row[0] for row in self.rows(RECEIPT)}
        free = [seq for seq in range(-5, max(taken)) if seq not in taken]
        self._t.run_many(
            f"INSERT INTO receipts (seq, {columns}, body, salt, leaf, latency, delivered)"
            f" VALUES ({self._draw.choice(free)}, {', '.join('?' * len(RECEIPT_COLUMNS))}, ?, ?, ?, 900, 1)", rows,
        )  # fmt: skip

    def checkpoints(self) -> None:
        """Change, or drop and sign anew, the shop's own checkpoints over a log that was edited too."""
        self.edit()
        if self._draw.random() < 0.5:
            self._t.run("DELETE FROM audit_signed")
        else:
            self._t.run("UPDATE audit_signed SET root = randomblob(32)")

    def edge(self) -> None:
        """Compute tree and checkpoints anew from the runs, and sign them."""
        packed = b"".join(bytes(row[0]) for row in self._t.all("SELECT leaves FROM audit_runs ORDER BY first"))
        frontier = Frontier().extend_packed(packed)
        self._t.run("UPDATE audit_edge SET size = ?, roots = ?", (frontier.size, b"".join(frontier.roots)))
        self._t.run("DELETE FROM audit_signed")
        signed = SIGNER.sign(Checkpoint(frontier.size, frontier.root))
        self._t.run("INSERT INTO audit_signed VALUES (?, ?, ?, ?)", (frontier.size, WALL, frontier.root, signed))

    def rewrite(self, erased: set[bytes]) -> None:
        """Compute everything anew from the rows as they are, run by run: leaves, runs, tree, checkpoints.

        What was erased before keeps its leaf and its place, so that nothing but the manipulation itself differs.
        """
        after = {source.name: -(10**9) for source in SOURCES}
        first = 0
        runs = self._t.all("SELECT first, source, upto, leaves FROM audit_runs ORDER BY first")
        self._t.run("DELETE FROM audit_runs")
        for _, name, upto, packed in runs:
            source = next(each for each in SOURCES if each.name == name)
            leaves = self.sealed_again(source, after[name], upto)
            after[name] = max(upto, after[name])
            for place in range(len(packed) // 32):
                if packed[32 * place : 32 * place + 32] in erased:
                    leaves.insert(place, packed[32 * place : 32 * place + 32])
            if leaves:
                self._t.run("INSERT INTO audit_runs VALUES (?, ?, ?, ?)", (first, name, upto, b"".join(leaves)))
                first += len(leaves)
        self.edge()

    def sealed_again(self, source: Source, after: int, upto: int) -> list[bytes]:
        """Give the rows of a run leaves that fit what they say now."""
        order = ", ".join(source.order)
        rows = self._t.all(
            f"SELECT {source.columns} FROM {source.table} WHERE {source.position} > ?"
            f" AND {source.position} <= ? ORDER BY {order}",
            (after, upto),
        )
        leaves = source.leaves(rows)
        self._t.run_many(
            f"UPDATE {source.table} SET leaf = ? WHERE {self.where(source)}",
            [(leaf, *source.key(row)) for leaf, row in zip(leaves, rows, strict=True) if leaf != row[1]],
        )
        return [entry_hash(row[2], leaf) for row, leaf in zip(rows, leaves, strict=True)]


def erased_leaves(transaction: Transaction) -> set[bytes]:
    """Return the leaves in the tree whose rows were erased."""
    held = {
        entry_hash(row[0], bytes(row[1]))
        for source in SOURCES
        for row in transaction.all(f"SELECT {source.position}, leaf FROM {source.table}")
    }
    packed = b"".join(bytes(row[0]) for row in transaction.all("SELECT leaves FROM audit_runs"))
    return {packed[at : at + 32] for at in range(0, len(packed), 32)} - held


def content_of(transaction: Transaction) -> int:
    """Return a number that changes with anything in the log."""
    held = (*(source.table for source in SOURCES), "audit_runs")
    return hash(tuple(tuple(transaction.all(f"SELECT * FROM {table}")) for table in held))


def manipulate(path: Path, held: Checkpoint, times: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Return how often each thing was done, and what was not found."""
    memory = sqlite3.connect(":memory:", isolation_level=None)
    with sqlite3.connect(path) as disk:
        disk.backup(memory)
    transaction = SqliteTransaction(memory)
    if not verify(transaction, SOURCES, [held]).intact:
        raise SystemExit("the untouched log does not verify")
    draw, done, missed, before = random.Random(seed), Counter[str](), list[str](), content_of(transaction)
    erased = erased_leaves(transaction)
    names = ("edit", "edit", "delete", "swap_rows", "swap_leaves", "swap_runs", "truncate", "put_in", "checkpoints")
    while done.total() < times:
        name, forge = draw.choice(names), draw.random() < 0.5
        intruder = Intruder(transaction, draw)
        memory.execute("SAVEPOINT intruder")
        action: Callable[[], None] = getattr(intruder, name)
        action()
        if forge:
            intruder.rewrite(erased)
        if content_of(transaction) != before:
            word = f"{name}{' and rewrite' if forge else ''}"
            done[word] += 1
            if verify(transaction, SOURCES, [held]).intact:
                missed.append(word)
        memory.execute("ROLLBACK TO intruder")
        memory.execute("RELEASE intruder")
    if not verify(transaction, SOURCES, [held]).intact:
        raise SystemExit("the log was not put back")
    return done, missed


def timed(path: Path, held: Checkpoint) -> None:
    """Verify a file once, and print the seconds: the work of a fresh process."""
    store = SqliteStore(path)
    began, worked = time.perf_counter(), time.process_time()
    with store.snapshot() as snapshot:
        found = verify(snapshot, SOURCES, [held])
    spent = time.perf_counter() - began, time.process_time() - worked
    print(f"{spent[0]:.2f} {spent[1]:.2f} {found.entries} {found.intact}")
    store.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manipulations", type=int, default=10_000)
    parser.add_argument("--small", type=int, default=600)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--body", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verify", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.verify:
        timed(Path(asked.verify[0]), read_checkpoint(Path(asked.verify[1]).read_text("utf-8"), SIGNER.public))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        path, note = grown(folder, asked.small, 60, 6, asked.seed)
        held = read_checkpoint(note, SIGNER.public)
        began = time.perf_counter()
        done, missed = manipulate(path, held, asked.manipulations, asked.seed)
        print(f"log of {held.size} entries, {time.perf_counter() - began:.0f} s")
        for name, count in sorted(done.items()):
            print(f"  {name:<28} {count:6} done  {count - missed.count(name):6} found")
        print(f"found {done.total() - len(missed)} of {done.total()}   target: all")
        if asked.entries:
            measure(folder, asked)
    if missed:
        raise SystemExit(1)


def measure(folder: Path, asked: argparse.Namespace) -> None:
    """Build the large log, and time its verification in fresh processes."""
    path, note = grown(folder, asked.entries, asked.body, 20, asked.seed)
    (folder / "held.txt").write_text(note, "utf-8")
    command = [sys.executable, __file__, "--verify", str(path), str(folder / "held.txt")]
    answers = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() for _ in range(3)]
    seconds = sorted(float(each[0]) for each in answers)
    work = sorted(float(each[1]) for each in answers)
    whole = all(each[3] == "True" for each in answers)
    size = path.stat().st_size / 1e9
    print(
        f"{answers[0][2]} entries ({size:.1f} GB, bodies of {asked.body} bytes) verified in {seconds[0]:.1f} to"
        f" {seconds[-1]:.1f} s (of one processor: {work[0]:.1f} to {work[-1]:.1f} s), intact: {whole}"
        "   target: 1 M in 10 s"
    )


if __name__ == "__main__":
    main()
