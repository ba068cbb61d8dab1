"""Reads over the API are written down before they are answered: which key, which route, whose data, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from tillwise.access.reads import LONGEST_REASON, log_read
from tillwise.api.route import Call, Parameter
from tillwise.api.shop import Shop

HEADER: Final = b"tillwise-reason"
DEFAULT: Final = "api"
REASON: Final = Parameter(
    "Tillwise-Reason", "header", "Why you look; written down with the read, and told to the person who asks",
    {"type": "string", "default": DEFAULT},
)  # fmt: skip


def reason_of(call: Call) -> str:
    """Return why a caller looks: the header `Tillwise-Reason`, else `api`. What is not printable is left out."""
    text = "".join(sign for sign in call.header(HEADER) if sign.isprintable()).strip()
    return text[:LONGEST_REASON] or DEFAULT


async def log_call(
    shop: Shop, call: Call, what: str, subjects: Iterable[int | None] = (), decision_id: str | None = None
) -> None:
    """Write down a read; raise StoreUnavailable when that cannot be done, and then nothing may be answered."""
    about = [subject for subject in subjects if subject is not None]
    await asyncio.wrap_future(
        shop.store.commit(
            lambda transaction: log_read(
                transaction, who=call.key_id, what=what, reason=reason_of(call), subjects=about,
                decision_id=decision_id,
            )
        )
    )  # fmt: skip
