"""Everything a shop's documents say, read in one snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from tillwise.documents import pages
from tillwise.documents.described import Described, answering
from tillwise.documents.flow import flow
from tillwise.documents.inventory import Field, inventory
from tillwise.documents.observed import NEWEST, Observed, observe
from tillwise.documents.ropa import Record, record
from tillwise.documents.uses import lineages


@dataclass(frozen=True, slots=True)
class Documents:
    """Inventory, record and picture of one moment."""

    shop: str
    cases: tuple[str, ...]
    observed: Observed
    fields: tuple[Field, ...]
    record: Record
    picture: str

    def inventory_html(self) -> str:
        """Return inventory and flow as a fragment."""
        return pages.inventory_html(self.fields, self.flow_html(), self.shop, self.observed.read)

    def flow_html(self) -> str:
        """Return the flow alone as a fragment."""
        return pages.flow_html(self.picture, self.cases)

    def flow_page(self) -> str:
        """Return the flow as a page of its own."""
        return pages.flow_page(self.picture, self.cases)

    def record_html(self) -> str:
        """Return the record of processing as a fragment."""
        return pages.record_html(self.record)


def documents(shop: Described, *, newest: int = NEWEST) -> Documents:
    """Read a shop and return its documents; which properties arrived is seen in the `newest` events."""
    with shop.store.snapshot() as snapshot:
        observed = observe(shop, snapshot, newest=newest)
        return Documents(
            shop.name,
            tuple(shop.use_cases),
            observed,
            tuple(inventory(shop, snapshot, observed)),
            record(shop, snapshot, observed),
            flow(lineages(shop), answering(shop, snapshot), observed),
        )
