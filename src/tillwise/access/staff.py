"""Everybody who may come in, in one look: people with their grants and duties; for the page and the command line."""

from __future__ import annotations

from dataclasses import dataclass

from tillwise.access.duties import holders
from tillwise.access.grants import Grant, list_grants
from tillwise.access.person import Person, list_people
from tillwise.vocabulary.clock import Milliseconds
from tillwise.vocabulary.store import Snapshot


@dataclass(frozen=True, slots=True)
class Member:
    """One person, the grants not revoked, and the duties held."""

    person: Person
    grants: tuple[Grant, ...]
    duties: tuple[str, ...]

    def state(self, now: Milliseconds) -> str:
        """Return what keeps this person out, or `active`."""
        if self.person.disabled is not None:
            return "disabled"
        if self.person.password is None:
            return "no password yet"
        return "active" if any(grant.in_force(now) for grant in self.grants) else "no role in force"


def read_staff(snapshot: Snapshot) -> list[Member]:
    """Return everybody, the first added first."""
    grants = list_grants(snapshot)
    duties = holders(snapshot)
    return [
        Member(
            person,
            tuple(grant for grant in grants if grant.person_id == person.person_id),
            tuple(duty for duty, held_by in duties.items() if held_by.person_id == person.person_id),
        )
        for person in list_people(snapshot)
    ]
