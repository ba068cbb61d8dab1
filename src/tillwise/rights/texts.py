"""Texts behind codes: a personal coupon code is a text that nobody else's rows mean, and goes with its person.

Whether anybody else uses a text takes a look through the log. It is done after the rows are gone, page by page and
outside of any transaction, so that no decision waits for it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from tillwise.events.lookup import rows_in
from tillwise.rights.holder import Counts
from tillwise.rights.person import Person
from tillwise.vocabulary.store import Snapshot, Store, Transaction

PAGE: Final = 200_000
"""Positions looked through at once: no snapshot stays open for longer."""
_INDEXED: Final = ("item", "merchant")
_SEARCHED: Final = ("kind", "category", "brand", "method")
_COLUMNS: Final = (*_INDEXED, *_SEARCHED)
_SELECT: Final = f"SELECT DISTINCT {', '.join(_COLUMNS)} FROM facts WHERE seq IN"
_DELETE: Final = (
    "DELETE FROM codes WHERE code = ? AND NOT EXISTS (SELECT 1 FROM items WHERE items.code = codes.code)"
    f" AND NOT EXISTS (SELECT 1 FROM facts WHERE seq > ? AND codes.code IN ({', '.join(_COLUMNS)}))"
)


def texts_of(snapshot: Snapshot, seqs: Collection[int]) -> tuple[int, ...]:
    """Return the codes of every text these events used."""
    return tuple(sorted({code for row in rows_in(snapshot, _SELECT, seqs) for code in row if code is not None}))


class Texts:
    """The texts of codes as a holder. They lie in a table, and are looked for like a copy: after the rows."""

    name = "texts"
    tables = frozenset({"codes"})

    def erase_files(self, store: Store, person: Person) -> Counts:
        """Delete the texts nobody's rows mean any more; return how many."""
        left = set(person.texts)
        if not left:
            return {}
        with store.snapshot() as snapshot:
            end = int((snapshot.one("SELECT seq FROM head") or (0,))[0])
            for key in _INDEXED:
                used = rows_in(snapshot, f"SELECT DISTINCT {key} FROM by_{key} WHERE {key} IN", left)
                left -= {row[0] for row in used}
        for start in range(0, end, PAGE):
            if left:
                with store.snapshot() as snapshot:
                    left -= _used(snapshot, left, start)
        if not left:
            return {}

        def work(transaction: Transaction) -> int:
            return sum(transaction.run(_DELETE, (code, end)) for code in left)

        deleted = store.commit(work).result()
        return {"codes": deleted} if deleted else {}


def _used(snapshot: Snapshot, codes: Collection[int], start: int) -> set[int]:
    marks = ", ".join("?" for _ in codes)
    wanted = " OR ".join(f"{column} IN ({marks})" for column in _SEARCHED)
    sql = f"SELECT DISTINCT {', '.join(_SEARCHED)} FROM facts WHERE seq > ? AND seq <= ? AND ({wanted})"
    rows = snapshot.all(sql, (start, start + PAGE, *(code for _ in _SEARCHED for code in codes)))
    return {code for row in rows for code in row if code is not None}
