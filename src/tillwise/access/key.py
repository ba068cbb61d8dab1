"""A key: who calls, what it may do, until when. Its text is shown once and never stored."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

ROLES: Final[dict[str, tuple[str, ...]]] = {
    "browser": ("ingest:behaviour",),
    "server": ("ingest",),
    "decide": ("decide", "outcomes", "read:decisions", "review"),
    "privacy": ("consent", "privacy"),
    "admin": ("admin",),
}
"""What each role may do. A key may also be made for some of these scopes, or for some below them."""

SCOPES: Final = (
    "admin",
    "ingest",
    "ingest:behaviour",
    "decide",
    "decide:recommendations",
    "decide:fraud",
    "decide:churn",
    "outcomes",
    "consent",
    "privacy",
    "read:decisions",
    "review",
)  # fmt: skip
"""Every scope but those of a shop's own use cases. A scope holds all below it (`decide` holds `decide:fraud`); `admin`
holds everything."""
USE_CASE_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
"""What a use case may be called: its name stands in a path and in a scope."""
_DECIDE: Final = "decide:"


def is_scope(text: str) -> bool:
    """Return True for a scope of the table, and for `decide:<use case>` of a shop's own use case."""
    own = text.removeprefix(_DECIDE)
    return text in SCOPES or (own != text and USE_CASE_NAME.fullmatch(own) is not None)


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is stored. Times are Unix milliseconds of the wall clock."""

    key_id: str
    role: str
    scopes: frozenset[str]
    created: int
    expires: int
    last_used: int | None = None

    def allows(self, scope: str) -> bool:
        """Return True when this key may do what `scope` names; anything not granted is refused."""
        return holds(self.scopes, scope)

    @property
    def beyond(self) -> tuple[str, ...]:
        """Return the scopes this key has and its role does not, sorted: none, unless somebody wrote the table."""
        return tuple(sorted(scope for scope in self.scopes if not holds(ROLES.get(self.role, ()), scope)))


def holds(scopes: Collection[str], scope: str) -> bool:
    """Return True when one of these scopes is this one or stands above it."""
    if scope in scopes or "admin" in scopes:
        return True
    above, _, below = scope.partition(":")
    return bool(below) and above in scopes


def new_key_text(role: str) -> str:
    """Return a new key: `tw_<role>_` and 32 random bytes."""
    return f"tw_{role}_{secrets.token_urlsafe(32)}"


def key_hash(text: str) -> bytes:
    """Return what is stored of a key. 256 random bits need no slow hash: nobody can try them all."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
