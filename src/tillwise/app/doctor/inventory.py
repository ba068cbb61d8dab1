"""What is held: fields nobody tagged, data that nothing reads, and what the record of processing still lacks."""

from __future__ import annotations

from collections.abc import Iterator

from tillwise.app.build import App
from tillwise.app.doctor.finding import Finding
from tillwise.documents.ropa import missing
from tillwise.documents.stores import undeclared
from tillwise.documents.uses import lineages
from tillwise.events.types import EVENT_TYPES
from tillwise.vocabulary.store import Snapshot


def inventory(app: App, snapshot: Snapshot) -> Iterator[Finding]:
    """Look at tags, at event types that arrive and are read by nothing, and at who answers for the data."""
    columns = undeclared(snapshot)
    for name in columns[:10]:
        yield Finding("wrong", "inventory", f"nobody said what {name} holds", "say it in documents/stores.toml")
    known = lineages(app.described)
    bare = [f"{each.use_case}: {i.name}" for each in known.values() for i in each.inputs if not i.tagged]
    for name in bare[:10]:
        says = f"{name} has no data category: the notice cannot speak of it"
        yield Finding("wrong", "inventory", says, "give its feature `categories`, in shop.py or its use case")
    if not columns and not bare:
        yield Finding("fine", "inventory", "every column and every feature says what it holds")
    read = {event for each in known.values() for event in each.events}
    for name, declared in EVENT_TYPES.items():
        if declared.person and declared.facts and name not in read and _arrives(snapshot, name):
            says = f"'{name}' arrives and no use case reads it: data without a purpose (GDPR 5(1)(c))"
            yield Finding("warning", "unread", says, "stop sending it, or declare the use case it is for")
    for what in missing(app.described, snapshot):
        mend = "write it there; tillwise ropa shows it"
        yield Finding("warning", "controller", f"the record of processing lacks {what}", mend)


def _arrives(snapshot: Snapshot, name: str) -> bool:
    """Return True when one of the newest events is of this type: old ones tell nothing about what is sent today."""
    sql = "SELECT 1 FROM (SELECT type FROM events ORDER BY seq DESC LIMIT 10000) WHERE type = ? LIMIT 1"
    return snapshot.one(sql, (name,)) is not None
