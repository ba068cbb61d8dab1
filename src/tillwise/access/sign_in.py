"""Signing in with name and password: counted before it is tried, so that many tries at once gain nothing.

Unknown, disabled and wrong look the same and cost the same. Ten failures of one name, or fifty from one address, within
a quarter of an hour close that name or address for a quarter of an hour, and enter the audit log as one burst.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable
from typing import Final

from tillwise.access.passwords import matches
from tillwise.access.person import ACT, Person, by_login, login_of
from tillwise.audit.log import enter_act
from tillwise.errors import NotPermitted
from tillwise.settings import Secrets
from tillwise.vocabulary.clock import Milliseconds, wall_now
from tillwise.vocabulary.store import Store, Transaction

NAME_TRIES: Final = 10
ADDRESS_TRIES: Final = 50
WINDOW_MS: Final = 15 * 60_000


class TooManyTries(NotPermitted):
    """This name or address failed too often; the same for names that exist and names that do not."""


class Wrong(NotPermitted):
    """Name and password do not fit together: no more is said."""


class SignIn:
    """Checks who somebody is."""

    def __init__(self, store: Store, secrets: Secrets, wall: Callable[[], Milliseconds] = wall_now) -> None:
        self._store = store
        self._secrets = secrets
        self._wall = wall

    def check(self, login: str, password: str, address: str) -> Person:
        """Return the person. Raises Wrong, or TooManyTries before anything was tried."""
        now = self._wall()
        marks = (self._mark("name", login_of(login)[:300]), self._mark("address", network_of(address)))
        person = self._store.commit(lambda transaction: self._begin(transaction, login, marks, now)).result()
        fits = matches(None if person is None or person.disabled is not None else person.password, password)
        if not fits or person is None:
            raise Wrong("Name and password do not fit together.")
        self._store.commit(lambda transaction: _good(transaction, person, marks, now)).result()
        return person

    def count_key(self, address: str) -> None:
        """Count a try with a key that was none; raise TooManyTries when this address failed too often."""
        now, mark = self._wall(), self._mark("address", network_of(address))
        self._store.commit(lambda transaction: _count(transaction, "address", mark, None, now)).result()

    def _begin(self, transaction: Transaction, login: str, marks: tuple[bytes, bytes], now: int) -> Person | None:
        # A name that is not counted any more must not be looked up either: the order is the same for everybody.
        person = by_login(transaction, login[:300])
        transaction.run("DELETE FROM sign_in_tries WHERE since <= ? AND locked <= ?", (now - WINDOW_MS, now))
        for kind, mark in zip(("address", "name"), reversed(marks), strict=True):
            _count(transaction, kind, mark, person, now)
        return person

    def _mark(self, kind: str, text: str) -> bytes:
        return hashlib.blake2b(
            f"{kind}\x00{text}".encode("utf-8", "replace"),
            digest_size=16,
            key=self._secrets.log[:64],
            person=b"sign-in try",
        ).digest()


def network_of(address: str) -> str:
    """Return what counts as one address: IPv4 whole, IPv6 its /64, which one household or server holds."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:100]
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))


def _count(transaction: Transaction, kind: str, mark: bytes, person: Person | None, now: Milliseconds) -> None:
    row = transaction.one("SELECT failed, since, locked FROM sign_in_tries WHERE name = ?", (mark,))
    failed, since, locked = row if row is not None and now - row[1] < WINDOW_MS else (0, now, row[2] if row else 0)
    if locked > now:
        raise TooManyTries("Too many tries. Wait a quarter of an hour.")
    failed += 1
    limit = NAME_TRIES if kind == "name" else ADDRESS_TRIES
    locked = now + WINDOW_MS if failed >= limit else 0
    if locked:
        said = {"act": "sign-in failures", "of": kind, "failed": failed}
        enter_act(transaction, ACT, said if person is None or kind != "name" else {**said, "person": person.person_id})
    transaction.run(
        "INSERT INTO sign_in_tries (name, failed, since, locked) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
        " failed = excluded.failed, since = excluded.since, locked = excluded.locked",
        (mark, failed, since, locked),
    )


def _good(transaction: Transaction, person: Person, marks: tuple[bytes, bytes], now: Milliseconds) -> None:
    """Forget the failures of this name; give the address back the one try, and no more: others try from there too."""
    name, address = marks
    transaction.run("DELETE FROM sign_in_tries WHERE name = ?", (name,))
    transaction.run("UPDATE sign_in_tries SET failed = failed - 1, locked = 0 WHERE name = ?", (address,))
    transaction.run("UPDATE people SET last_seen = ? WHERE person_id = ?", (now, person.person_id))
