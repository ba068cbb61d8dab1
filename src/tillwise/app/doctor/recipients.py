"""Who receives data: records and papers that ran out, sinks nobody stands behind, borders, and what waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from tillwise.app.build import App
from tillwise.app.doctor.finding import Finding, day
from tillwise.recipients import outbox, sent
from tillwise.recipients.vendor import Vendor, day_of
from tillwise.vocabulary.store import Snapshot

SOON: Final = timedelta(days=30)
FILE: Final = "vendors.toml"


def recipients(app: App, snapshot: Snapshot) -> Iterator[Finding]:
    """Look at vendor records, sinks, borders, the outbox, and at who has to be told of a request."""
    book = app.outbound.book
    if book.problem:
        says = f"nobody is on record, so nothing leaves: {book.problem}"
        yield Finding("wrong", "recipients", says, f"mend {FILE}, then tillwise recipients list")
    used = {row["vendor"] for row in sent.totals(snapshot)}
    for vendor in book.vendors.values():
        yield from _record(app, vendor)
        if vendor.name not in used:
            says = f"nothing ever went to '{vendor.name}'"
            yield Finding("fine", "recipients", says, f"take it out of {FILE} if it is not needed")
    yield from _sinks(app, snapshot)
    yield from _homes(app, snapshot)
    for name in app.outbound.gate.borders.unreviewed(app.clock.wall()):
        yield Finding("warning", "law", f"{name} was last reviewed more than 180 days ago", "update tillwise")
    for task in sent.tasks(snapshot):
        says = f"'{task['vendor']}' has to be told what a request of {day(task['wall'])} asked: its receipt names them"
        yield Finding("warning", "recipients", says, f"tell them, then tillwise recipients told {task['id']}")


def _record(app: App, vendor: Vendor) -> Iterator[Finding]:
    gate, today = app.outbound.gate, day_of(app.clock.wall())
    for cause in gate.obstacles(vendor, None, ()):
        yield Finding("wrong", "recipients", f"nothing goes to '{vendor.name}': {cause.text}", cause.mend)
    for kind, paper in vendor.papers():
        if paper.holds(today) and paper.expires - today < SOON:
            says = f"{kind} '{paper.kind}' of '{vendor.name}' ends on {paper.expires}: nothing goes there from then on"
            yield Finding("warning", "recipients", says, f"renew it and write the new dates in {FILE}")
    transfer = vendor.transfer
    if transfer is not None and transfer.expires is not None and timedelta() <= transfer.expires - today < SOON:
        says = f"the transfer mechanism of '{vendor.name}' ends on {transfer.expires}"
        yield Finding("warning", "recipients", says, f"renew it and write the new date in {FILE}")
    place = app.settings.shop.place
    found = gate.obstacle_at(vendor, place) if place else None
    if found is not None and not (transfer is not None and not transfer.holds(today)):
        says = f"nothing about people of {place} goes to '{vendor.name}' in {vendor.country}: {found.text}"
        yield Finding("wrong", "recipients", says, found.mend)


def _sinks(app: App, snapshot: Snapshot) -> Iterator[Finding]:
    sinks = app.outbound.sinks.settings
    for name, sink in sinks.items():
        if sink.vendor not in app.outbound.book.vendors:
            says = f"sink '{name}' goes to '{sink.vendor}', of whom there is no record: nothing is sent"
            yield Finding("wrong", "sinks", says, f'add a [[vendor]] table named "{sink.vendor}" to {FILE}')
    for queue in outbox.queues(snapshot):
        if queue.sink not in sinks:
            says = f"{queue.waiting} messages wait for '{queue.sink}', which tillwise.toml names no more"
            yield Finding("warning", "sinks", says, f"put [sinks.{queue.sink}] back, or leave them: nothing is sent")
        elif queue.given_up:
            says = f"{queue.given_up} messages to sink '{queue.sink}' were given up: {queue.cause}"
            yield Finding("wrong", "sinks", says, f"tillwise recipients retry {queue.sink}")
        elif queue.cause:
            says = f"{queue.waiting} messages wait for sink '{queue.sink}' since {day(queue.oldest)}: {queue.cause}"
            yield Finding("warning", "sinks", says, f"tillwise recipients check {sinks[queue.sink].vendor}")


def _homes(app: App, snapshot: Snapshot) -> Iterator[Finding]:
    """Name people this store holds although the law of their place keeps them elsewhere."""
    region = app.settings.shop.region
    if not region:
        says = "nobody said where this store stands: people whose law keeps their data at home are refused everywhere"
        yield Finding("fine", "region", says, 'set region = "eu" (or a country such as "us") under [shop]')
    rows = snapshot.all("SELECT country, count(*) FROM traits WHERE country IS NOT NULL GROUP BY country")
    for country, people in rows:
        if app.outbound.guard.refuses(str(country)):
            says = f"{people} people of {country} are held here, though their law keeps them in a store of its own"
            yield Finding("wrong", "region", says, "move them, or erase them: tillwise privacy erase SUBJECT")
