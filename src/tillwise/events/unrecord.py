"""The reverse of events/record.py: takes events out of the log, of every copy of their rows, and of the tiles.

Rows of the subject-free stream carry no key of a person; they are found by their position, and subtracted from the
tiles exactly, so that no sum has to be computed afresh.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from tillwise.events.facts import FACT_COLUMNS, HOT_KEYS, PERSON_KEYS, Fact
from tillwise.events.lookup import rows_in
from tillwise.vocabulary.store import Transaction

Subtract = Callable[[Transaction, Sequence[Fact]], int]
"""Takes rows out of the tiles (TileWriter.subtract)."""
KEYED: Final = (*PERSON_KEYS, *(key for key in HOT_KEYS if key != "shop"))
TABLES_OF_EVENTS: Final = frozenset({"events", "facts", "by_shop", "tiles", *(f"by_{key}" for key in KEYED)})
_SELECT: Final = f"SELECT {', '.join(FACT_COLUMNS)} FROM facts WHERE seq IN"


def unrecord(transaction: Transaction, seqs: Collection[int], subtract: Subtract) -> dict[str, int]:
    """Delete the events at these positions and everything made of them; return how many rows by table."""
    facts = [Fact(*row) for row in sorted(set(rows_in(transaction, _SELECT, seqs)))]
    counts = {"tiles": subtract(transaction, facts)}
    transaction.run_many(
        "DELETE FROM by_shop WHERE at = ? AND seq = ? AND line = ?", [(fact.at, fact.seq, fact.line) for fact in facts]
    )
    for key in KEYED:
        index = FACT_COLUMNS.index(key)
        rows = [(fact[index], fact.at, fact.seq, fact.line) for fact in facts if fact[index] is not None]
        transaction.run_many(f"DELETE FROM by_{key} WHERE {key} = ? AND at = ? AND seq = ? AND line = ?", rows)
        counts[f"by_{key}"] = len(rows)
    transaction.run_many("DELETE FROM facts WHERE seq = ?", [(seq,) for seq in seqs])
    transaction.run_many("DELETE FROM events WHERE seq = ?", [(seq,) for seq in seqs])
    counts |= {"facts": len(facts), "events": len(seqs)}
    return {table: n for table, n in counts.items() if n}
