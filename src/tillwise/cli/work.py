"""`tillwise work`: run what is due, once; call it every few minutes from a timer."""

from __future__ import annotations

from pathlib import Path

import click

from tillwise.app import App, build_app
from tillwise.app.auditing import AuditKeeper, copy_target
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show
from tillwise.cli.work_requests import owed
from tillwise.decisions import receipts
from tillwise.events.log import read_head
from tillwise.vocabulary.clock import wall_now


@click.command()
@shop_option
@json_option
def work_command(shop: Path, *, as_json: bool) -> None:
    """Run what is due, once: snapshots, exports, clean-up, retention, messages, deadlines, the audit log."""
    app = build_app(shop)
    try:
        done = _work(app)
    finally:
        app.close()
    show = Show(as_json)
    show.document(done)
    show.table("work", ("job", "result"), list(done.items()))


def _work(app: App) -> dict[str, object]:
    with app.store.snapshot() as snapshot:
        head = read_head(snapshot)
        items = app.shelf.refresh(snapshot, max(head.at, app.clock.now()), head.epoch)
    keeper = AuditKeeper(app.store, app.secrets, copy_target(app.folder, app.settings.audit.copy_to))
    forgotten = app.store.commit(lambda transaction: receipts.forget_requests(transaction, wall_now())).result()
    kept = app.keeping.run_if_due()
    return {
        "item snapshot": f"{len(items)} items, {items.name[:19]}",
        "segments exported up to position": app.segments.export(app.store),
        "request ids forgotten": forgotten,
        "rows past their retention": "ran within a day" if kept is None else f"{kept.rows} deleted",
        **{
            f"sink {name}": f"{did.arrived} arrived, {did.withheld} may not leave, {did.put_off} again later"
            for name, did in app.outbound.sinks.deliver().items()
        },
        **owed(app),
        "audit log entries": keeper.once().size,
    }
