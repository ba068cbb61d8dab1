"""The second hand of the audit log: a thread that takes new leaves into the tree and lets checkpoints out of the house.

Every serving process has one. A transaction decides which of them extends the tree; the others find it done.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from pathlib import Path
from typing import Final

import msgspec

from tillwise.audit import keeping, tombstones
from tillwise.audit.checkpoint import Checkpoint, Signer
from tillwise.audit.extend import extend, newest_checkpoint
from tillwise.audit.log import ACTS, enter_act, entry_of
from tillwise.errors import TillwiseError
from tillwise.rights.compared import OLDER, older
from tillwise.rights.entered import SOURCES
from tillwise.settings import SECRETS_FILE, SHOP_FILE, Secrets, ShopFolder
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.store import Snapshot, Store, Transaction

EVERY_SECONDS: Final = 0.8
"""The tree is at most a second behind."""
JUST_NOW: Final = 400
"""Milliseconds in which what another process did is not done again."""
DECLARATIONS: Final = "declarations"
_log = logging.getLogger("tillwise.audit")


class AuditKeeper:
    """Extends the tree until it is stopped, and copies checkpoints to `copy_to` (a path, or None)."""

    def __init__(self, store: Store, secrets: Secrets, copy_to: Path | None, *, every: float = EVERY_SECONDS) -> None:
        self._store = store
        self._signer = Signer(secrets)
        self._copy_to = copy_to
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tillwise-audit", daemon=True)

    def start(self) -> AuditKeeper:
        """Begin at once, then go on at intervals."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the thread if it ever began, with everything in the tree that was there before."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def once(self, *, skip_after: int | None = None) -> Checkpoint:
        """Take over what waits, and let a checkpoint out when the last one left long enough ago."""
        checkpoint = extend(self._store, SOURCES, self._signer, skip_after=skip_after)
        if self._copy_to is not None:
            self._copy(self._copy_to)
        return checkpoint

    def _copy(self, target: Path) -> None:
        wall = wall_now()
        with self._store.snapshot() as snapshot:
            newest, last = newest_checkpoint(snapshot), keeping.last(snapshot, keeping.KEPT)
        if newest is None or (
            last is not None and (wall - last[0] < keeping.EVERY or _size(last[1]) == newest[0].size)
        ):
            return
        keeping.append(target, newest[2], wall)
        keeping.kept(self._store, newest[0].size, wall, where="copy_to")

    def _run(self) -> None:
        while True:
            ending = self._stop.wait(self._every)
            try:
                self.once(skip_after=None if ending else wall_now() - JUST_NOW)
            except TillwiseError as error:
                _log.warning("audit: %s", error)  # the doctor says it too; the next round tries again
            except Exception:
                _log.exception("the audit log was not extended")
            if ending:
                return


def erased_proof(store: Store, secrets: Secrets, decision_id: str) -> Json | None:
    """Return when a decision was erased, the act that says so and its entry in the log; None when it never was.

    `entry` is None until the act is in the tree, and for what an earlier release erased.
    """
    with store.snapshot() as snapshot:
        wall = tombstones.erased_at(snapshot, secrets, "decision", decision_id)
        if wall is None:
            return None
        act = tombstones.act_of(snapshot, secrets, "decision", decision_id)
        row = snapshot.one("SELECT id, leaf FROM audit_log WHERE ref = ?", (act,))
        entry = None if row is None else entry_of(snapshot, ACTS, row[0], bytes(row[1]))
    return {"erased_at": wall, "act": act or None, "entry": entry}


def copy_target(folder: ShopFolder, copy_to: str) -> Path | None:
    """Return where checkpoints are copied to; a relative path starts at the shop's folder."""
    return folder.path / copy_to if copy_to else None


def enter_declarations(store: Store, folder: ShopFolder) -> None:
    """Enter the shop's own files (settings, vendors, retention, shop.py) by their hashes, whenever one has changed."""
    found = _declared(folder)
    with store.snapshot() as snapshot:
        if _entered(snapshot) == found:
            return

    def work(transaction: Transaction) -> None:
        if _entered(transaction) != found:
            enter_act(transaction, DECLARATIONS, {"files": found})

    store.commit(work).result()


def enter_older(store: Store) -> None:
    """Enter once which keys, requests and notices stood here before their acts said all of it; none in a new shop."""
    with store.snapshot() as snapshot:
        if older(snapshot) is None:
            return

    def work(transaction: Transaction) -> None:
        found = older(transaction)
        if found is not None:
            enter_act(transaction, OLDER, found)

    store.commit(work).result()


def _declared(folder: ShopFolder) -> dict[str, str]:
    files = [*folder.path.glob("*.toml"), *folder.path.glob(SHOP_FILE)]
    return {
        file.name: f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
        for file in sorted(files)
        if file.name != SECRETS_FILE
    }


def _entered(snapshot: Snapshot) -> Json | None:
    row = snapshot.one("SELECT body FROM audit_log WHERE kind = ? ORDER BY id DESC LIMIT 1", (DECLARATIONS,))
    try:
        return None if row is None else msgspec.json.decode(row[0], type=dict[str, dict[str, str]])["files"]
    except (msgspec.MsgspecError, KeyError):
        return None  # an edited act: verification names it


def _size(body: str) -> int:
    try:
        return int(msgspec.json.decode(body, type=dict[str, int | str])["size"])
    except (msgspec.MsgspecError, KeyError, ValueError):
        return -1
