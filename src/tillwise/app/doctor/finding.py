"""What the doctor says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

Level = Literal["wrong", "warning", "fine"]
DAY: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the doctor looked at. `mend` is the command or step that would put it right."""

    level: Level
    about: str
    says: str
    mend: str = ""


def day(moment: int) -> str:
    """Return the date of a moment (Unix ms) as people write it in files."""
    return datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d")
