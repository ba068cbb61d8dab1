"""Codes of personal texts: equal texts have equal codes in this log, and nobody without its secret can test a guess."""

from __future__ import annotations

from typing import Final

from tillwise.errors import InvalidEvent, InvalidInput
from tillwise.events.facts import PERSON_KEYS
from tillwise.events.values import read_email, read_id, read_ip
from tillwise.settings import Secrets
from tillwise.vocabulary.codes import keyed_code

ORDER: Final = "order"
KEYED: Final = (*(key for key in PERSON_KEYS if key != "subject"), ORDER)
"""What is stored as a keyed code: device, card, ip, address, email, and order ids (the column `order_ref`)."""


def person_code(secrets: Secrets, key: str, text: str) -> int:
    """Return the code under which `text` is found in the column of `key`.

    The text is brought into one form first: an internet address into its canonical text, an e-mail address into small
    letters. `key` "order" gives the code of the column `order_ref`. Raises InvalidInput naming `key` when the text
    cannot be such a key.
    """
    if key not in KEYED:
        raise InvalidInput(f"'{key}' is no person-like key; there are {', '.join(KEYED)}", field=key)
    try:
        known = read_ip(text) if key == "ip" else read_email(text) if key == "email" else read_id(text)
    except InvalidEvent as error:
        raise InvalidInput(str(error), field=key) from None
    return keyed_code(secrets.log, key, known)


def order_code(secrets: Secrets, order_id: str) -> int:
    """Return the code of an order id, as the column `order_ref` holds it."""
    return person_code(secrets, ORDER, order_id)
