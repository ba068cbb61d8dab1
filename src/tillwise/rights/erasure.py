"""Erasing a person: rows, marks, salts and keys in one transaction; then every file copy; then the write-ahead log.

The rows go first and together. What the files still need is kept in the request (positions and keys, no text) until
they are done, so that an erasure that was interrupted goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from tillwise.audit.log import enter_erasure, forget
from tillwise.audit.tombstones import bury
from tillwise.events.log import allocate
from tillwise.rights.entered import RECEIPT
from tillwise.rights.holder import Counts, FileHolder, Holder
from tillwise.rights.person import Person, find_person, with_shared
from tillwise.rights.requests import Asked
from tillwise.settings import Secrets
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.store import Store, Transaction


class Scrubbing(Store, Protocol):
    """A store that can also let go of what its own log still holds."""

    def scrub(self) -> None:
        """Leave no deleted byte in any file of the store."""
        ...


PENDING: Final = "pending"


class Erasure:
    """Erases one person from every holder."""

    def __init__(self, store: Scrubbing, secrets: Secrets, rows: Sequence[Holder], files: Sequence[FileHolder]) -> None:
        self._store = store
        self._secrets = secrets
        self._rows = tuple(rows)
        self._files = tuple(files)

    def rows(self, request_id: str, asked: Asked) -> None:
        """Erase everything in the row store, and note in the request what the files still need; raise NotFound."""

        def work(transaction: Transaction) -> None:
            found = find_person(transaction, self._secrets, asked.subject, anonymous=asked.anonymous)
            person = with_shared(transaction, found)
            counts: dict[str, Counts] = {holder.name: holder.erase(transaction, person) for holder in self._rows}
            allocate(transaction, 1, 0)  # a receipt on its way looks again: see privacy/recheck.py
            entries = forget(transaction, RECEIPT, person.decisions)
            enter_erasure(transaction, entries, request=request_id)
            bury(transaction, self._secrets, "decision", person.decisions)
            kind = "anonymous" if asked.anonymous else "subject"
            bury(transaction, self._secrets, kind, (asked.subject,))
            pending = {"seqs": person.seqs, "keys": person.keys, "first": person.first}
            _note(transaction, request_id, {"rows": counts, PENDING: pending})

        self._store.commit(work).result()

    def files(self, request_id: str, noted: Json) -> Json:
        """Erase what is left outside the tables; return the counts of everything. Repeating it does no harm."""
        pending = noted[PENDING]
        person = Person(pending["first"], tuple(pending["keys"]), (), (), tuple(pending["seqs"]), (), ())
        self._store.commit(lambda transaction: _sweep(transaction, person)).result()
        counts = {holder.name: holder.erase_files(self._store, person) for holder in self._files}
        result: Json = {"rows": noted["rows"], "files": counts}
        self._store.commit(lambda transaction: _note(transaction, request_id, result)).result()
        self._store.scrub()
        return result


def _sweep(transaction: Transaction, person: Person) -> None:
    """Delete receipts of decisions that were on the road while the person was erased."""
    found = []
    for key in person.keys:
        for column in ("subject", "anonymous"):
            found += transaction.all(f"SELECT decision_id FROM receipts WHERE {column} = ?", (key,))
    late = sorted({str(row[0]) for row in found})
    for table in ("receipts", "requests", "reviews"):
        transaction.run_many(f"DELETE FROM {table} WHERE decision_id = ?", [(each,) for each in late])
    if late:
        enter_erasure(transaction, forget(transaction, RECEIPT, late))


def _note(transaction: Transaction, request_id: str, result: Any) -> None:
    transaction.run(
        "UPDATE rights_requests SET result = ? WHERE id = ?", (msgspec.json.encode(result).decode(), request_id)
    )
