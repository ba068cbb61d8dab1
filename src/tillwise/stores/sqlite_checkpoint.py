"""Moving the write-ahead log into the database beside the commits, so that no commit waits for it.

SQLite's own automatic checkpoint runs inside a commit and holds it up for as long as thousands of pages take. Here a
thread of its own copies pages while commits go on; only to start the log file over, when it has grown large, does a
commit wait for the few pages that are left.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress

INTERVAL = 1.0
"""Seconds between two checkpoints while there are commits."""
RESTART_FRAMES = 16_384
"""Pages in the log (64 MB) from which it is started over."""


class Checkpointer:
    """Checkpoints a database in WAL mode in the background, on a connection of its own."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        *,
        interval: float = INTERVAL,
        restart_frames: int = RESTART_FRAMES,
    ) -> None:
        self._connect = connect
        self._interval = interval
        self._restart_frames = restart_frames
        self._committed = threading.Event()
        self._ended = threading.Event()
        self._start_over = False
        self._thread = threading.Thread(target=self._serve, name="tillwise-checkpoint", daemon=True)
        self._thread.start()

    def committed(self) -> None:
        """Say that there is something to copy."""
        self._committed.set()

    def before_writing(self, writer: sqlite3.Connection) -> None:
        """Start the log over if it has grown large and nobody reads it: for the writer, between two transactions."""
        if self._start_over:
            self._start_over = False
            with suppress(sqlite3.Error):
                writer.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._committed.set()
        self._thread.join()

    def _serve(self) -> None:
        connection: sqlite3.Connection | None = None
        while not self._ended.is_set():
            self._committed.wait()
            self._committed.clear()
            if self._ended.wait(self._interval):
                break
            try:
                connection = connection or self._connect()
                self._checkpoint(connection)
            except Exception:  # a checkpoint that failed is tried again after the next commit; the thread goes on
                connection = self._drop(connection)
        self._drop(connection)

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        row = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if row is not None and row[1] >= self._restart_frames:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            self._start_over = True

    @staticmethod
    def _drop(connection: sqlite3.Connection | None) -> None:
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()
