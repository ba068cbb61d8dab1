"""Who is signed in: a person with the roles they hold now, or the shop's own admin key, which holds all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tillwise.access.grants import Grant, grants_of
from tillwise.access.key import Key
from tillwise.access.person import Person
from tillwise.access.roles import Need, load_roles
from tillwise.vocabulary.clock import Milliseconds
from tillwise.vocabulary.store import Snapshot

KEY_REASON: Final = "admin key"
"""The reason written down when somebody looks with the shop's own key: a key cannot be asked."""


@dataclass(frozen=True, slots=True)
class Signed:
    """Somebody in front of a page. `purpose` is why they look, empty until they said it."""

    who: str
    name: str
    grants: tuple[Grant, ...]
    key: Key | None = None
    purpose: str = ""

    @property
    def roles(self) -> tuple[str, ...]:
        """Return the roles held now."""
        return tuple(grant.role for grant in self.grants)

    @property
    def reason(self) -> str:
        """Return what the access ledger says."""
        return KEY_REASON if self.key is not None else self.purpose

    def allows(self, scope: str) -> bool:
        """Return True when a role in force, or the key, has this scope."""
        if self.key is not None:
            return self.key.allows(scope)
        held = load_roles().scopes_of(self.roles)
        return scope in held or scope.partition(":")[0] in held

    def purposes(self, need: Need) -> tuple[str, ...]:
        """Return the purposes for which they may see a page; none means they may not."""
        table = load_roles()
        if self.key is not None:
            return need.purposes or tuple(table.purposes)
        return table.purposes_for(self.roles, need)

    def may(self, need: Need) -> bool:
        """Return True when they may see this page for some purpose."""
        return bool(self.purposes(need))

    def must_say_why(self, need: Need) -> bool:
        """Return True when a person is about to see people's data and gave no reason that holds here."""
        return self.key is None and load_roles().is_personal(need) and self.purpose not in self.purposes(need)

    def used(self, need: Need) -> tuple[Grant, ...]:
        """Return the grants that opened this page."""
        purposes = (self.purpose,) if self.purpose else self.purposes(need)
        table = load_roles().roles
        return tuple(
            grant
            for grant in self.grants
            if any(table[grant.role].may(purpose, c) for purpose in purposes for c in need.categories)
        )


def signed_person(snapshot: Snapshot, person: Person, now: Milliseconds, purpose: str = "") -> Signed:
    """Return a person with the grants in force now; a role that left the table counts nothing."""
    known = load_roles().roles
    grants = [g for g in grants_of(snapshot, person.person_id) if g.in_force(now) and g.role in known]
    return Signed(person.person_id, person.name, tuple(grants), None, purpose)


def signed_key(key: Key) -> Signed:
    """Return the shop's own admin key as who is signed in."""
    return Signed(key.key_id, "the shop's admin key", (), key)
