"""The shelf of item snapshots: the newest in memory, all on disk by name."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final

import msgspec

from tillwise.errors import ArtifactDamaged, StoreUnavailable
from tillwise.events.log import read_head
from tillwise.features.feature import HOUR
from tillwise.features.snapshots import ItemSnapshot, boundary, build, read_item_snapshot
from tillwise.vocabulary.canonical import digest
from tillwise.vocabulary.store import Snapshot

PATIENCE: Final = 2 * HOUR
"""How much older than the newest boundary a snapshot may be while the new one is being built."""


class _Newest(msgspec.Struct, frozen=True):
    """Which snapshot was built last, and where the log stood: a process that starts need not build it again."""

    boundary: int
    epoch: int
    name: str
    seq: int


class SnapshotShelf:
    """Item snapshots of a shop: the newest in memory, all on disk by name. Without a folder they live in memory only.

    Thread-safe. Real and simulated rows have snapshots of their own. Whoever asks first for a new boundary builds it,
    unless `refresh` is called regularly: then building never stands in the way of a request.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._known: dict[str, ItemSnapshot] = {}
        self._current: dict[bool, ItemSnapshot] = {}
        self._seen: dict[str, int] = {}
        self._refreshed = False
        self._lock = threading.Lock()

    def current(self, snapshot: Snapshot, at: int, epoch: int, *, simulated: bool = False) -> ItemSnapshot:
        """Return the snapshot of the newest boundary at or before `at`, the end of the log.

        While `refresh` keeps the shelf, or somebody is building the new one, a request may get the boundary before;
        the receipt names what it got.
        """
        edge = boundary(at)
        held = self._current.get(simulated)
        if held is not None:
            late = edge - held.boundary
            if not late and held.epoch == epoch:
                return held
            # Somebody else is building it already, or will: nobody waits for that.
            if 0 <= late <= PATIENCE and (self._refreshed or self._lock.locked()):
                return held
        return self._build(snapshot, edge, epoch, simulated=simulated)

    def refresh(self, snapshot: Snapshot, at: int, epoch: int, *, simulated: bool = False) -> ItemSnapshot:
        """Build the newest boundary if it is not there; call it at least every few minutes, outside of requests."""
        self._refreshed = True
        return self._build(snapshot, boundary(at), epoch, simulated=simulated)

    def newest(self, *, simulated: bool = False) -> ItemSnapshot | None:
        """Return the newest snapshot in memory without reading anything, or None."""
        return self._current.get(simulated)

    def seen(self, items: ItemSnapshot) -> int:
        """Return the position of the log when the catalogue was read for a snapshot; 0 when nobody knows."""
        return self._seen.get(items.name, 0)

    def _build(self, snapshot: Snapshot, edge: int, epoch: int, *, simulated: bool) -> ItemSnapshot:
        with self._lock:
            held = self._current.get(simulated)
            if held is None:
                held = self._kept(edge, epoch, simulated=simulated)
            if held is None or (held.boundary, held.epoch) != (edge, epoch):
                held = build(snapshot, edge, epoch, simulated=simulated)
                self.save(held)
                self._seen[held.name] = read_head(snapshot).seq
                self._note(held, simulated=simulated)
            self._current[simulated] = held
            return held

    def _kept(self, edge: int, epoch: int, *, simulated: bool) -> ItemSnapshot | None:
        """Return what another process built for the same boundary, if it is there and whole."""
        if self._folder is None:
            return None
        try:
            noted = msgspec.json.decode(self._note_file(self._folder, simulated=simulated).read_bytes(), type=_Newest)
            held = self.load(noted.name) if (noted.boundary, noted.epoch) == (edge, epoch) else None
        except (OSError, msgspec.MsgspecError, ArtifactDamaged):
            return None
        self._seen[noted.name] = noted.seq
        return held

    def _note(self, items: ItemSnapshot, *, simulated: bool) -> None:
        if self._folder is not None:
            noted = _Newest(items.boundary, items.epoch, items.name, self._seen[items.name])
            target = self._note_file(self._folder, simulated=simulated)
            partial = target.with_suffix(f".{os.getpid()}")
            try:
                partial.write_bytes(msgspec.json.encode(noted))
                os.replace(partial, target)
            except OSError as error:
                raise StoreUnavailable(f"{target} cannot be written: {error.strerror}") from error

    @staticmethod
    def _note_file(folder: Path, *, simulated: bool) -> Path:
        return folder / ("newest-simulated.json" if simulated else "newest.json")

    def save(self, items: ItemSnapshot) -> str:
        """Keep a snapshot and return its name; on disk it is whole or not there, and stays through a power cut.

        Raises StoreUnavailable when the disk does not take it: what a receipt names must be there to replay it.
        """
        if self._folder is not None:
            target = self._folder / f"{items.name.removeprefix('sha256:')}.npz"
            try:
                if not target.exists() or target.stat().st_size != len(items.data):
                    self._folder.mkdir(parents=True, exist_ok=True)
                    _replace_durably(target, items.data)
            except OSError as error:
                raise StoreUnavailable(f"item snapshot {items.name} cannot be kept: {error.strerror}") from error
        self._known[items.name] = items
        while len(self._known) > 8 and self._folder is not None:
            oldest = next(iter(self._known))
            self._known.pop(oldest)
            self._seen.pop(oldest, None)
        return items.name

    def load(self, name: str) -> ItemSnapshot:
        """Return a snapshot by its name; raise ArtifactDamaged when it is missing or its bytes differ from its name."""
        if name in self._known:
            return self._known[name]
        if self._folder is None:
            raise ArtifactDamaged(f"item snapshot {name[:80]} is not kept")
        try:
            data = (self._folder / f"{name.removeprefix('sha256:')}.npz").read_bytes()
        except OSError as error:
            raise ArtifactDamaged(f"item snapshot {name[:80]} cannot be read from {error.filename}") from error
        if digest(data) != name:
            raise ArtifactDamaged(f"item snapshot {name[:80]} was changed on disk; restore it from your backup")
        items = read_item_snapshot(data)
        vars(items)["data"] = data  # what it was read from: packing it again would take half a second
        self._known[name] = items
        return items


def _replace_durably(target: Path, data: bytes) -> None:
    partial = target.with_suffix(f".{os.getpid()}")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
