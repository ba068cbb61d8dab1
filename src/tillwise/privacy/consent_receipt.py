"""The receipt a person keeps: the fields of ISO/IEC TS 27560, signed, so that nobody can forge or change one.

Fields we cannot fill truthfully (storage locations, retention of the shop's other systems) are left out, not invented.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import UTC, datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tillwise.errors import InvalidInput
from tillwise.events.log import read_head
from tillwise.privacy.consent import Said
from tillwise.privacy.gate import Gate
from tillwise.privacy.jurisdictions import load_jurisdictions
from tillwise.privacy.ledger import State
from tillwise.privacy.material import kinds
from tillwise.privacy.notice import USUAL
from tillwise.privacy.wording import LANGUAGES, words
from tillwise.settings import Secrets
from tillwise.vocabulary.canonical import Json, canonical
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot

SCHEMA: Final = "ISO/IEC TS 27560:2023"
ALGORITHM: Final = "Ed25519"


def basis_after(gate: Gate, snapshot: Snapshot, person: Pseudonym, said: Said, *, anonymous: bool) -> str | None:
    """Return the basis on which data serve the purpose of a choice from then on; None where they do not.

    It is the gate's own answer, so that a receipt tells what the next decision does: fraud prevention rests on its own
    basis whatever was said, silence is no consent, and after a no there is no basis.
    """
    subject, visitor = (None, person) if anonymous else (person, None)
    choice, point = said.choice, Point.after(read_head(snapshot), said.at)
    return gate.permit(
        snapshot, purpose=choice.purpose, subject=subject, anonymous=visitor, country=choice.place or None,
        point=point, signals=choice.signals,
    ).basis  # fmt: skip


def consent_receipt(said: Said, *, subject: str, shop: str, basis: str | None) -> Json:
    """Return the unsigned receipt of a choice; `subject` is the person's id as the caller knows it.

    `basis` is what `basis_after` says. Purpose and data are told in the language of the notice they had read, in
    English where there was none.
    """
    choice, told = said.choice, words(said.language or LANGUAGES[0])
    asked = basis == "consent" and choice.state is State.GIVEN
    days = load_jurisdictions().consent_days(choice.place) if asked else 0
    return {
        "schema_version": SCHEMA,
        "record_id": f"{choice.purpose}-{said.seq}",
        "pii_principal_id": subject,
        "privacy_notice": _notice(said),
        "language": told.language,
        "purposes": [
            {
                "purpose": choice.purpose.value,
                "purpose_description": told.of("purpose", choice.purpose),
                "lawful_basis": basis,
                "pii_information": [{"pii_type": told.category(each)} for each in _kinds(said)],
                "pii_controllers": [shop],
                "collection_method": choice.source,
                "jurisdiction": choice.place or None,
                "withdrawal_method": None if choice.purpose is Purpose.FRAUD_PREVENTION else told.say("withdraw"),
                "privacy_rights": list(load_jurisdictions().rights(choice.place)),
            }
        ],
        "party_identification": [{"party_id": shop, "party_role": "controller"}],
        "event": {
            "event_time": _rfc3339(said.at),
            "validity_duration": f"P{days}D" if days else None,
            "entity_id": subject,
            "event_type": "implicit" if choice.state is State.IMPLIED else "explicit",
            "event_state": said.dpv,
            "signals": sorted(choice.signals),
        },
    }


def _kinds(said: Said) -> tuple[str, ...]:
    """Return the kinds of data the notice named for the purpose; what is usual where there was no notice."""
    return kinds(said.material) or USUAL[said.choice.purpose]


def _notice(said: Said) -> Json | None:
    """Return which notice was served, and when: a moment before a yes that was asked for just in time."""
    if not said.sha256:
        return None
    return {"id": said.choice.notice_id, "sha256": said.sha256, "served": _rfc3339(said.shown_at)}


def _rfc3339(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")


class ReceiptSigner:
    """Signs receipts with an Ed25519 key derived from the log's secret; the public key may be shown to anyone."""

    def __init__(self, secrets: Secrets) -> None:
        seed = hashlib.blake2b(key=secrets.log[:64], person=b"tillwise-consent", digest_size=32).digest()
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public(self) -> str:
        """Return the public key in base64."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, receipt: Json) -> str:
        """Return the signature over the receipt's canonical JSON, in base64."""
        return base64.b64encode(self._key.sign(canonical(receipt))).decode()


def check_receipt(receipt: Json, signature: str, public: str) -> None:
    """Raise InvalidInput when a receipt was forged, changed, or signed with another key."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(signature, validate=True), canonical(receipt))
    except InvalidSignature:
        raise InvalidInput("this receipt was not signed by this shop, or it was changed afterwards") from None
    except (ValueError, binascii.Error) as error:
        raise InvalidInput(f"this is no signed receipt: {error}") from None
