"""Serving: every feature of a set, read live from the rows of the request's keys, in one snapshot."""

from __future__ import annotations

from collections.abc import Mapping

from tillwise.errors import NotPermitted
from tillwise.features.check import is_hot
from tillwise.features.feature import FeatureSet
from tillwise.features.plan import Plan
from tillwise.features.raw import NO_ORDER, Bound, RawRead
from tillwise.features.tile_reads import TiledRead
from tillwise.privacy.permit import Permit
from tillwise.vocabulary.store import Snapshot


class OnlineFeatures:
    """A feature set, compiled for serving.

    With `tiled`, hot keys are read from tiles plus raw ends (features/tiles.py; the log's writer must keep them);
    without, from raw rows only. Both give the same values. Raises InvalidDeclaration for a set that cannot be computed.
    """

    def __init__(self, features: FeatureSet, *, tiled: bool = True) -> None:
        self.plan = Plan(features)
        self.columns = self.plan.columns
        self._empty: list[float | int | None] = self.plan.empty.tolist()
        self._reads: list[RawRead | TiledRead] = [
            TiledRead(read) if tiled and is_hot(read.key) else RawRead(read) for read in self.plan.reads
        ]

    def read(
        self,
        snapshot: Snapshot,
        permit: Permit,
        keys: Mapping[str, int | None],
        request: Mapping[str, float | None],
        *,
        exclude_order: int | None = None,
        simulated: bool = False,
    ) -> tuple[float | None, ...]:
        """Return one float32 value or None per column, as of the permit's point.

        A key that is missing or None reads as one without rows. Rows of `exclude_order` never count, and rows of
        the other world (`simulated` or real) never mix in. Raises NotPermitted when the permit was refused, is for a
        purpose the set may not be read for, or is for another person than `keys["subject"]`.
        """
        self._check(permit, keys)
        plan, point = self.plan, permit.point
        slots = self._empty.copy()
        bound: Bound = {
            "at": point.at, "mark": point.mark, "epoch": point.epoch, "mask": permit.mask,
            "simulated": int(simulated), "order_ref": NO_ORDER if exclude_order is None else exclude_order,
        }  # fmt: skip
        for reading in self._reads:
            key = 0 if reading.read.key == "shop" else keys.get(reading.read.key)
            if key is None:
                continue
            bound["key"] = key
            first = reading.read.first
            slots[first : first + len(reading.read.slots)] = reading.values(snapshot, bound)
        return plan.assemble_one(slots, point.at, [request.get(name) for name in plan.features.request])

    def _check(self, permit: Permit, keys: Mapping[str, int | None]) -> None:
        name = self.plan.features.name
        if not permit.granted:
            raise NotPermitted(f"the permit for {permit.purpose} was refused: the features of '{name}' are not read")
        if self._reads and permit.purpose not in self.plan.purposes:
            raise NotPermitted(f"the features of '{name}' may not be read for {permit.purpose}")
        subject = keys.get("subject")
        if subject is not None and subject not in (permit.subject, permit.anonymous):
            raise NotPermitted(f"the permit is for another person than the features of '{name}' were asked for")
