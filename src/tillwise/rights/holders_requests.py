"""Open requests as a holder: who asked what, sealed, while it is needed to answer. What outlives it names nobody."""

from __future__ import annotations

from typing import Final

from tillwise.rights.holder import Part, Rows

ASKED: Final = Rows("open requests", (Part("rights_asked", "subject", "keys", ("request", "until")),))
"""The request itself (rights_requests, rights_steps) stays under a keyed mark: proof that the law was kept."""
