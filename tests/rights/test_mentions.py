"""What others wrote about somebody loses their id when they are erased, and nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tillwise.access.reads import log_read, reads_by
from tillwise.app.build import App, build_app
from tillwise.cli.init import create_shop
from tillwise.events.ingest import read_message
from tillwise.events.quality import quality
from tillwise.rights.mentions import ERASED, Named
from tillwise.rights.request import Kind
from tillwise.rights.requests import Asked
from tillwise.rights.scan import forms, scan

WHO = "canary-user-77"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("mentions") / "shop"
    create_shop(folder)
    built = build_app(folder)
    yield built
    built.close()


def send(app: App, event: str, who: str = WHO, **properties: object) -> None:
    message = {"type": "track", "event": event, "userId": who, "properties": properties}
    app.log.append([read_message(message, received=app.clock.now())]).result()


def look(app: App, reason: str) -> None:
    app.store.commit(lambda t: log_read(t, who="k-1", what="GET /reviews", reason=reason)).result()


def test_an_erasure_takes_ids_out_of_reasons_and_counter_names(app: App, tmp_path: Path) -> None:
    """Reads of other people's data and counters that senders named: the id goes, the line and the count stay."""
    send(app, "Product Viewed", product_id="tea")
    send(app, f"Seen by {WHO}")
    send(app, "Seen by CANARY-USER-77")
    send(app, "Product Viewed", product_id="tea", **{f"of_{WHO}": 1})
    for reason in (f"{WHO} rang again", f"about {WHO.encode().hex()}", "canary-user-777 rang"):
        look(app, reason)
    asked = Asked(WHO, Kind.ACCESS, place="DE", identity=True)
    assert {row["table"] for row in (app.rights.ask(asked).data or {})["mentions"]} == {"access_reads", "counters"}
    app.rights.ask(Asked(WHO, Kind.ERASURE, place="DE", identity=True))
    with app.store.snapshot() as snapshot:
        assert [read.reason for read in reads_by(snapshot, "k-1", 0, 1 << 62)] == [
            f"{ERASED} rang again", f"about {ERASED}", "canary-user-777 rang",
        ]  # fmt: skip
        counted = quality(snapshot)
    assert counted.unknown == {f"Seen by {ERASED}": 2}
    assert counted.undeclared == {f"Product Viewed.of_{ERASED}": 1}
    assert set(counted.last) == {("unknown event", f"Seen by {ERASED}"), ("undeclared", f"Product Viewed.of_{ERASED}")}
    look(app, "another look")
    left = {hit.form for hit in scan(app.folder.path, forms(WHO))} - {"plain", "lower"}
    assert left == set(), "plain and lower are in canary-user-777, who is somebody else"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("u-9 rang", f"{ERASED} rang"),
        ("asked by U-9.", f"asked by {ERASED}."),
        ("seen_by_u-9", f"seen_by_{ERASED}"),
        ("u-99 and xu-9 rang", "u-99 and xu-9 rang"),
        (hashlib.sha256(b"u-9").hexdigest().upper(), ERASED),
        (base64.b64encode(b"a long visitor id").decode().rstrip("="), ERASED),
        ("complaint 12", "complaint 12"),
    ],
)
def test_an_id_is_found_by_itself_and_in_its_coded_forms(text: str, told: str) -> None:
    """In any case and as its hexadecimal, base64 or hash; not inside another id."""
    assert Named(["u-9", "a long visitor id"]).without(text) == told


def test_of_nobody_nothing_is_found() -> None:
    """Without ids, or with one of blanks, no text names anybody."""
    for nobody in (Named([]), Named([" "])):
        assert not nobody
        assert not nobody.within("anything at all")
        assert nobody.without("anything at all") == "anything at all"
