"""What each purpose uses today, from the declarations: the kinds of data its use cases read (see privacy/material.py)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tillwise.decisions.use_case import UseCase
from tillwise.documents.lineage import lineage
from tillwise.privacy.material import material
from tillwise.vocabulary.purpose import Purpose


def materials(
    use_cases: Iterable[UseCase], recipients: Mapping[Purpose, Iterable[str]] | None = None
) -> dict[Purpose, str]:
    """Return, per purpose, the line a yes is compared with; training uses what any of them uses."""
    kinds: dict[Purpose, set[str]] = {}
    for use_case in use_cases:
        categories = lineage(use_case).categories
        for purpose in (use_case.purpose, Purpose.TRAIN):
            kinds.setdefault(purpose, set()).update(categories)
    to = recipients or {}
    return {purpose: material(found, to.get(purpose, ())) for purpose, found in kinds.items()}
