"""Invented payments as files and a mapping, so that they enter a shop by `import` like everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from tillwise.simulator.payments import Shape, payments

MAPPING_NAME: Final = "simulated-payments.toml"
_PEOPLE: Final = """
subject = "user_id"
timestamp = "timestamp"
device_id = "device_id"
email_hash = "email_hash"
"""
_MONEY: Final = """order_id = "order_id"
amount = { column = "amount", unit = "major", currency = "EUR" }
card_hash = "card_hash"
address_hash = "address_hash"
"""
MAPPING: Final = f"""# Invented payments and chargebacks: simulated people only, never mixed with real ones.
simulated = true

[basis]
place = "DE"
fraud_prevention = {{ basis = "legitimate_interest", notice = "simulated", evidence = "invented people" }}
train = {{ basis = "consent", notice = "simulated", evidence = "invented people" }}

[[source]]
file = "signups.jsonl"
event = "Signed Up"
[source.columns]{_PEOPLE}ip = "ip"
country = "country"

[[source]]
file = "attempts.jsonl"
event = "Payment Attempted"
[source.columns]{_PEOPLE}{_MONEY}ip = "ip"
payment_method = "payment_method"
status = "status"
billing_country = "billing_country"
shipping_country = "shipping_country"

[[source]]
file = "chargebacks.jsonl"
event = "Chargeback Received"
[source.columns]{_PEOPLE}{_MONEY}reason = "reason"
"""


def write_payments(folder: Path, *, seed: int, end: int, shape: Shape | None = None) -> Path:
    """Write the invented payments up to `end` (Unix milliseconds) and their mapping; return the mapping's path.

    The same seed, end and shape write the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stream = payments(seed, end, shape)
    encoder = msgspec.json.Encoder()
    for name, rows in stream.files():
        (folder / name).write_bytes(b"".join(encoder.encode(row) + b"\n" for row in rows))
    mapping = folder / MAPPING_NAME
    mapping.write_text(MAPPING, "utf-8")
    return mapping
