"""`tillwise audit`: prove that nobody edited, deleted, reordered or cut off what was recorded."""

from __future__ import annotations

import json
from pathlib import Path

import click
import msgspec

from tillwise.app import App, build_app
from tillwise.app.evidence import bundle, verify_bundle
from tillwise.audit import keeping
from tillwise.audit.checkpoint import Signer
from tillwise.audit.extend import extend, newest_checkpoint
from tillwise.audit.log import ACTS, note
from tillwise.audit.prove import prove, prove_consistency
from tillwise.audit.tombstones import act_of
from tillwise.audit.verify import Findings, verify
from tillwise.cli.looked import note_decision
from tillwise.cli.main import OutFile, json_option, shop_option
from tillwise.cli.show import Show
from tillwise.errors import NotFound
from tillwise.rights.compared import compare
from tillwise.rights.entered import RECEIPT, SOURCES
from tillwise.vocabulary.clock import wall_now

SHOWN = 20
_file = OutFile()
_existing = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group()
def audit_command() -> None:
    """Verify the log of acts, consents, requests and decisions; keep checkpoints elsewhere; prove single entries."""


@audit_command.command("verify")
@click.option(
    "--checkpoint", "checkpoints", type=_existing, multiple=True,
    help="A file with checkpoints kept elsewhere; may be given several times.",
)  # fmt: skip
@click.option("--public-key", "--key", "key", help="Key the checkpoints were signed with (default: this shop's).")
@shop_option
@json_option
def verify_command(checkpoints: tuple[Path, ...], key: str | None, shop: Path, *, as_json: bool) -> None:
    """Recompute every entry and every checkpoint. Exit code 1 when something does not fit."""
    app = build_app(shop)
    try:
        held = keeping.read_held(checkpoints, key or Signer(app.secrets).public)
        with app.store.snapshot() as snapshot:
            found = verify(snapshot, SOURCES, held, (compare,))
        said = {"intact": found.intact, "entries": found.entries, "held": len(held), "wrong": len(found.wrong)}
        app.store.commit(lambda transaction: note(transaction, keeping.VERIFIED, wall_now(), said)).result()
    finally:
        app.close()
    _tell(Show(as_json), found, len(held))
    if not found.intact:
        raise SystemExit(1)


def _tell(show: Show, found: Findings, held: int) -> None:
    show.document(
        {
            "intact": found.intact, "entries": found.entries, "sealed": found.sealed, "erased": found.erased,
            "waiting": found.waiting, "older": found.older, "held": held, "wrong": list(found.wrong),
        }
    )  # fmt: skip
    show.line(
        f"{found.entries} entries, {found.sealed} under a checkpoint, {found.erased} erased; {found.waiting} came since"
    )
    if found.older:
        show.line(f"{found.older} rows are older than the log and not covered by it")
    if not held:
        show.line(
            "without a checkpoint kept elsewhere, somebody who can write this file could have rewritten all of it"
        )
    for each in found.wrong[:SHOWN]:
        show.line(f"  {each}")
    show.line("intact" if found.intact else f"NOT intact: {len(found.wrong)} things do not fit")


@audit_command.command("checkpoint")
@click.option("--out", type=_file, help="Append it to this file (default: print it).")
@shop_option
@json_option
def checkpoint_command(out: Path | None, shop: Path, *, as_json: bool) -> None:
    """Bring the tree up to date and hand over the newest signed checkpoint. Keep it, and the key, elsewhere."""
    app = build_app(shop)
    try:
        signer, signed = Signer(app.secrets), _newest(app)
        if out is not None:
            keeping.append(out, signed[1], wall_now())
        keeping.kept(app.store, signed[0], wall_now(), where="printed" if out is None else "file")
    finally:
        app.close()
    show = Show(as_json)
    show.document({"size": signed[0], "note": signed[1], "key": signer.public})
    show.line(signed[1] if out is None else f"{signed[0]} entries signed, appended to {out}")
    show.line(f"public key: {signer.public}")


def _newest(app: App) -> tuple[int, str]:
    extend(app.store, SOURCES, Signer(app.secrets))
    with app.store.snapshot() as snapshot:
        newest = newest_checkpoint(snapshot)
    if newest is None:
        raise NotFound("there is no checkpoint yet")
    return newest[0].size, newest[2]


@audit_command.command("prove")
@click.argument("decision_id")
@click.option("--out", type=_file, help="Write the proof to this file (default: print it).")
@shop_option
@json_option
def prove_command(decision_id: str, out: Path | None, shop: Path, *, as_json: bool) -> None:
    """Prove to a third party that DECISION_ID is in the log, or that it was erased: a JSON document.

    It holds the decision itself: handing it out is a read, and logged.
    """
    app = build_app(shop)
    try:
        _newest(app)
        proof = _proof(app, decision_id)
        if "erased" not in proof:
            note_decision(app, decision_id, "audit prove")
    finally:
        app.close()
    text = json.dumps(proof, indent=2, ensure_ascii=False) + "\n"
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, "utf-8")
        Show(as_json).line(f"proof of {decision_id} written to {out}")


def _proof(app: App, decision_id: str) -> dict[str, object]:
    public = Signer(app.secrets).public
    with app.store.snapshot() as snapshot:
        try:
            return prove(snapshot, RECEIPT, decision_id, public)
        except NotFound:
            act = act_of(snapshot, app.secrets, "decision", decision_id)
            if not act:
                raise
            return {"erased": decision_id, **prove(snapshot, ACTS, act, public)}


@audit_command.command("consistency")
@click.argument("older", type=_existing)
@click.argument("newer", type=_existing)
@click.option("--public-key", "key", help="Key the checkpoints were signed with (default: this shop's).")
@shop_option
@json_option
def consistency_command(older: Path, newer: Path, key: str | None, shop: Path, *, as_json: bool) -> None:
    """Prove that the log under the checkpoint NEWER only appended to that under OLDER: a JSON document."""
    app = build_app(shop)
    try:
        public = key or Signer(app.secrets).public
        first, second = (keeping.read_held((file,), public)[-1] for file in (older, newer))
        with app.store.snapshot() as snapshot:
            proof = prove_consistency(snapshot, first, second)
    finally:
        app.close()
    click.echo(json.dumps(proof, indent=2))


@audit_command.command("bundle")
@click.option("--from", "start", type=click.DateTime(["%Y-%m-%d"]), required=True, help="First day (UTC).")
@click.option("--to", "end", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Last day (UTC), included.")
@click.option("--out", type=_file, required=True, help="The zip file to write.")
@shop_option
@json_option
def bundle_command(start: object, end: object, out: Path, shop: Path, *, as_json: bool) -> None:
    """Write the evidence of a period into one signed zip file; it names no customer."""
    app = build_app(shop)
    try:
        _newest(app)
        made = bundle(app, str(start)[:10], str(end)[:10], out)
    finally:
        app.close()
    show = Show(as_json)
    show.document({"out": str(out), "files": made.files, "wrong": list(made.wrong)})
    show.table("evidence", ("file", "sha256"), [(name, digest[:16]) for name, digest in made.files.items()])
    show.line(f"written to {out}")
    if made.wrong:
        show.line(
            f"the log is NOT intact: {len(made.wrong)} things do not fit, and the bundle says so: tillwise audit verify"
        )


@audit_command.command("verify-bundle")
@click.argument("file", type=_existing)
@click.option("--public-key", "key", required=True, help="The shop's public key, as `audit checkpoint` prints it.")
@json_option
def verify_bundle_command(file: Path, key: str, *, as_json: bool) -> None:
    """Check FILE on any machine: signature, every file's hash, every checkpoint. Exit code 1 when one does not fit."""
    wrong = verify_bundle(file, key)
    show = Show(as_json)
    show.document({"intact": not wrong, "wrong": msgspec.to_builtins(wrong)})
    for each in wrong:
        show.line(f"  {each}")
    show.line("NOT intact" if wrong else "intact: signature, files and checkpoints fit")
    if wrong:
        raise SystemExit(1)
