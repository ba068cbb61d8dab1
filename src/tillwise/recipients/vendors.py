"""Reads `vendors.toml` in the shop's folder: one `[[vendor]]` table per recipient, and nothing that is half said."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from tillwise.errors import ConfigurationError
from tillwise.privacy.own_rules import NOWHERE
from tillwise.recipients.vendor import Vendor, banned

VENDORS_FILE: Final = "vendors.toml"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_COUNTRY: Final = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
_CATEGORY: Final = re.compile(r"[a-z_]+(\.[a-z_]+)*")
_SHA256: Final = re.compile(r"(sha256:)?[0-9a-f]{64}")
_PATH: Final = re.compile(r" - at `\$\.?(?P<key>[^`]*)`")


def read_vendors(folder: Path) -> tuple[Vendor, ...]:
    """Return the vendors of a shop; no file, no vendors.

    Raises ConfigurationError naming file, vendor and key: for unknown or missing keys, two vendors of one name, and
    categories that may never leave.
    """
    path = folder / VENDORS_FILE
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    return parse_vendors(text, str(path))


def parse_vendors(text: str, where: str = VENDORS_FILE) -> tuple[Vendor, ...]:
    """Return the vendors that `text` describes; `where` stands in front of every complaint."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{where} is not valid TOML: {error}") from None
    written = tables.pop("vendor", [])
    if tables:
        raise ConfigurationError(f"{where}: there is no key '{next(iter(tables))}'; write [[vendor]] tables")
    if not isinstance(written, list) or not all(isinstance(each, dict) for each in written):
        raise ConfigurationError(f"{where}: each vendor is a table of its own: [[vendor]], in double brackets")
    found: dict[str, Vendor] = {}
    for number, table in enumerate(written, 1):
        vendor = _vendor(table, f"{where}, vendor '{table.get('name', f'number {number}')}'")
        if vendor.name in found:
            raise ConfigurationError(f"{where}, vendor '{vendor.name}', key 'name': stands there twice")
        found[vendor.name] = vendor
    return tuple(found.values())


def _vendor(table: dict[str, Any], where: str) -> Vendor:
    try:
        vendor = msgspec.convert(table, Vendor)
    except msgspec.ValidationError as error:
        raise ConfigurationError(_readable(str(error), where)) from None
    for key, said in _complaints(vendor):
        raise ConfigurationError(f"{where}, key '{key}': {said}")
    return vendor


def _readable(complaint: str, where: str) -> str:
    """Return a complaint with the key in front: `Expected date … - at `$.agreement.expires`` as people read it."""
    at = _PATH.search(complaint)
    what = _PATH.sub("", complaint)
    named = re.search(r"field `([^`]+)`", what)
    parts = [part for part in (at["key"] if at else "", named[1] if named else "") if part]
    return f"{where}, key '{'.'.join(parts)}': {what}" if parts else f"{where}: {what}"


def _complaints(vendor: Vendor) -> Iterator[tuple[str, str]]:
    if not _NAME.fullmatch(vendor.name):
        yield "name", f"'{vendor.name}' is no short name: small letters, digits, - and _, such as \"mail-tool\""
    countries = [("country", vendor.country)]
    countries += [(f"sub_processors.{each.name}.country", each.country) for each in vendor.sub_processors]
    for key, country in countries:
        if not _COUNTRY.fullmatch(country) or NOWHERE.fullmatch(country[:2]):
            yield key, f'\'{country}\' is no ISO 3166 code such as "DE" or "US-CA"'
    for key, listed in (("purposes", vendor.purposes), ("categories", vendor.categories)):
        if not listed:
            yield key, "is empty: name at least one, or take the vendor out"
    for category in vendor.categories:
        if not _CATEGORY.fullmatch(category):
            yield "categories", f"'{category}' is no category such as \"user.behavior.purchase_history\""
        if why := banned(category):
            yield "categories", f"'{category}' may not be listed: {why}"
    for kind, paper in vendor.papers():
        if not paper.kind:
            yield f"{kind}.kind", "is empty: say which document it is"
        if paper.sha256 and not _SHA256.fullmatch(paper.sha256):
            yield f"{kind}.sha256", "is no SHA-256 of the document: 64 hexadecimal digits"
        if paper.signed is not None and paper.signed > paper.expires:
            yield f"{kind}.expires", f"ends on {paper.expires}, before it was signed"
