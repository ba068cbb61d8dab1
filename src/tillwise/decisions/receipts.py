"""The tables of decisions: receipts, the request ids they answered, and the policies they followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from tillwise.audit import log as audit_log
from tillwise.audit.log import add_columns, enter_act
from tillwise.audit.source import Source
from tillwise.decisions.receipt import Receipt, decode, encode
from tillwise.errors import NotFound
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import Milliseconds
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.store import Row, Snapshot, Transaction

TABLES: Final = (
    *audit_log.TABLES,
    "CREATE TABLE IF NOT EXISTS receipts (seq INTEGER PRIMARY KEY AUTOINCREMENT, decision_id TEXT NOT NULL UNIQUE,"
    " use_case TEXT NOT NULL, subject INTEGER, anonymous INTEGER, order_ref INTEGER, epoch INTEGER NOT NULL,"
    " at INTEGER NOT NULL, mark INTEGER NOT NULL, wall INTEGER NOT NULL, action TEXT NOT NULL, model TEXT,"
    " latency INTEGER NOT NULL, degraded TEXT, simulated INTEGER NOT NULL, delivered INTEGER NOT NULL,"
    " body BLOB NOT NULL, salt BLOB, leaf BLOB, key_id TEXT NOT NULL DEFAULT '') STRICT",
    "CREATE INDEX IF NOT EXISTS receipts_wall ON receipts (wall)",
    "CREATE INDEX IF NOT EXISTS receipts_subject ON receipts (subject) WHERE subject IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS receipts_anonymous ON receipts (anonymous) WHERE anonymous IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS receipts_order ON receipts (order_ref) WHERE order_ref IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS requests (key_id TEXT NOT NULL, use_case TEXT NOT NULL, request_id TEXT NOT NULL,"
    " question BLOB NOT NULL, decision_id TEXT NOT NULL, wall INTEGER NOT NULL,"
    " PRIMARY KEY (key_id, use_case, request_id)) STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS requests_decision ON requests (decision_id)",
    "CREATE INDEX IF NOT EXISTS requests_wall ON requests (wall)",
    "CREATE TABLE IF NOT EXISTS policies (revision TEXT PRIMARY KEY, use_case TEXT NOT NULL, body BLOB NOT NULL)"
    " STRICT, WITHOUT ROWID",
)
LOGGED: Final = Source(
    "receipt",
    "receipts",
    ("seq",),
    ("decision_id", "use_case", "coalesce(subject, anonymous)", "order_ref", "epoch", "at", "mark", "wall", "action",
     "model", "degraded", "simulated", "key_id"),
    "decision_id",
    "body",
)  # fmt: skip
"""How receipts enter the audit log. A position is never given twice (AUTOINCREMENT), also after an erasure."""
DAY: Final = 24 * 3_600_000
"""How long a request id stays taken, on the wall clock."""

_COLUMNS: Final = "decision_id, subject, anonymous, order_ref, delivered, body, key_id"


class Kept(msgspec.Struct, frozen=True):
    """A receipt as it lies in the store, with whom and which order it was about.

    `delivered` is False when the answer left without waiting for the receipt: the caller got the declared unrecorded
    answer instead of this one. `key_id` says whose key asked; empty in receipts of an earlier release.
    """

    receipt: Receipt
    subject: Pseudonym | None
    anonymous: Pseudonym | None
    order_ref: int | None
    delivered: bool = True
    key_id: str = ""


class Asked(msgspec.Struct, frozen=True):
    """A request id: unique per key and use case for 24 hours. `question` is a keyed hash of the whole body.

    `request_id` is a keyed hash too: callers put order numbers and user ids into it.
    """

    key_id: str
    use_case: str
    request_id: str
    question: bytes


@dataclass(frozen=True, slots=True)
class Before:
    """What a request id was used for in the last 24 hours."""

    question: bytes
    decision_id: str


def insert(transaction: Transaction, kept: Kept) -> None:
    """Append a receipt with its leaf of the audit log; the tree takes the leaf over later, no decision waits for it."""
    receipt, decision = kept.receipt, kept.receipt.decision
    body = encode(receipt)
    model = None if receipt.model is None else receipt.model.version
    degraded = None if decision.degraded is None else decision.degraded.value
    simulated = int(receipt.simulated)
    salt, leaf = LOGGED.seal(
        (
            receipt.decision_id, receipt.use_case, kept.anonymous if kept.subject is None else kept.subject,
            kept.order_ref, receipt.epoch, receipt.at, receipt.mark, receipt.wall, decision.action, model, degraded,
            simulated, kept.key_id,
        ),
        body,
    )  # fmt: skip
    transaction.run(
        "INSERT INTO receipts (decision_id, use_case, subject, anonymous, order_ref, epoch, at, mark, wall, action,"
        " model, latency, degraded, simulated, delivered, body, salt, leaf, key_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?)",
        (
            receipt.decision_id, receipt.use_case, kept.subject, kept.anonymous, kept.order_ref, receipt.epoch,
            receipt.at, receipt.mark, receipt.wall, decision.action, model, receipt.latency.total, degraded, simulated,
            body, salt, leaf, kept.key_id,
        ),
    )  # fmt: skip


def upgrade(transaction: Transaction) -> None:
    """Give the receipts of an earlier release what they lack: leaves, and positions that are never given twice."""
    row = transaction.one("SELECT sql FROM sqlite_master WHERE name = 'receipts'")
    if row is None or ("AUTOINCREMENT" in row[0] and "key_id" in row[0]):
        return
    add_columns(transaction, "receipts")
    for (name,) in transaction.all(
        "SELECT name FROM sqlite_master WHERE tbl_name = 'receipts' AND sql LIKE 'CREATE INDEX%'"
    ):
        transaction.run(f"DROP INDEX {name}")
    transaction.run("ALTER TABLE receipts RENAME TO receipts_before")
    for statement in TABLES:
        transaction.run(statement)
    columns = ", ".join(str(each[1]) for each in transaction.all("PRAGMA table_info(receipts_before)"))
    transaction.run(f"INSERT INTO receipts ({columns}) SELECT {columns} FROM receipts_before")
    transaction.run("DROP TABLE receipts_before")


def find(snapshot: Snapshot, decision_id: str) -> Kept:
    """Return a receipt by its decision id; raise NotFound."""
    kept = look_up(snapshot, decision_id)
    if kept is None:
        raise NotFound(f"no decision '{decision_id[:80]}' is on record")
    return kept


def look_up(snapshot: Snapshot, decision_id: str) -> Kept | None:
    """Return a receipt by its decision id, None when there is none (any more)."""
    row = snapshot.one(f"SELECT {_COLUMNS} FROM receipts WHERE decision_id = ?", (decision_id,))
    return None if row is None else _kept(row)


def find_for_order(snapshot: Snapshot, order_ref: int, use_case: str) -> list[Kept]:
    """Return the receipts about an order (`order_ref` as events/keys.py codes it), newest first."""
    rows = snapshot.all(
        f"SELECT {_COLUMNS} FROM receipts WHERE order_ref = ? AND use_case = ? ORDER BY seq DESC", (order_ref, use_case)
    )
    return [_kept(row) for row in rows]


def latest(snapshot: Snapshot, *, since: Milliseconds, limit: int = 100) -> list[Kept]:
    """Return the newest receipts since a moment of the wall clock, newest first."""
    rows = snapshot.all(f"SELECT {_COLUMNS} FROM receipts WHERE wall >= ? ORDER BY wall DESC LIMIT ?", (since, limit))
    return [_kept(row) for row in rows]


def _kept(row: Row) -> Kept:
    return Kept(decode(row[5]), row[1], row[2], row[3], bool(row[4]), row[6])


def asked_before(snapshot: Snapshot, asked: Asked, wall: Milliseconds) -> Before | None:
    """Return what this request id was used for, None when it is free."""
    row = snapshot.one(
        "SELECT question, decision_id FROM requests WHERE key_id = ? AND use_case = ? AND request_id = ? AND wall > ?",
        (asked.key_id, asked.use_case, asked.request_id, wall - DAY),
    )
    return None if row is None else Before(row[0], row[1])


def take_request_id(transaction: Transaction, asked: Asked, decision_id: str, wall: Milliseconds) -> None:
    """Note that this request id was answered by this decision."""
    transaction.run(
        "INSERT INTO requests (key_id, use_case, request_id, question, decision_id, wall) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (key_id, use_case, request_id) DO UPDATE SET question = excluded.question,"
        " decision_id = excluded.decision_id, wall = excluded.wall",
        (asked.key_id, asked.use_case, asked.request_id, asked.question, decision_id, wall),
    )


def forget_requests(transaction: Transaction, wall: Milliseconds) -> int:
    """Delete the request ids that are free again; return how many."""
    return transaction.run("DELETE FROM requests WHERE wall <= ?", (wall - DAY,))


def mark_undelivered(transaction: Transaction, decision_id: str) -> None:
    """Note that the answer left before this receipt was durable, and free its request id."""
    transaction.run("UPDATE receipts SET delivered = 0 WHERE decision_id = ?", (decision_id,))
    transaction.run("DELETE FROM requests WHERE decision_id = ?", (decision_id,))


def keep_policy(transaction: Transaction, revision: str, use_case: str, body: bytes) -> None:
    """Keep a policy under its revision, so that decisions made by it can be replayed."""
    sql = "INSERT INTO policies (revision, use_case, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    if transaction.run(sql, (revision, use_case, body)):
        enter_act(transaction, "policy", {"use_case": use_case, "revision": revision})


def find_policy(snapshot: Snapshot, revision: str) -> Json | None:
    """Return a policy by its revision, None when it is gone."""
    row = snapshot.one("SELECT body FROM policies WHERE revision = ?", (revision,))
    return None if row is None else msgspec.json.decode(row[0])
