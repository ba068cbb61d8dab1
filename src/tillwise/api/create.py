"""Puts the door together: every route of a built shop, in one table."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from tillwise.access.keys import TABLES, Keys
from tillwise.api.consent import consent_routes
from tillwise.api.console import console_routes
from tillwise.api.console_requests import console_request_routes
from tillwise.api.deciding import decision_routes
from tillwise.api.documents import document_routes
from tillwise.api.door import Door
from tillwise.api.doorway import Doorway
from tillwise.api.entry import Admission
from tillwise.api.health import health_routes
from tillwise.api.metrics import Metrics
from tillwise.api.openapi import describe, openapi_route
from tillwise.api.page import page_route
from tillwise.api.preferences import preference_routes
from tillwise.api.privacy import privacy_routes
from tillwise.api.records import record_routes
from tillwise.api.reviewing import review_routes
from tillwise.api.shop import Shop
from tillwise.api.traces import TracedDoor, Traces
from tillwise.api.tracking import tracking_routes
from tillwise.preferences.language import check_words


def create_api(
    shop: Shop, *, on_start: Callable[[], object] = lambda: None, on_stop: Callable[[], None] | None = None
) -> Door:
    """Return the ASGI application of a shop; `on_stop` replaces closing the shop when serving ends.

    Raises ConfigurationError when a route has no declared scope.
    """
    check_words()
    shop.store.create(TABLES)
    traces = Traces(shop.settings.serve.traces) if shop.settings.serve.traces else None
    figures = traces.figures if traces else Metrics()
    keys = Keys(shop.store)
    routes = (
        *tracking_routes(shop),
        *decision_routes(shop, figures),
        *record_routes(shop),
        *review_routes(shop),
        *consent_routes(shop),
        *privacy_routes(shop),
        *preference_routes(shop),
        *health_routes(shop, figures),
    )
    described = describe(routes, version("tillwise"))
    admission = Admission(keys, shop.settings.serve.origins)
    doorway = Doorway(shop, keys)
    whole = (
        *routes, openapi_route(described), page_route(described), *console_routes(shop, keys, doorway),
        *console_request_routes(shop, doorway), *document_routes(shop, doorway),
    )  # fmt: skip
    stop = on_stop or shop.close
    if traces:
        return TracedDoor(whole, admission, traces, on_start=on_start, on_stop=stop)
    return Door(whole, admission, figures, on_start=on_start, on_stop=stop)
