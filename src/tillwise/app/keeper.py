"""Runs the retention job once a day beside the answers, in one of the serving processes."""

from __future__ import annotations

import logging
import threading
from typing import Final

from tillwise.errors import TillwiseError
from tillwise.jobs.retention import RetentionJob

FIRST_SECONDS: Final = 60.0
EVERY_SECONDS: Final = 900.0
_log = logging.getLogger("tillwise.retention")


class RetentionKeeper:
    """A thread that asks now and then whether the job is due; the job itself sees to it that it runs once."""

    def __init__(self, job: RetentionJob, *, first: float = FIRST_SECONDS, every: float = EVERY_SECONDS) -> None:
        self._job = job
        self._first = first
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tillwise-retention", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread if it ever began; a page that is being deleted is finished first."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        wait = self._first
        while not self._stop.wait(wait):
            wait = self._every
            try:
                done = self._job.run_if_due(self._stop.is_set)
                if done is not None:
                    _log.info("retention: %d rows deleted", done.rows)
            except TillwiseError as error:
                _log.warning("retention: %s", error)  # the doctor says it too; the next round tries again
            except Exception:
                _log.exception("retention failed")
