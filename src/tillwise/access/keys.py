"""The table of keys: made, listed, revoked, and found again at every call."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

from tillwise.access import tables
from tillwise.access.key import ROLES, SCOPES, Key, holds, key_hash, new_key_text
from tillwise.access.person import ACT
from tillwise.audit.log import enter_act
from tillwise.errors import InvalidInput, NotFound, StoreUnavailable
from tillwise.vocabulary.clock import Milliseconds, wall_now
from tillwise.vocabulary.store import Row, Snapshot, Store, Transaction

TABLES: Final = tables.TABLES
DAY: Final = 86_400_000
RECHECK_SECONDS: Final = 1.0
"""A revoked key stops answering after this long at the latest, in every process."""
NEW_SECONDS: Final = 0.05
"""How soon an unknown key is looked for again: it works when it is printed, and guessing stays cheap for us."""
USED_EVERY: Final = 60_000
"""How old the stored time of last use may be, in milliseconds."""

MADE: Final = "key made"
REVOKED: Final = "key revoked"
"""What the acts about a key say; the table is held against them (rights/compared.py)."""

_COLUMNS = "hash, key_id, role, scopes, created, expires, last_used"


def create_key(
    store: Store,
    role: str,
    *,
    scopes: Collection[str] | None = None,
    own: Collection[str] = (),
    days: int = 365,
    now: Milliseconds | None = None,
) -> tuple[Key, str]:
    """Make a key and return it with its text, which cannot be read back later.

    `scopes` narrows what the role may do; `own` are the shop's own use cases, each of which has one. Raises
    InvalidInput for an unknown role or scope, a scope outside the role, or a life below one day.
    """
    if role not in ROLES:
        raise InvalidInput(f"'{role}' is no role: use one of {', '.join(ROLES)}", field="role")
    granted = tuple(ROLES[role] if scopes is None else scopes)
    _check_scopes(role, granted, own)
    if not granted or days < 1:
        raise InvalidInput(
            "a key needs at least one scope and one day of life", field="scopes" if days >= 1 else "days"
        )
    created = wall_now() if now is None else now
    key = Key(secrets.token_hex(6), role, frozenset(granted), created, created + days * DAY)
    text = new_key_text(role)
    digest = key_hash(text)
    row = (key.key_id, digest, role, " ".join(sorted(granted)), key.created, key.expires)
    insert = "INSERT INTO keys (key_id, hash, role, scopes, created, expires) VALUES (?, ?, ?, ?, ?, ?)"

    def work(transaction: Transaction) -> None:
        transaction.run(insert, row)
        said = {
            "act": MADE, "key": key.key_id, "role": role, "scopes": sorted(granted), "expires": key.expires,
            "hash": digest.hex(),
        }  # fmt: skip
        enter_act(transaction, ACT, said)

    store.commit(work).result()
    return key, text


def _check_scopes(role: str, granted: Collection[str], own: Collection[str]) -> None:
    known = (*SCOPES, *(f"decide:{name}" for name in own))
    for scope in granted:
        if scope not in known:
            raise InvalidInput(f"'{scope}' is no scope: use some of {', '.join(known)}", field="scopes")
        if not holds(ROLES[role], scope):
            may = [each for each in known if holds(ROLES[role], each)]
            wider = [each for each in ROLES if holds(ROLES[each], scope)]
            raise InvalidInput(
                f"'{scope}' is more than the role {role} may do, which is {', '.join(may)}: take some of these,"
                f" or the role {' or '.join(wider)}",
                field="scopes",
            )


def create_keys(store: Store) -> dict[str, str]:
    """Make one key per role for a new shop, and the table when it is not there; return their texts by role."""
    store.create(TABLES)
    return {role: create_key(store, role)[1] for role in ROLES}


def list_keys(store: Store) -> list[Key]:
    """Return every key that is not revoked, oldest first, expired ones included."""
    with store.snapshot() as snapshot:
        rows = snapshot.all(f"SELECT {_COLUMNS} FROM keys WHERE revoked IS NULL ORDER BY created, key_id")
    return [_key(row) for row in rows]


def revoke_key(store: Store, key_id: str, *, now: Milliseconds | None = None) -> None:
    """End a key; it stops answering within a second. Raises NotFound when there is no such key in force."""
    moment = wall_now() if now is None else now
    sql = "UPDATE keys SET revoked = ? WHERE key_id = ? AND revoked IS NULL"

    def work(transaction: Transaction) -> None:
        if not transaction.run(sql, (moment, key_id)):
            raise NotFound(f"there is no key '{key_id}' in force: `tillwise keys list` shows them")
        enter_act(transaction, ACT, {"act": REVOKED, "key": key_id})

    store.commit(work).result()


def key_life(snapshot: Snapshot, key_id: str) -> tuple[Key, Milliseconds | None]:
    """Return a key with when it was revoked, if it was; raise NotFound for one nobody ever made."""
    row = snapshot.one(f"SELECT {_COLUMNS}, revoked FROM keys WHERE key_id = ?", (key_id,))
    if row is None:
        raise NotFound(f"there never was a key '{key_id}': `tillwise keys list` shows those in force")
    return _key(row[:-1]), row[-1]


class Keys:
    """Finds the key behind a text. Everything not found, expired or revoked is None: default deny.

    The whole table (a handful of rows) is held in memory and read again after RECHECK_SECONDS. While the store cannot
    be reached the keys read last stay good, so that a checkout still gets its fallback: nobody could have revoked one
    in that store either.
    """

    def __init__(
        self,
        store: Store,
        *,
        wall: Callable[[], Milliseconds] = wall_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._wall = wall
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._by_hash: dict[bytes, Key] = {}
        self._by_id: dict[str, Key] = {}
        self._used: dict[str, Milliseconds] = {}
        self._read_at = float("-inf")

    def find(self, text: str) -> Key | None:
        """Return the key with this text, in force now."""
        digest = key_hash(text)
        self._refresh()
        key = self._known(digest)
        if key is None:  # it may have been made a moment ago
            self._refresh(NEW_SECONDS)
            key = self._known(digest)
        return None if key is None else self._in_force(key)

    def _known(self, digest: bytes) -> Key | None:
        return next((key for known, key in self._by_hash.items() if hmac.compare_digest(known, digest)), None)

    def get(self, key_id: str) -> Key | None:
        """Return a key by its id, in force now; for sessions opened with it."""
        self._refresh()
        key = self._by_id.get(key_id)
        return None if key is None else self._in_force(key)

    def _in_force(self, key: Key) -> Key | None:
        now = self._wall()
        if now >= key.expires:
            return None
        if now - (self._used.get(key.key_id) or key.last_used or 0) >= USED_EVERY:
            self._used[key.key_id] = now
            self._remember_use(key.key_id, now)
        return key

    def _remember_use(self, key_id: str, now: Milliseconds) -> None:
        def work(transaction: Transaction) -> None:
            transaction.run("UPDATE keys SET last_used = ? WHERE key_id = ?", (now, key_id))

        self._store.commit(work)  # nobody waits for it: a lost time of last use harms nobody

    def _refresh(self, older: float = RECHECK_SECONDS) -> None:
        if self._monotonic() - self._read_at < older:
            return
        with self._lock, suppress(StoreUnavailable):
            with self._store.snapshot() as snapshot:
                rows = snapshot.all(f"SELECT {_COLUMNS} FROM keys WHERE revoked IS NULL")
            self._by_hash = {bytes(row[0]): _key(row) for row in rows}
            self._by_id = {key.key_id: key for key in self._by_hash.values()}
        self._read_at = self._monotonic()


def _key(row: Row) -> Key:
    _, key_id, role, scopes, created, expires, last_used = row
    return Key(key_id, role, frozenset(scopes.split()), created, expires, last_used)
