"""Duties: who is the data protection officer, the head of the firm, the security contact. One person each at a time."""

from __future__ import annotations

from tillwise.access.person import ACT, Person, by_id
from tillwise.access.roles import load_roles
from tillwise.audit.log import enter_act
from tillwise.errors import InvalidInput
from tillwise.vocabulary.clock import Milliseconds
from tillwise.vocabulary.store import Snapshot, Transaction


def name_duty(transaction: Transaction, duty: str, person: Person | None, now: Milliseconds) -> None:
    """Let a person hold a duty from now on, in place of whoever did; None ends it. Raises InvalidInput."""
    known = load_roles().duties
    if duty not in known:
        raise InvalidInput(f"'{duty}' is no duty: use one of {', '.join(known)}", field="duty")
    if person is not None and person.disabled is not None:
        raise InvalidInput("a disabled person holds no duty: `tillwise people enable` first", field="person")
    transaction.run("UPDATE duties SET ended = ? WHERE duty = ? AND ended IS NULL", (now, duty))
    if person is not None:
        transaction.run("INSERT INTO duties (duty, person_id, given) VALUES (?, ?, ?)", (duty, person.person_id, now))
    said = {"act": "duty named" if person else "duty ended", "duty": duty}
    enter_act(transaction, ACT, said if person is None else {**said, "person": person.person_id})


def holders(snapshot: Snapshot) -> dict[str, Person]:
    """Return who holds which duty now; a disabled person holds none."""
    found = {}
    for duty, person_id in snapshot.all("SELECT duty, person_id FROM duties WHERE ended IS NULL ORDER BY given"):
        person = by_id(snapshot, person_id)
        if person is not None and person.disabled is None:
            found[duty] = person
    return found


def holder(snapshot: Snapshot, duty: str) -> Person | None:
    """Return who holds a duty now, None when nobody does."""
    return holders(snapshot).get(duty)
