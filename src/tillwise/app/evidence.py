"""The evidence of a period in one signed zip file, for an auditor or an authority: what was decided by what, who asked
what and when they were answered, what was erased, who read and received data, and what is still amiss.

It holds counts, ids of requests and keys, and acts that name no customer. The manifest lists every file with its
SHA-256 and is signed with the log's key.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from tillwise.app.build import App
from tillwise.app.doctor import examine
from tillwise.app.evidence_tables import Period, tables
from tillwise.audit.checkpoint import ORIGIN, Signer, is_signed, read_checkpoint
from tillwise.audit.verify import verify
from tillwise.documents.pages import whole
from tillwise.documents.whole import documents
from tillwise.errors import InvalidInput, NotFound, StoreUnavailable
from tillwise.rights.compared import compare
from tillwise.rights.entered import SOURCES
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.store import Snapshot

FORMAT: Final = "tillwise.evidence.1"
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
LARGEST: Final = 2_000_000_000
"""Bytes an unpacked bundle may have: more is refused unread."""


@dataclass(frozen=True, slots=True)
class Bundled:
    """The hash of every file of a bundle by its name, and what did not fit when the log was verified for it."""

    files: dict[str, str]
    wrong: tuple[str, ...]


def bundle(app: App, start: str, end: str, out: Path) -> Bundled:
    """Write the evidence from the day `start` to the day `end`, both included (UTC); return what is in it.

    Raises InvalidInput when the period ends before it begins, StoreUnavailable when the file cannot be written.
    """
    period = _period(start, end, app)
    files: dict[str, bytes] = {}
    with app.store.snapshot() as snapshot:
        files |= {f"{name}.json": _pretty(rows) for name, rows in tables(snapshot, period)}
        files |= dict(_cards(app, snapshot, period))
        files["checkpoints.txt"] = _checkpoints(snapshot, period)
        found = verify(snapshot, SOURCES, compared=(compare,))
    files |= _documents(app)
    files["verification.json"] = _pretty({**asdict(found), "root": found.root.hex(), "intact": found.intact})
    files["doctor.json"] = _pretty([asdict(finding) for finding in examine(app)])
    signer = Signer(app.secrets)
    listed = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    manifest = _pretty(
        {
            "format": FORMAT, "shop": app.settings.shop.name, "from": start, "to": end, "made": _stamp(wall_now()),
            "files": listed, "public_key": signer.public,
        }
    )  # fmt: skip
    _write(out, {MANIFEST: manifest, SIGNATURE: signer.sign_bytes(manifest).encode() + b"\n", **files})
    return Bundled(listed, found.wrong)


def verify_bundle(file: Path, public: str) -> list[str]:
    """Return what does not fit in a bundle: nothing when signature, files and checkpoints are whole.

    A bundle over a log that did not verify says so itself, and is no evidence: what did not fit is returned too.
    """
    try:
        with zipfile.ZipFile(file) as packed:
            if sum(each.file_size for each in packed.infolist()) > LARGEST:
                raise InvalidInput(f"{file} would unpack to more than {LARGEST // 10**9} GB", field="file")
            names = packed.namelist()
            files = {name: packed.read(name) for name in names}
    except (OSError, zipfile.BadZipFile, RuntimeError) as error:
        raise InvalidInput(f"{file} is no readable zip file: {error}", field="file") from None
    if MANIFEST not in files or SIGNATURE not in files:
        return ["there is no signed manifest in it"]
    manifest = files.pop(MANIFEST)
    if not is_signed(manifest, files.pop(SIGNATURE).decode("ascii", "replace").strip(), public):
        return ["the manifest was edited, or signed with another key"]
    listed: dict[str, str] = msgspec.json.decode(manifest)["files"]
    wrong = [f"{name} is in the bundle more than once" for name in sorted(set(names)) if names.count(name) > 1]
    wrong += [f"{name} is missing" for name in sorted(listed.keys() - files.keys())]
    wrong += [f"{name} was put in later" for name in sorted(files.keys() - listed.keys())]
    wrong += [
        f"{name} was edited"
        for name in sorted(listed.keys() & files.keys())
        if hashlib.sha256(files[name]).hexdigest() != listed[name]
    ]
    wrong += _wrong_checkpoints(files.get("checkpoints.txt", b"").decode("utf-8", "replace"), public)
    return wrong + _unverified(files.get("verification.json", b"{}"))


def _unverified(verification: bytes) -> list[str]:
    """Return what did not fit in the shop's own log when the bundle was made."""
    try:
        found = msgspec.json.decode(verification, type=dict[str, Any])
    except msgspec.DecodeError:
        return []  # an edited file: its hash named it
    return [f"when it was made: {each}" for each in found.get("wrong", ())]


def _wrong_checkpoints(text: str, public: str) -> list[str]:
    wrong = []
    last = -1
    for each in f"\n{text}".split(f"\n{ORIGIN}\n")[1:]:
        try:
            size = read_checkpoint(f"{ORIGIN}\n{each}", public).size
        except InvalidInput as error:
            wrong.append(f"checkpoints.txt: {error}")
            continue
        if size <= last:
            wrong.append(f"checkpoints.txt: the checkpoint at {size} entries follows one at {last}")
        last = size
    return wrong


def _period(start: str, end: str, app: App) -> Period:
    first = datetime.strptime(start, "%Y-%m-%d").replace(tzinfo=UTC)
    last = datetime.strptime(end, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    if last <= first:
        raise InvalidInput("the period ends before it begins", field="to")
    return Period(int(first.timestamp()) * 1000, int(last.timestamp()) * 1000, app.settings.clock.offset_ms)


def _cards(app: App, snapshot: Snapshot, period: Period) -> Iterator[tuple[str, bytes]]:
    """Yield the card of every model that answered in the period."""
    versions = {
        release.version
        for name in app.use_cases
        for release in (app.releases.as_of(snapshot, name, period.start), *app.releases.history(snapshot, name))
        if release is not None and release.version and release.wall < period.end
    }
    for version in sorted(versions):
        try:
            yield f"cards/{version.removeprefix('sha256:')}.json", app.releases.card(snapshot, version).to_json()
        except NotFound:
            continue  # released before cards were kept: releases.json names it


def _documents(app: App) -> dict[str, bytes]:
    """Return inventory and record of processing as they are today, for programs and for people."""
    found, name = documents(app.described), app.settings.shop.name
    return {
        "inventory.json": _pretty(found.fields),
        "inventory.html": whole(f"Inventory of {name}", found.inventory_html()).encode(),
        "ropa.json": _pretty(found.record),
        "ropa.html": whole(f"Record of processing of {name}", found.record_html()).encode(),
    }


def _checkpoints(snapshot: Snapshot, period: Period) -> bytes:
    """Return the signed checkpoints of the period, and the newest: with it, everything is under one of them."""
    rows = snapshot.all(
        "SELECT note FROM audit_signed WHERE (wall >= ? AND wall < ?) OR size = (SELECT max(size) FROM audit_signed)"
        " ORDER BY size",
        (period.start, period.end),
    )
    return "".join(row[0] for row in rows).encode()


def _write(out: Path, files: dict[str, bytes]) -> None:
    try:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, data in files.items():
                packed.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise StoreUnavailable(f"{out} cannot be written: {error.strerror}") from error


def _pretty(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2) + b"\n"


def _stamp(wall: int) -> str:
    return datetime.fromtimestamp(wall / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
