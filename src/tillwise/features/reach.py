"""Windows end where the retention of their data ends: older rows are not read, whether or not they were deleted yet."""

from __future__ import annotations

from dataclasses import replace

from tillwise.features.feature import FeatureSet
from tillwise.privacy.retention import Retention
from tillwise.vocabulary.purpose import Purpose


def within(features: FeatureSet, purpose: Purpose, retention: Retention) -> FeatureSet:
    """Return the features with every window cut to what may be read for `purpose` and to train.

    Serving and training both read the result, and its hash tells whether anything was cut: a model trained on longer
    windows does not answer then. A window of nothing, for data in no row of the table, becomes one millisecond.
    """
    aggregates = tuple(
        replace(each, window=max(1, min(each.window, retention.reach(each.events, purpose, Purpose.TRAIN))))
        for each in features.aggregates
    )
    readings = tuple(
        replace(each, window=min(each.window, retention.reach(each.events, purpose, Purpose.TRAIN)))
        if each.events and each.window
        else each
        for each in features.readings
    )
    if aggregates == features.aggregates and readings == features.readings:
        return features
    return replace(features, aggregates=aggregates, readings=readings)
