"""Checkpoints outside the shop's own file: written by hand, or appended to a file or folder as they are signed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tillwise.audit.checkpoint import ORIGIN, Checkpoint, read_checkpoint
from tillwise.audit.log import note
from tillwise.errors import InvalidInput, StoreUnavailable
from tillwise.vocabulary.clock import Milliseconds
from tillwise.vocabulary.store import Snapshot, Store

KEPT: Final = "kept"
VERIFIED: Final = "verified"
EVERY: Final = 60_000
"""Milliseconds between two checkpoints in `copy_to` at least."""


def read_held(files: Iterable[Path], public: str) -> list[Checkpoint]:
    """Return every checkpoint in some files, one or many in each; raise InvalidInput for one that is not ours."""
    held: list[Checkpoint] = []
    for file in files:
        try:
            text = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise InvalidInput(f"{file} is no text file with checkpoints", field="checkpoint") from None
        if not text.startswith(f"{ORIGIN}\n"):
            raise InvalidInput(f"{file} holds no checkpoint of a tillwise log", field="checkpoint")
        # A note starts with its origin on a line of its own; the signature line only ends with it in the middle.
        notes = f"\n{text}".split(f"\n{ORIGIN}\n")[1:]
        held += [read_checkpoint(f"{ORIGIN}\n{each}", public) for each in notes]
    return held


def append(target: Path, signed: str, wall: Milliseconds) -> Path:
    """Append a signed checkpoint to a file, or to the day's file in a folder; durable when this returns.

    Raises StoreUnavailable when the disk does not take it.
    """
    if target.is_dir():
        target = target / f"checkpoints-{datetime.fromtimestamp(wall / 1000, UTC):%Y-%m-%d}.txt"
    try:
        with target.open("a", encoding="utf-8") as file:
            file.write(signed)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreUnavailable(f"the checkpoint could not be appended to {target}: {error.strerror}") from error
    return target


def kept(store: Store, size: int, wall: Milliseconds, *, where: str) -> None:
    """Remember that a checkpoint left this file; the doctor asks for it."""
    store.commit(lambda transaction: note(transaction, KEPT, wall, {"size": size, "where": where})).result()


def last(snapshot: Snapshot, name: str) -> tuple[Milliseconds, str] | None:
    """Return when something was last done with the log (wall clock) and what came of it, None when it never was."""
    row = snapshot.one("SELECT wall, body FROM audit_notes WHERE name = ?", (name,))
    return None if row is None else (row[0], row[1])
