"""From declared properties to an Event: amounts, lines, codes. Pure, and shared by tracking and imports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tillwise.errors import InvalidEvent, InvalidInput
from tillwise.events.compiled import COMPILED, Compiled, Refused, harmless, parse, pick
from tillwise.events.event import Event, Line, Quarantined
from tillwise.events.facts import PERSON_KEYS
from tillwise.events.properties import Kind, Property
from tillwise.events.types_orders import MISMATCH
from tillwise.events.values import public_code, read_currency
from tillwise.vocabulary.money import MAX_MINOR

_NOTHING: Final[Mapping[str, Any]] = {}
_PERSONAL: Final = frozenset(PERSON_KEYS)
_TEXT_KINDS: Final = (Kind.ID, Kind.COUNTRY)
LINE_LIMIT: Final = 2000
"""Products in one event at most."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What an event says besides its properties. `purposes` None means what its type allows.

    `withheld` counts the properties its sender's key may not send: they are left out.
    """

    ts: int
    message_id: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    previous_id: str | None = None
    simulated: bool = False
    purposes: int | None = None
    withheld: int = 0


def build_event(
    name: str,
    properties: Mapping[str, Any],
    header: Header,
    *,
    currency: str = "EUR",
    context: Mapping[str, Any] = _NOTHING,
) -> Event | Quarantined:
    """Return a valid event of the declared type `name`, or why it is not one.

    Amounts are decimal major units of the event's own `currency`, else of the shop's. An amount in another currency
    than the shop's stays in the body but feeds no measure (flag `foreign_currency`): sums never mix currencies. Raises
    InvalidInput when there is no such type.
    """
    compiled = COMPILED.get(name)
    if compiled is None:
        raise InvalidInput(f"'{name}' is no event type", field="event")
    if compiled.declared.person and header.user_id is None and header.anonymous_id is None:
        return Quarantined(
            reason="neither userId nor anonymousId is given", field="userId", type=name, message_id=header.message_id
        )
    try:
        return _build(compiled, properties, header, currency, context)
    except Refused as error:
        return Quarantined(
            reason=str(error), field=error.field, type=name, message_id=header.message_id, parsed=error.parsed
        )


def _build(
    compiled: Compiled, properties: Mapping[str, Any], header: Header, shop_currency: str, context: Mapping[str, Any]
) -> Event:
    declared = compiled.declared
    undeclared: list[str] = []
    flags: list[str] = []
    texts: list[str] = []
    picked = pick(compiled.event, properties, undeclared)
    _add_context(compiled, picked, context)
    currency = _currency(picked.get("currency"), shop_currency)
    parsed = parse(compiled.event, picked, currency)
    _check_one_of(compiled, parsed)
    columns, people = _columns(compiled.event.properties, parsed, texts)
    if "price" in parsed:
        _line_amount(columns, parsed)
    products = picked.get("products")
    lines: list[Line] = []
    if products is not None:
        parsed["products"] = _add_lines(compiled, products, currency, lines, undeclared, flags, texts)
        _add_totals(columns, lines)
    if parsed.get("quantity") == 0 and "item" in columns and declared.person:
        flags.append("zero_quantity")
        columns["flag"] = 1
    if declared.flag is MISMATCH:
        columns.update(_mismatch(parsed))
    rows = (Line(0, declared.code, **columns), *lines)
    if currency != shop_currency and any(row.amount is not None or row.discount is not None for row in rows):
        flags.append("foreign_currency")
        rows = tuple(row._replace(amount=None, discount=None) for row in rows)
    return Event(
        type=declared.name,
        ts=header.ts,
        message_id=header.message_id,
        user_id=header.user_id,
        anonymous_id=header.anonymous_id,
        previous_id=header.previous_id,
        order_id=parsed.get("order_id"),
        people=people,
        body={name: value for name, value in parsed.items() if compiled.event.properties[name].column not in _PERSONAL},
        lines=rows if declared.facts else (),
        texts=tuple(texts),
        purposes=compiled.mask if header.purposes is None else header.purposes,
        simulated=header.simulated,
        undeclared=tuple(undeclared),
        flags=tuple(flags),
        withheld=header.withheld,
    )


def _check_one_of(compiled: Compiled, parsed: Mapping[str, Any]) -> None:
    names = compiled.declared.one_of
    if names and not any(name in parsed for name in names):
        raise Refused(lacking(names), field=names[0], parsed=harmless(compiled.event, parsed))


def lacking(names: Sequence[str]) -> str:
    """Return the reason for an event that names none of the properties of which it needs one."""
    return f"at least one of {', '.join(names)} is needed"


def _add_context(compiled: Compiled, picked: dict[str, Any], context: Mapping[str, Any]) -> None:
    if not context:
        return
    for name, path in compiled.event.context:
        if name not in picked:
            value: Any = context
            for step in path:
                value = value.get(step) if isinstance(value, Mapping) else None
            if value not in (None, ""):
                picked[name] = value


def _currency(given: Any, shop_currency: str) -> str:
    if given is None:
        return shop_currency
    try:
        return read_currency(given)
    except InvalidEvent as error:
        raise Refused(str(error), field="currency", parsed={}) from None


def _columns(
    properties: Mapping[str, Property], parsed: Mapping[str, Any], texts: list[str]
) -> tuple[dict[str, int], dict[str, str]]:
    columns: dict[str, int] = {}
    people: dict[str, str] = {}
    for name, value in parsed.items():
        declared = properties[name]
        column = declared.column
        if not column or column == "order_ref":
            continue
        if column in _PERSONAL:
            people[column] = value
        elif declared.kind in _TEXT_KINDS:
            columns[column] = public_code(value)
            texts.append(value)
        else:
            columns[column] = int(value)
    return columns, people


def _line_amount(columns: dict[str, int], parsed: Mapping[str, Any]) -> None:
    """Set the amount of what names a unit price: `line_total` when given, else quantity × price."""
    if "amount" not in columns:
        amount = parsed["price"] * parsed.get("quantity", 1)
        if amount > MAX_MINOR:
            raise Refused("is larger than any amount a shop can mean", field="price", parsed={})
        columns["amount"] = amount


def _add_lines(
    compiled: Compiled, products: Any, currency: str, lines: list[Line], undeclared: list[str], flags: list[str],
    texts: list[str],
) -> list[dict[str, Any]]:  # fmt: skip
    if not isinstance(products, list) or len(products) > LINE_LIMIT:
        raise Refused(f"must be a list of at most {LINE_LIMIT} products", field="products", parsed={})
    table, code = compiled.line, compiled.declared.line_code
    bodies = []
    for index, product in enumerate(products):
        prefix = f"products[{index}]."
        if not isinstance(product, Mapping):
            raise Refused("must be an object", field=prefix[:-1], parsed={})
        picked = pick(table, product, undeclared, "products.")
        parsed = parse(table, picked, currency, prefix)
        columns, _ = _columns(table.properties, parsed, texts)
        if "price" in parsed:
            _line_amount(columns, parsed)
        if columns.get("quantity") == 0 or columns.get("amount") == 0:
            flags.append("zero_quantity" if columns.get("quantity") == 0 else "zero_value")
            columns["flag"] = 1
        lines.append(Line(index + 1, code, **columns))
        bodies.append(parsed)
    return bodies


def _add_totals(columns: dict[str, int], lines: list[Line]) -> None:
    """Where the event names no total, its lines do."""
    for name in ("amount", "quantity", "discount"):
        known = [value for line in lines if (value := getattr(line, name)) is not None]
        if name not in columns and known:
            columns[name] = sum(known)


def _mismatch(parsed: Mapping[str, Any]) -> dict[str, int]:
    billing, shipping = parsed.get("billing_country"), parsed.get("shipping_country")
    return {} if billing is None or shipping is None else {"flag": int(billing != shipping)}
