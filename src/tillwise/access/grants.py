"""Grants: a role for a person, for a while. An expired grant is denied at once; renewing is an act of its own."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from tillwise.access.person import ACT, Person
from tillwise.access.roles import load_roles
from tillwise.audit.log import enter_act
from tillwise.errors import InvalidInput, NotFound
from tillwise.vocabulary.clock import Milliseconds
from tillwise.vocabulary.store import Snapshot, Store, Transaction

DAY: Final = 86_400_000
DEFAULT_DAYS: Final = 90
MOST_DAYS: Final = 365
UNUSED_DAYS: Final = 30
"""A grant nobody used for this long is listed as unused."""
USED_EVERY: Final = 60_000
"""How old the stored time of last use may be, in milliseconds."""
_COLUMNS: Final = "grant_id, person_id, role, given, expires, renewed, revoked, last_used"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role a person holds from `given` until `expires` or `revoked` (wall clock, Unix ms)."""

    grant_id: str
    person_id: str
    role: str
    given: Milliseconds
    expires: Milliseconds
    renewed: Milliseconds | None
    revoked: Milliseconds | None
    last_used: Milliseconds | None

    def in_force(self, now: Milliseconds) -> bool:
        """Return True while it counts; the millisecond of its expiry is already past it."""
        return self.revoked is None and now < self.expires

    def unused(self, now: Milliseconds) -> bool:
        """Return True when it counts, yet nobody used it for UNUSED_DAYS."""
        return self.in_force(now) and now - (self.last_used or self.given) >= UNUSED_DAYS * DAY


def give_grant(
    transaction: Transaction, person: Person, role: str, now: Milliseconds, *, days: int = DEFAULT_DAYS
) -> Grant:
    """Give a role for `days`. Raises InvalidInput for an unknown role, a life outside 1 to MOST_DAYS, or a second one.

    To hold a role longer is a renewal, to hold it for another time is to revoke it first.
    """
    known = load_roles().roles
    if role not in known:
        raise InvalidInput(f"'{role}' is no role: use one of {', '.join(known)}", field="role")
    _check_days(days)
    if any(grant.role == role and grant.in_force(now) for grant in grants_of(transaction, person.person_id)):
        raise InvalidInput(f"they hold {role} already: `tillwise grants renew` makes it last longer", field="role")
    grant = Grant(f"g-{secrets.token_hex(5)}", person.person_id, role, now, now + days * DAY, None, None, None)
    transaction.run(
        "INSERT INTO grants (grant_id, person_id, role, given, expires) VALUES (?, ?, ?, ?, ?)",
        (grant.grant_id, grant.person_id, role, now, grant.expires),
    )
    _enter(transaction, "grant given", grant)
    return grant


def renew_grant(transaction: Transaction, grant_id: str, now: Milliseconds, *, days: int = DEFAULT_DAYS) -> Grant:
    """Let a grant last `days` from now, also one that has expired. Raises NotFound when there is none, or revoked."""
    _check_days(days)
    before = find_grant(transaction, grant_id)
    if before.revoked is not None:
        raise NotFound(f"grant {grant_id} was revoked: `tillwise grants give` makes a new one")
    transaction.run("UPDATE grants SET expires = ?, renewed = ? WHERE grant_id = ?", (now + days * DAY, now, grant_id))
    after = find_grant(transaction, grant_id)
    _enter(transaction, "grant renewed", after)
    return after


def revoke_grant(transaction: Transaction, grant_id: str, now: Milliseconds) -> Grant:
    """End a grant now. Raises NotFound when there is none, or it was revoked before."""
    grant = find_grant(transaction, grant_id)
    if grant.revoked is not None:
        raise NotFound(f"grant {grant_id} was revoked already")
    transaction.run("UPDATE grants SET revoked = ? WHERE grant_id = ?", (now, grant_id))
    _enter(transaction, "grant revoked", grant)
    return grant


def find_grant(snapshot: Snapshot, grant_id: str) -> Grant:
    """Return a grant by its id; raise NotFound."""
    row = snapshot.one(f"SELECT {_COLUMNS} FROM grants WHERE grant_id = ?", (grant_id,))
    if row is None:
        raise NotFound(f"there is no grant '{grant_id}': `tillwise grants list` shows them")
    return Grant(*row)


def grants_of(snapshot: Snapshot, person_id: str) -> list[Grant]:
    """Return every grant a person ever had, the oldest first."""
    rows = snapshot.all(f"SELECT {_COLUMNS} FROM grants WHERE person_id = ? ORDER BY given, grant_id", (person_id,))
    return [Grant(*row) for row in rows]


def list_grants(snapshot: Snapshot) -> list[Grant]:
    """Return every grant that was not revoked, the oldest first, expired ones included."""
    rows = snapshot.all(f"SELECT {_COLUMNS} FROM grants WHERE revoked IS NULL ORDER BY given, grant_id")
    return [Grant(*row) for row in rows]


def remember_use(store: Store, grant: Grant, now: Milliseconds) -> None:
    """Keep when a grant was last used, to a minute; nobody waits for it."""
    if now - (grant.last_used or 0) >= USED_EVERY:
        sql = "UPDATE grants SET last_used = ? WHERE grant_id = ?"
        store.commit(lambda transaction: transaction.run(sql, (now, grant.grant_id)))


def _check_days(days: int) -> None:
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput(
            f"a grant lasts between one day and {MOST_DAYS}; renew it when it is still needed", field="days"
        )


def _enter(transaction: Transaction, act: str, grant: Grant) -> None:
    enter_act(
        transaction, ACT,
        {"act": act, "grant": grant.grant_id, "person": grant.person_id, "role": grant.role, "expires": grant.expires},
    )  # fmt: skip
