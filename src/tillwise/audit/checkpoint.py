"""Signed checkpoints: a shop keeps them elsewhere, and nobody can rewrite the log behind them.

The text is a C2SP tlog-checkpoint in a signed note: origin, size and root, an empty line, then one signature line.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tillwise.errors import InvalidInput
from tillwise.settings import Secrets

ORIGIN: Final = "tillwise.log"
_ED25519: Final = b"\x01"
_OTHER: Final = b"tillwise.evidence\n"
"""Keeps signatures over other things apart: no checkpoint starts like this."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log had `size` entries and this root."""

    size: int
    root: bytes

    def text(self) -> str:
        """Return what is signed."""
        return f"{ORIGIN}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class Signer:
    """Signs checkpoints with an Ed25519 key derived from the log's secret; the public key may be shown to anyone."""

    def __init__(self, secrets: Secrets) -> None:
        seed = hashlib.blake2b(key=secrets.log[:64], person=b"tillwise-audit", digest_size=32).digest()
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public(self) -> str:
        """Return the public key in base64: keep it beside the checkpoints."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, checkpoint: Checkpoint) -> str:
        """Return the signed note."""
        text = checkpoint.text()
        blob = _key_id(self._key.public_key()) + self._key.sign(text.encode())
        return f"{text}\n— {ORIGIN} {base64.b64encode(blob).decode()}\n"

    def sign_bytes(self, data: bytes) -> str:
        """Return a signature over any bytes, in base64; they carry their own purpose in their first line."""
        return base64.b64encode(self._key.sign(_OTHER + data)).decode()


def is_signed(data: bytes, signature: str, public: str) -> bool:
    """Return whether `sign_bytes` with the key of `public` gave this signature."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(signature, validate=True), _OTHER + data)
    except (InvalidSignature, ValueError):
        return False
    return True


def read_checkpoint(note: str, public: str) -> Checkpoint:
    """Return a signed checkpoint; raise InvalidInput when it is broken or was not signed with this key."""
    body, _, signatures = note.partition("\n\n")
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        dash, origin, blob = signatures.strip().split(" ")
        raw = base64.b64decode(blob, validate=True)
        if (dash, origin, raw[:4]) != ("—", ORIGIN, _key_id(key)):
            raise InvalidInput("this checkpoint was signed with another key")
        key.verify(raw[4:], (body + "\n").encode())
        origin, size, root = body.split("\n")
        if origin != ORIGIN or not size.isdecimal():
            raise InvalidInput("this is no checkpoint of a tillwise log")
        return Checkpoint(int(size), base64.b64decode(root, validate=True))
    except InvalidSignature:
        raise InvalidInput("the checkpoint's signature does not match: it was edited or forged") from None
    except ValueError as error:
        raise InvalidInput(f"this is no checkpoint: {error}") from None


def _key_id(key: Ed25519PublicKey) -> bytes:
    return hashlib.sha256(ORIGIN.encode() + b"\n" + _ED25519 + key.public_bytes_raw()).digest()[:4]
