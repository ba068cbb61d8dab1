"""`tillwise audit`: prove that nobody edited, deleted, reordered or cut off what was recorded."""

from __future__ import annotations

from pathlib import Path

import click

from tillwise.app import build_app
from tillwise.audit import log
from tillwise.audit.checkpoint import Checkpoint, Signer, read_checkpoint
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show
from tillwise.errors import InvalidInput
from tillwise.rights.entered import CONTENTS

SHOWN = 20


@click.group()
def audit_command() -> None:
    """Verify the log of requests and erasures, and make checkpoints to keep elsewhere."""


@audit_command.command("verify")
@click.option(
    "--checkpoint", "checkpoints", type=click.Path(path_type=Path, dir_okay=False, exists=True), multiple=True,
    help="A checkpoint kept elsewhere; may be given several times.",
)  # fmt: skip
@click.option("--key", help="Public key the checkpoints were signed with, base64 (default: this shop's).")
@shop_option
@json_option
def verify_command(checkpoints: tuple[Path, ...], key: str | None, shop: Path, *, as_json: bool) -> None:
    """Recompute every entry and every checkpoint. Exit code 1 when something does not fit."""
    app = build_app(shop)
    try:
        app.store.create(log.TABLES)
        held = _held(checkpoints, key or Signer(app.secrets).public)
        with app.store.snapshot() as snapshot:
            found = log.verify(snapshot, CONTENTS, held)
    finally:
        app.close()
    show = Show(as_json)
    show.document(
        {
            "intact": found.intact, "entries": found.entries, "sealed": found.sealed, "erased": found.erased,
            "held": len(held), "wrong": list(found.wrong),
        }
    )  # fmt: skip
    show.line(f"{found.entries} entries, {found.sealed} under a checkpoint, {found.erased} erased")
    if not held:
        show.line(
            "without a checkpoint kept elsewhere, somebody who can write this file could have rewritten all of it"
        )
    for each in found.wrong[:SHOWN]:
        show.line(f"  {each}")
    show.line("intact" if found.intact else f"NOT intact: {len(found.wrong)} things do not fit")
    if not found.intact:
        raise SystemExit(1)


def _held(files: tuple[Path, ...], key: str) -> list[Checkpoint]:
    try:
        return [read_checkpoint(file.read_text("utf-8"), key) for file in files]
    except UnicodeDecodeError:
        raise InvalidInput("a checkpoint is a text file", field="checkpoint") from None


@audit_command.command("checkpoint")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file (default: print it)."
)
@shop_option
@json_option
def checkpoint_command(out: Path | None, shop: Path, *, as_json: bool) -> None:
    """Bring the tree up to date and sign a checkpoint. Keep it, and the key, on another machine."""
    app = build_app(shop)
    try:
        app.store.create(log.TABLES)
        signer = Signer(app.secrets)
        checkpoint = log.extend(app.store, signer)
    finally:
        app.close()
    note = signer.sign(checkpoint)
    show = Show(as_json)
    show.document({"size": checkpoint.size, "note": note, "key": signer.public})
    if out is None:
        show.line(note)
    else:
        out.write_text(note, "utf-8")
        show.line(f"{checkpoint.size} entries signed, written to {out}")
    show.line(f"public key: {signer.public}")
