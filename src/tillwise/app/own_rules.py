"""Keeps a serving process at the shop's own rules: a changed `rules.toml` changes decisions without a restart."""

from __future__ import annotations

import logging

from tillwise.app.build import App
from tillwise.errors import ConfigurationError
from tillwise.privacy.own_rules import read_own_rules
from tillwise.privacy.revisions import keep_revision
from tillwise.privacy.rule_file import load_rules
from tillwise.vocabulary.clock import wall_now

_log = logging.getLogger("tillwise.rules")


class RulesInForce:
    """Reads `rules.toml` again and lets the gate judge by it; a file that cannot be trusted changes nothing."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._text: str | None = None

    def refresh(self) -> bool:
        """Adopt what the file says now; return True when the rules changed. A broken file is logged, by rule and line.

        The new revision is on record before the first decision is taken under it.
        """
        app = self._app
        try:
            text = read_own_rules(app.folder.path)
            if text == self._text:
                return False
            self._text = text
            rules = load_rules(preset=app.settings.privacy.preset, own=text)
        except ConfigurationError as error:
            _log.warning("the rules in force stay as they were: %s", error)
            return False
        if rules.revision == app.gate.rules.revision:
            return False
        app.store.commit(lambda transaction: keep_revision(transaction, rules, wall_now())).result()
        app.gate.adopt(rules)
        return True
