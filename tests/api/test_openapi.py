"""The description of the API is exact: a generator that reads nothing else finds no lie in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from knocking import Client
from schemathesis import GenerationMode
from toy_shop import ToyShop

from tillwise.api.body import MONEY
from tillwise.api.create import create_api


def _whole(value: Any, name: str = "") -> Any:
    """Write money 59.0 as 59: JSON Schema takes both for an integer, the contract a decimal for a mistake in units."""
    if isinstance(value, dict):
        return {key: _whole(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole(each, name) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() and name in MONEY else value


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_route_does_what_it_says(shop: ToyShop, mode: GenerationMode) -> None:
    """All checks: no 5xx, no answer outside its schema, no wrong data taken, no right data refused, no ignored key."""
    described = schemathesis.openapi.from_asgi("/openapi.json", create_api(shop))
    headers = {"Authorization": f"Bearer {shop.keys['admin']}"}

    def hold(case: schemathesis.Case) -> None:
        if isinstance(case.body, dict):
            # By contract a request id that comes back with another body is a 422, and a generator repeats itself.
            case.body.pop("request_id", None)
        if mode is GenerationMode.POSITIVE:
            case.body = _whole(case.body)
        case.call_and_validate(headers=headers)

    bounded = settings(max_examples=10, deadline=None, derandomize=True, database=None,
                       suppress_health_check=list(HealthCheck), phases=(Phase.generate,))  # fmt: skip
    for found in described.get_all_operations():
        operation = found.ok()
        if operation.body or operation.path_parameters or mode is GenerationMode.POSITIVE:
            bounded(given(case=operation.as_strategy(generation_mode=mode))(hold))()


def test_every_shown_route_says_which_scope_it_needs(client: Client) -> None:
    document = client.get("/openapi.json").json()

    assert document["openapi"] == "3.1.0"
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    shown = [route for route in client.door.routes if route.shown and route.scope != "console"]
    assert sorted(route.name for route in shown) == sorted(operations)
    for route in shown:
        if route.scope not in ("public", "operator"):
            assert operations[route.name]["x-scope"] == route.scope
            assert operations[route.name]["security"]


def test_nothing_in_the_description_leads_outside(client: Client) -> None:
    text = json.dumps(client.get("/openapi.json").json())

    assert "http://" not in text
    assert "https://" not in text
