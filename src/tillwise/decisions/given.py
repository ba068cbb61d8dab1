"""Features a caller gives: they must be of the released definitions, need a permit, and are never trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tillwise.decisions.decision import Request
from tillwise.decisions.use_case import UseCase
from tillwise.errors import InvalidInput
from tillwise.features.row import FeatureRow


def given_row(use_case: UseCase, request: Request, row: FeatureRow) -> FeatureRow:
    """Return the row with the values the caller gave; raise InvalidInput when they are of other definitions."""
    features = request.features or {}
    if features.get("version") != use_case.definition:
        raise InvalidInput(
            f"these features are of version {str(features.get('version'))[:80]}; the released definitions are"
            f" {use_case.definition}",
            field="features.version",
        )
    values = features.get("values")
    if not isinstance(values, dict):
        raise InvalidInput("features.values is an object of column and number", field="features.values")
    for name, value in values.items():
        if name not in row.columns:
            raise InvalidInput(f"there is no feature '{str(name)[:80]}'", field="features.values")
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise InvalidInput(f"feature '{name}' is no number", field="features.values")
    known = dict(zip(row.columns, row.values, strict=True)) | values
    return replace(
        row, values=tuple(None if known[name] is None else float(np.float32(known[name])) for name in row.columns)
    )
