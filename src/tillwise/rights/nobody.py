"""People of whom nothing is left but their name: once their last row grew old, the profile and its key go too."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tillwise.rights.holder import Holder
from tillwise.rights.person import person_of
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.store import Transaction

PROFILE = "profile"


class Nobody:
    """Lets go of profiles. `rows` are the holders of the row store."""

    def __init__(self, rows: Sequence[Holder]) -> None:
        self._profile = next(holder for holder in rows if holder.name == PROFILE)
        self._others = tuple(holder for holder in rows if holder is not self._profile)

    def let_go(self, transaction: Transaction, people: Collection[int]) -> int:
        """Delete the profile of everybody of whom no other holder has anything; return how many."""
        n = 0
        waiting = list(people)
        while waiting:
            key = waiting.pop()
            if transaction.one("SELECT 1 FROM links WHERE anonymous = ? LIMIT 1", (key,)) is not None:
                continue  # somebody who is still known was this visitor
            person = person_of(transaction, Pseudonym(key))
            if person.marks and not any(holder.find(transaction, person) for holder in self._others):
                linked = transaction.all("SELECT DISTINCT anonymous FROM links WHERE subject = ?", (key,))
                waiting += [row[0] for row in linked]  # what they did before signing in grew old as well
                self._profile.erase(transaction, person)
                n += 1
        return n
