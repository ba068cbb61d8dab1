"""Answers that leave no receipt are reads: which key was told about whom is entered in the access ledger.

A dry run is answered once its line is durable. Where that cannot be done in time it is answered without having looked:
what cannot be written down is not shown (ADR 0017). An answer whose receipt came too late has left already; its line
follows.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import replace
from typing import Final

from msgspec.structs import replace as alter

from tillwise.access.reads import log_read
from tillwise.decisions.fallback import log
from tillwise.decisions.walk import Draft
from tillwise.events.lookup import rows_in
from tillwise.privacy.purposes import UNKNOWN
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.store import Store, Transaction

_KNOWN: Final = "SELECT pseudonym FROM subjects WHERE pseudonym IN"


def enter_dry_runs(store: Store, drafts: Iterable[Draft]) -> Future[None] | None:
    """Enter dry runs, one line for each use case and key; None when none of them looked at anybody."""
    return _enter(store, drafts, "dry run of")


def enter_unrecorded(store: Store, draft: Draft) -> None:
    """Enter an answer that left without its receipt; nobody waits for it, and a failure is told to the server's log."""
    question = draft.question
    entered = _enter(store, (draft,), "unrecorded answer of")
    if entered is not None:
        told = f"key {question.key_id} was answered about {question.use_case.name}, and it could not be written down"
        entered.add_done_callback(lambda done: None if _succeeded(done) else log.error("%s", told))


def unseen(draft: Draft) -> Draft:
    """Return the draft as if nobody had been looked at: no row, and an answer that is to be made anew."""
    decision = replace(draft.kept.receipt.decision, degraded=None)
    place = draft.question.country or UNKNOWN
    permit = alter(draft.kept.receipt.permit, place=place, basis=None, granted=False, withheld=())
    receipt = alter(draft.kept.receipt, decision=decision, permit=permit, features=None, facts={}, model=None)
    return alter(draft, row=None, kept=alter(draft.kept, receipt=receipt))


def _enter(store: Store, drafts: Iterable[Draft], how: str) -> Future[None] | None:
    looked: dict[tuple[str, str], set[Pseudonym]] = {}
    for draft in drafts:
        if (people := _people(draft)) or _keys(draft):
            asked = draft.question
            looked.setdefault((asked.key_id, asked.use_case.name), set()).update(people)
    if not looked:
        return None

    def work(transaction: Transaction) -> None:
        for (key_id, name), people in looked.items():
            known = rows_in(transaction, _KNOWN, people)  # nobody who was erased meanwhile comes back by this
            subjects, reason = [row[0] for row in known], f"{how} {name}"
            log_read(transaction, who=key_id, what=f"decide:{name}", reason=reason, subjects=subjects)

    return store.commit(work)


def _people(draft: Draft) -> set[Pseudonym]:
    """Return whom the log knew before this question; of a stranger there was nothing to see."""
    named = zip((draft.kept.subject, draft.kept.anonymous), draft.strangers, strict=True)
    return {person for person, stranger in named if person is not None and not stranger}


def _keys(draft: Draft) -> bool:
    """Return True when something was looked up that leads to people, such as a card, though nobody was named."""
    keys = {} if draft.row is None else draft.row.facts.get("keys", {})
    return any(keys[name] is not None for name in keys if name != "subject")


def _succeeded(done: Future[None]) -> bool:
    return not done.cancelled() and done.exception() is None
