"""The doctor: says in plain words what is missing, unsafe or stale, with the command that mends it."""

from __future__ import annotations

from collections.abc import Iterator

from tillwise.app.build import App
from tillwise.app.doctor.access import access
from tillwise.app.doctor.audit import audit
from tillwise.app.doctor.consent import consent
from tillwise.app.doctor.data import imports, intake
from tillwise.app.doctor.finding import Finding
from tillwise.app.doctor.inventory import inventory
from tillwise.app.doctor.keys import keys
from tillwise.app.doctor.notices import notices
from tillwise.app.doctor.pages import pages
from tillwise.app.doctor.place import files, law
from tillwise.app.doctor.recipients import recipients
from tillwise.app.doctor.releases import releases
from tillwise.app.doctor.requests import requests
from tillwise.app.doctor.retention import retention


def examine(app: App) -> list[Finding]:
    """Look at files, law, keys, data, imports and releases; what is wrong comes first."""
    order = {"wrong": 0, "warning": 1, "fine": 2}
    return sorted(_all(app), key=lambda finding: order[finding.level])


def _all(app: App) -> Iterator[Finding]:
    yield from files(app)
    yield from law(app)
    yield from consent(app)
    yield from keys(app)
    yield from requests(app)
    yield from pages(app)
    with app.store.snapshot() as snapshot:
        yield from access(app, snapshot)
        yield from intake(snapshot)
        yield from imports(snapshot)
        yield from releases(app, snapshot)
        yield from recipients(app, snapshot)
        yield from inventory(app, snapshot)
        yield from notices(app, snapshot)
        yield from retention(app, snapshot)
        yield from audit(snapshot)
