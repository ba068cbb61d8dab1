"""A signed, expiring override: somebody answers by name for what a gate could not judge.

It covers one model version and never a failed verdict. The signature is an HMAC under the shop's log secret, so that
only whoever may read that secret can make one, and nobody can move it to another model or date.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

import msgspec

from tillwise.errors import NotPermitted
from tillwise.settings import Secrets
from tillwise.vocabulary.canonical import canonical

LONGEST: Final = 180 * 86_400_000
"""An override ends after at most this many milliseconds."""
_DOMAIN: Final = b"tillwise release override 1\n"


class Override(msgspec.Struct, frozen=True):
    """Who takes responsibility for which version, why, and until when (wall clock, Unix ms)."""

    use_case: str
    version: str
    who: str
    why: str
    signed_at: int
    expires: int
    signature: str = ""


def sign(secrets: Secrets, override: Override) -> Override:
    """Return the override with its signature; raise NotPermitted when it names nobody, no reason or a far end."""
    if not override.who.strip() or not override.why.strip():
        raise NotPermitted("an override needs a name and a reason")
    if not override.signed_at < override.expires <= override.signed_at + LONGEST:
        raise NotPermitted(f"an override ends after it starts, and within {LONGEST // 86_400_000} days")
    return msgspec.structs.replace(override, signature=_signature(secrets, override))


def check(secrets: Secrets, override: Override, now: int) -> Override:
    """Return the override; raise NotPermitted when it was not signed here, was changed, or has ended (`now`: wall)."""
    if not hmac.compare_digest(override.signature, _signature(secrets, override)):
        raise NotPermitted("the override's signature does not match: sign it again")
    if not override.signed_at <= now < override.expires:
        raise NotPermitted("the override has ended: sign a new one or let the fairness gate pass")
    return override


def holds(override: Override, version: str) -> bool:
    """Return whether the override is for this version."""
    return override.version == version


def _signature(secrets: Secrets, override: Override) -> str:
    unsigned = canonical(msgspec.structs.replace(override, signature=""))
    return hmac.new(secrets.log, _DOMAIN + unsigned, hashlib.sha256).hexdigest()
