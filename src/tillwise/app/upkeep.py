"""What a serving process does beside answering: build the hour's item snapshot early, and load new releases at once.

Without it the first request of an hour, or after a release, would wait for that work.
"""

from __future__ import annotations

import logging
import threading
from typing import Final

from tillwise.app.auditing import AuditKeeper, copy_target
from tillwise.app.build import App
from tillwise.app.keeper import RetentionKeeper
from tillwise.app.outbound import Deliverer
from tillwise.app.own_rules import RulesInForce
from tillwise.errors import TillwiseError
from tillwise.events.log import read_head

EVERY_SECONDS: Final = 20.0
_log = logging.getLogger("tillwise.upkeep")


class Upkeep:
    """A thread that keeps a process warm until it is stopped."""

    def __init__(self, app: App, *, every: float = EVERY_SECONDS) -> None:
        self._app = app
        self._every = every
        self._rules = RulesInForce(app)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tillwise-upkeep", daemon=True)
        self._audit = AuditKeeper(app.store, app.secrets, copy_target(app.folder, app.settings.audit.copy_to))
        self._retention = RetentionKeeper(app.keeping)
        self._outbound = Deliverer(app.outbound.sinks, first=app.notices.refresh)

    def start(self) -> Upkeep:
        """Do everything once in the thread, then again at intervals."""
        self._thread.start()
        self._audit.start()
        self._retention.start()
        self._outbound.start()
        return self

    def stop(self) -> None:
        """End the thread if it ever began; return when it is done."""
        self._stop.set()
        self._outbound.stop()
        self._audit.stop()
        self._retention.stop()
        if self._thread.ident is not None:
            self._thread.join()

    def once(self) -> None:
        """Take over the shop's own rules, refresh the item snapshot and load what is released."""
        self._rules.refresh()
        with self._app.store.snapshot() as snapshot:
            head = read_head(snapshot)
            self._app.shelf.refresh(snapshot, max(head.at, self._app.clock.now()), head.epoch)
            for name in self._app.use_cases:
                self._app.models.current(snapshot, name)
        self._app.notices.refresh()

    def _run(self) -> None:
        while True:
            try:
                self.once()
            except TillwiseError as error:
                _log.warning("upkeep: %s", error)  # readyz says it too; the next round tries again
            except Exception:
                _log.exception("upkeep failed")
            if self._stop.wait(self._every):
                return
