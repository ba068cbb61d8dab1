"""A person who signs in: staff, never a customer. Added, disabled, removed; every act enters the audit log."""

from __future__ import annotations

import re
import secrets
import unicodedata
from dataclasses import dataclass
from typing import Final

from tillwise.audit.log import enter_act
from tillwise.errors import Conflict, InvalidInput, NotFound
from tillwise.vocabulary.clock import Milliseconds
from tillwise.vocabulary.store import Row, Snapshot, Transaction

ACT: Final = "access"
"""The kind of every entry this room leaves in the audit log."""
_LOGIN: Final = re.compile(r"[^\s@,;<>\"'`\\]{1,100}(@[^\s@,;<>\"'`\\]{1,150})?")
_COLUMNS: Final = "person_id, login, name, password, generation, created, disabled, last_seen"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in. `password` is an Argon2id hash, None until it is set. Times are wall clock, Unix ms."""

    person_id: str
    login: str
    name: str
    password: str | None
    generation: int
    created: Milliseconds
    disabled: Milliseconds | None
    last_seen: Milliseconds | None

    def __repr__(self) -> str:
        return f"Person({self.person_id})"


def login_of(text: str) -> str:
    """Return the form in which a login is kept and compared: no white space around it, one case (NFKC)."""
    return unicodedata.normalize("NFKC", text).strip().casefold().encode("utf-8", "replace").decode()


def add_person(transaction: Transaction, login: str, name: str, now: Milliseconds) -> Person:
    """Add somebody who cannot sign in yet: they need a password, and a role to see anything.

    Raises InvalidInput for a login that is none, Conflict when it is taken.
    """
    login = login_of(login)
    if not _LOGIN.fullmatch(login):
        raise InvalidInput("a person signs in with an e-mail address or a user name without spaces", field="login")
    name = " ".join(name.split())[:200] or login
    if transaction.one("SELECT 1 FROM people WHERE login = ?", (login,)):
        raise Conflict(f"'{login}' signs in here already: `tillwise people list`")
    person_id = f"p-{secrets.token_hex(5)}"
    transaction.run(
        "INSERT INTO people (person_id, login, name, generation, created) VALUES (?, ?, ?, 0, ?)",
        (person_id, login, name, now),
    )
    enter_act(transaction, ACT, {"act": "person added", "person": person_id})
    return Person(person_id, login, name, None, 0, now, None, None)


def find_person(snapshot: Snapshot, text: str) -> Person:
    """Return a person by login or id, disabled ones too; raise NotFound."""
    person = by_login(snapshot, text) or by_id(snapshot, text)
    if person is None:
        raise NotFound(f"nobody signs in as '{text}': `tillwise people list` shows everyone")
    return person


def by_login(snapshot: Snapshot, login: str) -> Person | None:
    """Return the person with this login, or None."""
    return _person(snapshot.one(f"SELECT {_COLUMNS} FROM people WHERE login = ?", (login_of(login),)))


def by_id(snapshot: Snapshot, person_id: str) -> Person | None:
    """Return the person with this id, or None."""
    return _person(snapshot.one(f"SELECT {_COLUMNS} FROM people WHERE person_id = ?", (person_id,)))


def list_people(snapshot: Snapshot) -> list[Person]:
    """Return everybody, the first added first."""
    rows = snapshot.all(f"SELECT {_COLUMNS} FROM people ORDER BY created, person_id")
    return [Person(*row) for row in rows]


def set_disabled(transaction: Transaction, person: Person, now: Milliseconds, *, disabled: bool) -> None:
    """Lock somebody out at once, open sessions included, or let them in again."""
    transaction.run(
        "UPDATE people SET disabled = ?, generation = generation + 1 WHERE person_id = ?",
        (now if disabled else None, person.person_id),
    )
    transaction.run("DELETE FROM password_links WHERE person_id = ?", (person.person_id,))
    enter_act(transaction, ACT, {"act": f"person {'disabled' if disabled else 'enabled'}", "person": person.person_id})


def remove_person(transaction: Transaction, person: Person, now: Milliseconds) -> None:
    """Remove somebody: name, login, password and links go; their id stays in ledger and log, where it names nobody."""
    transaction.run("UPDATE grants SET revoked = ? WHERE person_id = ? AND revoked IS NULL", (now, person.person_id))
    transaction.run("UPDATE duties SET ended = ? WHERE person_id = ? AND ended IS NULL", (now, person.person_id))
    for table in ("password_links", "people"):
        transaction.run(f"DELETE FROM {table} WHERE person_id = ?", (person.person_id,))
    enter_act(transaction, ACT, {"act": "person removed", "person": person.person_id})


def _person(row: Row | None) -> Person | None:
    return None if row is None else Person(*row)
