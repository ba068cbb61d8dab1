"""Erasing a person: rows, marks, salts and keys in one transaction; then every file copy; then the write-ahead log.

The rows go first and together. What the files still need is kept in the request (positions and keys, no text) until
they are done, so that an erasure that was interrupted goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

import msgspec

from tillwise.audit.log import enter_erasure, forget
from tillwise.audit.tombstones import bury
from tillwise.events.log import allocate
from tillwise.privacy.holds import refuse_held
from tillwise.rights.entered import CONSENT, OUTCOME, READ_PERSON, RECEIPT
from tillwise.rights.holder import Counts, FileHolder, Holder
from tillwise.rights.person import Person, decisions_of, find_person, with_shared
from tillwise.rights.requests import Asked
from tillwise.rights.texts import texts_of
from tillwise.settings import Secrets
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.identity import Pseudonym
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
            refuse_held(transaction, person.keys)
            person = replace(person, texts=texts_of(transaction, person.seqs))
            counts, act = self._erase_rows(transaction, person, request=request_id)
            allocate(transaction, 1, 0)  # a receipt on its way looks again: see privacy/recheck.py
            bury(transaction, self._secrets, "decision", person.decisions, act=act)
            kind = "anonymous" if asked.anonymous else "subject"
            bury(transaction, self._secrets, kind, (asked.subject,), act=act)
            _note(transaction, request_id, {"rows": counts, PENDING: _pending(person)})

        self._store.commit(work).result()

    def files(self, request_id: str, noted: Json) -> Json:
        """Erase what is left outside the tables; return the counts of everything. Repeating it does no harm."""
        person = _person(noted[PENDING])
        self._store.commit(lambda transaction: self._sweep(transaction, person)).result()
        counts = {holder.name: found for holder in self._files if (found := holder.erase_files(self._store, person))}
        result: Json = {"rows": noted["rows"], "files": counts}
        self._store.commit(lambda transaction: _note(transaction, request_id, result)).result()
        self._store.scrub()
        return result

    def _erase_rows(self, transaction: Transaction, person: Person, **said: Any) -> tuple[dict[str, Counts], str]:
        """Return what was erased where, and the entry of the audit log that says so."""
        # Before the rows go: with them goes the only thing that leads to their entries.
        entries = forget(transaction, RECEIPT, person.decisions) + forget(transaction, CONSENT, person.keys)
        entries += forget(transaction, READ_PERSON, person.keys)
        entries += forget(transaction, replace(OUTCOME, found_by="decision_id"), person.decisions)
        entries += forget(transaction, replace(OUTCOME, found_by="order_ref"), person.orders)
        counts = {holder.name: found for holder in self._rows if (found := holder.erase(transaction, person))}
        return counts, enter_erasure(transaction, entries, **said)

    def _sweep(self, transaction: Transaction, person: Person) -> None:
        """Erase again by the keys: what somebody wrote who had looked the person up just before they were erased.

        Receipts look again before they are written (privacy/recheck.py); this is for everything else, such as a notice
        that was being served.
        """
        late = replace(person, seqs=(), decisions=decisions_of(transaction, person.keys))
        if any(holder.find(transaction, late) for holder in self._rows):
            self._erase_rows(transaction, late, late=True)


def _pending(person: Person) -> Json:
    """Return what the files need, without a text: positions, keys, keyed marks and codes."""
    marks = [mark.hex() for mark in person.marks]
    return {"first": person.first, "keys": person.keys, "seqs": person.seqs, "marks": marks, "texts": person.texts}


def _person(pending: Json) -> Person:
    return Person(
        Pseudonym(pending["first"]), tuple(pending["keys"]), (), (), tuple(pending["seqs"]), (), (),
        tuple(bytes.fromhex(mark) for mark in pending.get("marks", ())), tuple(pending.get("texts", ())),
    )  # fmt: skip


def _note(transaction: Transaction, request_id: str, result: Any) -> None:
    """Keep what is done so far; an answered request stays as its receipt says, whoever finishes it once more."""
    transaction.run(
        "UPDATE rights_requests SET result = ? WHERE id = ? AND finished IS NULL",
        (msgspec.json.encode(result).decode(), request_id),
    )
