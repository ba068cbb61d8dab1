"""A seeded stream of payments with known fraud, for shops that have none to show yet. Everything in it is invented.

Four patterns of attack among honest customers: card testing (many cards in an hour from one device), rings (a few
accounts sharing device and address), account takeover (an old account, a new device, goods sent elsewhere) and
friendly fraud (the customer disputes an order they made). Disputed payments come back 7 to 60 days later.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

DAY: Final = 86_400_000
HOUR: Final = 3_600_000
COUNTRIES: Final = ("DE", "DE", "DE", "DE", "AT", "NL", "FR", "PL")
CURRENCY: Final = "EUR"
PATTERNS: Final = ("honest", "card_testing", "ring", "takeover", "friendly")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """How much to invent. Attacks are numbers of campaigns or orders over the whole time."""

    customers: int = 4_000
    days: int = 240
    card_tests: int = 45
    rings: int = 40
    takeovers: int = 350
    friendly: int = 120


@dataclass(slots=True)
class Stream:
    """The invented rows, each list in the order of time. `patterns` maps an order to who made it, for tests only."""

    signups: list[Row] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    chargebacks: list[Row] = field(default_factory=list)
    patterns: dict[str, str] = field(default_factory=dict)

    def files(self) -> Iterator[tuple[str, list[Row]]]:
        """Yield file names and rows, in the order in which an import reads them."""
        yield "signups.jsonl", self.signups
        yield "attempts.jsonl", self.attempts
        yield "chargebacks.jsonl", self.chargebacks


@dataclass(frozen=True, slots=True)
class _Customer:
    user_id: str
    joined: int
    per_day: float
    mean_cents: int
    country: str
    devices: tuple[str, ...]
    cards: tuple[str, ...]
    address: str
    ip: str
    hour: int

    @property
    def email(self) -> str:
        return f"{self.user_id}-mail"


class _Inventor:
    """Draws everything from one generator, so that the same seed gives the same rows."""

    def __init__(self, seed: int, end: int, shape: Shape) -> None:
        self.draw = random.Random(seed)  # noqa: S311 - an invented world, not a secret
        self.shape = shape
        self.start = end - shape.days * DAY
        self.end = end
        self.stream = Stream()
        self.orders = 0
        self.names = 0

    def name(self, kind: str) -> str:
        """Return a new invented id."""
        self.names += 1
        return f"sim-{kind}-{self.names}"

    def ip(self) -> str:
        """Return an address of the documentation ranges and of the benchmarking range: nobody's (RFC 5737, 2544)."""
        return f"198.{self.draw.choice((18, 19))}.{self.draw.randrange(256)}.{self.draw.randrange(1, 255)}"

    def customer(self, household: _Customer | None = None) -> _Customer:
        """Return a new honest customer, perhaps of somebody's household."""
        draw = self.draw
        joined = self.start - draw.randrange(900) * DAY if draw.random() < 0.7 else draw.randrange(self.start, self.end)
        devices = [self.name("device") for _ in range(1 + (draw.random() < 0.35))]
        return _Customer(
            user_id=self.name("customer"),
            joined=joined,
            per_day=min(0.25, draw.lognormvariate(math.log(0.025), 0.8)),
            mean_cents=int(min(60_000, draw.lognormvariate(math.log(4_500), 0.6))),
            country=household.country if household else draw.choice(COUNTRIES),
            devices=(*devices, *(household.devices[:1] if household else ())),
            cards=tuple(self.name("card") for _ in range(1 + (draw.random() < 0.3))),
            address=household.address if household else self.name("address"),
            ip=household.ip if household else self.ip(),
            hour=draw.choice((8, 10, 12, 17, 19, 20, 21)),
        )

    def sign_up(self, customer: _Customer) -> None:
        """Note that an account was opened."""
        self.stream.signups.append(
            {
                "message_id": self.name("message"), "user_id": customer.user_id, "timestamp": rfc3339(customer.joined),
                "device_id": customer.devices[0], "ip": customer.ip, "email_hash": customer.email,
                "country": customer.country,
            }
        )  # fmt: skip

    def order_id(self, pattern: str) -> str:
        """Return a new order made by this pattern."""
        self.orders += 1
        order = f"sim-order-{self.orders}"
        self.stream.patterns[order] = pattern
        return order

    def attempt(self, customer: _Customer, at: int, cents: int, order: str, status: str, **other: Any) -> Row:
        """Note a payment attempt; `other` replaces what the customer would usually send."""
        row = {
            "message_id": self.name("message"), "user_id": customer.user_id, "timestamp": rfc3339(at),
            "order_id": order, "amount": f"{cents / 100:.2f}", "currency": CURRENCY, "payment_method": "card",
            "status": status, "device_id": self.draw.choice(customer.devices), "card_hash": customer.cards[0],
            "ip": customer.ip, "address_hash": customer.address, "email_hash": customer.email,
            "billing_country": customer.country, "shipping_country": customer.country, **other,
        }  # fmt: skip
        self.stream.attempts.append(row)
        return row

    def dispute(self, attempt: Row, at: int, reason: str) -> None:
        """Note that the payment comes back, 7 to 60 days later, if the invented time lasts that long."""
        later = at + self.draw.randrange(7 * DAY, 60 * DAY)
        if later < self.end:
            kept = ("user_id", "order_id", "amount", "currency", "device_id", "card_hash", "address_hash", "email_hash")
            row = {"message_id": self.name("message"), "timestamp": rfc3339(later), "reason": reason}
            self.stream.chargebacks.append({**row, **{name: attempt[name] for name in kept}})


def rfc3339(at: int) -> str:
    """Return Unix milliseconds as RFC 3339 in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03d}Z"


def payments(seed: int, end: int, shape: Shape | None = None) -> Stream:
    """Return invented payments up to `end` (Unix milliseconds); the same arguments give the same rows."""
    world = _Inventor(seed, end, shape or Shape())
    customers: list[_Customer] = []
    for _ in range(world.shape.customers):
        household = world.draw.choice(customers) if customers and world.draw.random() < 0.12 else None
        customers.append(world.customer(household))
        world.sign_up(customers[-1])
        _honest(world, customers[-1])
    for _ in range(world.shape.card_tests):
        _card_test(world)
    for _ in range(world.shape.rings):
        _ring(world)
    for _ in range(world.shape.takeovers):
        _takeover(world, world.draw.choice(customers))
    for _ in range(world.shape.friendly):
        _friendly(world, world.draw.choice(customers[:200]))
    for _, rows in world.stream.files():
        rows.sort(key=lambda row: (row["timestamp"], row["message_id"]))
    return world.stream


def _moment(world: _Inventor, hour: int | None = None) -> int:
    day = world.draw.randrange(world.start // DAY, world.end // DAY) * DAY
    around = world.draw.gauss(hour, 2.5) % 24 if hour is not None else world.draw.random() * 24
    return min(world.end - 1, max(world.start, day + int(around * HOUR)))


def _honest(world: _Inventor, who: _Customer) -> None:
    draw = world.draw
    at = float(max(world.start, who.joined))
    while True:
        at += draw.expovariate(who.per_day) * DAY
        if at >= world.end - DAY:
            return
        moment = int(at) // DAY * DAY + int((draw.gauss(who.hour, 2.5) % 24) * HOUR)
        cents = max(100, int(who.mean_cents * draw.lognormvariate(0, 0.45)))
        order, other = world.order_id("honest"), _unusual(world, who)
        if draw.random() < 0.03:
            world.attempt(who, moment, cents, order, "declined", **other)
            moment += draw.randrange(60_000, 600_000)
        world.attempt(who, moment, cents, order, "authorised", **other)


def _unusual(world: _Inventor, who: _Customer) -> Row:
    """Return what makes an honest order look odd now and then: a gift, a new phone, a journey, another card."""
    draw, other = world.draw, {}
    if draw.random() < 0.05:
        other["address_hash"] = world.name("address")
        if draw.random() < 0.3:
            other["shipping_country"] = draw.choice(COUNTRIES)
    if draw.random() < 0.03:
        other["device_id"] = world.name("device")
    if draw.random() < 0.15:
        other["ip"] = world.ip()
    if draw.random() < 0.12:
        other["card_hash"] = draw.choice(who.cards)
    return other


def _card_test(world: _Inventor) -> None:
    """Try many stolen cards on small orders from one device within an hour; some work, and come back."""
    draw, at = world.draw, _moment(world)
    thief = world.customer()
    world.sign_up(thief)
    for _ in range(draw.randrange(8, 36)):
        at = min(world.end - 1, at + draw.randrange(20_000, 180_000))
        works = draw.random() < 0.35
        order, card = world.order_id("card_testing"), world.name("card")
        cents, status = draw.randrange(100, 1_500), "authorised" if works else "declined"
        row = world.attempt(thief, at, cents, order, status, card_hash=card, device_id=thief.devices[0])
        if works and draw.random() < 0.9:
            world.dispute(row, at, "fraud")


def _ring(world: _Inventor) -> None:
    """Let a few accounts share device and address, each with a stolen card, for some weeks."""
    draw, at = world.draw, _moment(world)
    device, address, ip = world.name("device"), world.name("address"), world.ip()
    for _ in range(draw.randrange(3, 7)):
        member = world.customer()
        world.sign_up(member)
        moment = at
        for _ in range(draw.randrange(1, 4)):
            moment += draw.randrange(HOUR, 6 * DAY)
            if moment >= world.end:
                break
            row = world.attempt(
                member, moment, draw.randrange(8_000, 45_000), world.order_id("ring"), "authorised",
                device_id=device, address_hash=address, ip=ip if draw.random() < 0.7 else world.ip(),
            )  # fmt: skip
            if draw.random() < 0.85:
                world.dispute(row, moment, "fraud")


def _takeover(world: _Inventor, victim: _Customer) -> None:
    """Use somebody's account from a new device, and send dear goods elsewhere."""
    draw, at = world.draw, _moment(world, hour=3)
    device, address, ip = world.name("device"), world.name("address"), world.ip()
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        at += draw.randrange(120_000, 2 * HOUR)
        if at >= world.end:
            return
        abroad = draw.choice(("RO", "PL", "GB", "US")) if draw.random() < 0.6 else victim.country
        cents = int(victim.mean_cents * draw.uniform(2.0, 6.0))
        row = world.attempt(
            victim, at, cents, world.order_id("takeover"), "authorised", device_id=device, address_hash=address, ip=ip,
            shipping_country=abroad,
        )  # fmt: skip
        if draw.random() < 0.92:
            world.dispute(row, at, "fraud")


def _friendly(world: _Inventor, who: _Customer) -> None:
    """Let a customer dispute an order they made; some do it again."""
    at = _moment(world, who.hour)
    cents = max(100, int(who.mean_cents * world.draw.lognormvariate(0.3, 0.4)))
    row = world.attempt(who, at, cents, world.order_id("friendly"), "authorised")
    world.dispute(row, at, "not_received")
