"""Who answers, since when and why: an append-only list of transitions, one step to go back, and an answer for any time.

A row is never changed. Going back appends a row that names the one it restores, so that going back twice goes back
two steps, and "who answered at time t" stays true for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Literal

import msgspec

from tillwise.audit import log as audit_log
from tillwise.audit.log import enter_act
from tillwise.errors import ArtifactDamaged, NotFound
from tillwise.events.log import read_head
from tillwise.releases.card import ModelCard, read_card
from tillwise.releases.gate import Choice, GateResult
from tillwise.vocabulary.canonical import Json, canonical
from tillwise.vocabulary.clock import LogClock, Milliseconds, wall_now
from tillwise.vocabulary.store import Row, Snapshot, Store, Transaction

TABLES: Final = (
    *audit_log.TABLES,
    "CREATE TABLE IF NOT EXISTS releases (use_case TEXT NOT NULL, number INTEGER NOT NULL, version TEXT,"
    " kind TEXT NOT NULL, name TEXT NOT NULL, wall INTEGER NOT NULL, at INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " who TEXT NOT NULL, why TEXT NOT NULL, gates TEXT NOT NULL, expires INTEGER, restores INTEGER,"
    " PRIMARY KEY (use_case, number)) STRICT, WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS cards (version TEXT NOT NULL PRIMARY KEY, use_case TEXT NOT NULL, body TEXT NOT NULL)"
    " STRICT, WITHOUT ROWID",
)
_COLUMNS: Final = "use_case, number, version, kind, name, wall, at, seq, who, why, gates, expires, restores"
ACT: Final = "release"
"""The kind of entry every transition leaves in the audit log."""
Kind = Literal["model", "baseline", "rules"]


class Release(msgspec.Struct, frozen=True):
    """One transition: from `wall` (Unix ms) and log position (`at`, `seq`) on, `version` answers for `use_case`.

    `version` is None when the declared rules answer. `expires` (wall) ends a release that rests on an override.
    `restores` is the number of the transition this one went back to.
    """

    use_case: str
    number: int
    version: str | None
    kind: Kind
    name: str
    wall: int
    at: int
    seq: int
    who: str
    why: str
    gates: tuple[GateResult, ...] = ()
    expires: int | None = None
    restores: int | None = None


class Releases:
    """The releases of a shop."""

    def __init__(
        self, store: Store, *, clock: LogClock | None = None, wall: Callable[[], Milliseconds] = wall_now
    ) -> None:
        """Create the tables where they are missing."""
        self._store = store
        self._clock = clock or LogClock()
        self._wall = wall
        store.create(TABLES)

    def release(self, use_case: str, choice: Choice, *, who: str) -> Release:
        """Let the chosen one answer from now on; durable when this returns."""

        def work(transaction: Transaction) -> Release:
            return self._append(transaction, use_case, choice, who=who, restores=None)

        return self._store.commit(work).result()

    def rollback(self, use_case: str, *, who: str, why: str = "") -> Release:
        """Go back to who answered before the present release; raise NotFound when nobody did."""

        def work(transaction: Transaction) -> Release:
            now = self.current(transaction, use_case)
            if now is None or now.restores == 0:
                raise NotFound(f"{use_case} has no earlier release to go back to")
            place = now.restores or now.number
            before = self._at_number(transaction, use_case, place - 1)
            target = before.restores if before is not None and before.restores is not None else place - 1
            restored = self._at_number(transaction, use_case, target)
            reason = f"back from {now.name}" + (f": {why}" if why else "")
            if restored is None:
                choice = Choice("rules", "rules", None, reason, ())
            else:
                choice = Choice(
                    restored.kind, restored.name, restored.version, reason, restored.gates, restored.expires
                )
            return self._append(transaction, use_case, choice, who=who, restores=target)

        return self._store.commit(work).result()

    def again(self, version: str, *, who: str, why: str) -> Release:
        """Let a version answer that was released before; raise NotFound when it never passed a gate here."""

        def work(transaction: Transaction) -> Release:
            row = transaction.one(
                f"SELECT {_COLUMNS} FROM releases WHERE version = ? ORDER BY wall DESC, number DESC LIMIT 1", (version,)
            )
            if row is None:
                raise NotFound(f"{version[:80]} was never released: `tillwise train` releases what passes its gates")
            old = _read(row)
            choice = Choice(old.kind, old.name, version, why or "released again", old.gates, old.expires)
            return self._append(transaction, old.use_case, choice, who=who, restores=None)

        return self._store.commit(work).result()

    def latest(self, snapshot: Snapshot, use_case: str) -> int:
        """Return the number of the transition in force, 0 before the first one: one look into an index."""
        row = snapshot.one("SELECT number FROM releases WHERE use_case = ? ORDER BY number DESC LIMIT 1", (use_case,))
        return 0 if row is None else int(row[0])

    def current(self, snapshot: Snapshot, use_case: str) -> Release | None:
        """Return the transition in force, None before the first one: one indexed row."""
        row = snapshot.one(
            f"SELECT {_COLUMNS} FROM releases WHERE use_case = ? ORDER BY number DESC LIMIT 1", (use_case,)
        )
        return None if row is None else _read(row)

    def as_of(self, snapshot: Snapshot, use_case: str, wall: int) -> Release | None:
        """Return the transition that was in force at a wall-clock time (Unix ms), None before the first one."""
        row = snapshot.one(
            f"SELECT {_COLUMNS} FROM releases WHERE use_case = ? AND wall <= ? ORDER BY number DESC LIMIT 1",
            (use_case, wall),
        )
        return None if row is None else _read(row)

    def history(self, snapshot: Snapshot, use_case: str | None = None) -> list[Release]:
        """Return all transitions, newest first."""
        where, params = ("", ()) if use_case is None else ("WHERE use_case = ?", (use_case,))
        rows = snapshot.all(
            f"SELECT {_COLUMNS} FROM releases {where} ORDER BY wall DESC, use_case, number DESC", params
        )
        return [_read(row) for row in rows]

    def in_force(self, snapshot: Snapshot) -> list[Release]:
        """Return the present transition of every use case that has one, by name."""
        rows = snapshot.all(
            f"SELECT {_COLUMNS} FROM releases r WHERE number ="
            " (SELECT MAX(number) FROM releases WHERE use_case = r.use_case) ORDER BY use_case"
        )
        return [_read(row) for row in rows]

    def keep_card(self, card: ModelCard) -> None:
        """Keep a model's card; a card of the same version is replaced."""

        def work(transaction: Transaction) -> None:
            transaction.run(
                "INSERT INTO cards (version, use_case, body) VALUES (?, ?, ?)"
                " ON CONFLICT (version) DO UPDATE SET body = excluded.body",
                (card.version, card.use_case, card.to_json().decode()),
            )

        self._store.commit(work).result()

    def card(self, snapshot: Snapshot, version: str) -> ModelCard:
        """Return the card of a version; raise NotFound when there is none."""
        row = snapshot.one("SELECT body FROM cards WHERE version = ?", (version,))
        if row is None:
            raise NotFound(f"no model card of {version[:80]} is kept here")
        return read_card(row[0].encode())

    def simulated(self, snapshot: Snapshot, release: Release) -> bool:
        """Return True when who answers learnt from simulated data."""
        if release.version is None:
            return False
        with suppress(NotFound):
            return self.card(snapshot, release.version).simulated
        return False

    def _append(
        self, transaction: Transaction, use_case: str, choice: Choice, *, who: str, restores: int | None
    ) -> Release:
        head, last = read_head(transaction), self.current(transaction, use_case)
        release = Release(
            use_case=use_case,
            number=1 if last is None else last.number + 1,
            version=choice.version,
            kind=_kind(choice.kind),
            name=choice.name,
            wall=max(self._wall(), 0 if last is None else last.wall),
            at=max(head.at, self._clock.now()),
            seq=head.seq,
            who=who,
            why=choice.why,
            gates=choice.gates,
            expires=choice.expires,
            restores=restores,
        )
        values: list[Any] = list(msgspec.structs.astuple(release))
        values[10] = canonical(release.gates).decode()
        transaction.run(f"INSERT INTO releases ({_COLUMNS}) VALUES ({', '.join('?' * 13)})", values)
        enter_act(transaction, ACT, _said(release))
        return release

    def _at_number(self, snapshot: Snapshot, use_case: str, number: int) -> Release | None:
        row = snapshot.one(f"SELECT {_COLUMNS} FROM releases WHERE use_case = ? AND number = ?", (use_case, number))
        return None if row is None else _read(row)


def _said(release: Release) -> Json:
    """Return what the audit log says of a release: everything but the name of who made it."""
    gates = [[gate.gate, gate.verdict.value] for gate in release.gates]
    return {
        "use_case": release.use_case, "number": release.number, "version": release.version, "kind": release.kind,
        "name": release.name, "wall": release.wall, "restores": release.restores, "expires": release.expires,
        "gates": gates,
    }  # fmt: skip


def _kind(text: str) -> Kind:
    if text == "model":
        return "model"
    return "baseline" if text == "baseline" else "rules"


def _read(row: Row) -> Release:
    fields = dict(zip(Release.__struct_fields__, row, strict=True))
    try:
        fields["gates"] = msgspec.json.decode(row[10])
        return msgspec.convert(fields, Release)
    except msgspec.MsgspecError as error:
        raise ArtifactDamaged(f"release {row[1]} of {row[0]} cannot be read: {error}") from error
