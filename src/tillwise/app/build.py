"""Builds a shop's parts and wires them together; nothing else does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tillwise.access import keys, reads
from tillwise.app import readiness
from tillwise.app.auditing import enter_declarations, enter_older
from tillwise.app.outbound import Outbound, make_outbound
from tillwise.app.readiness import clock_problem, item_problem, model_problems, store_problem
from tillwise.app.shop_file import read_shop_file
from tillwise.app.use_cases import use_cases_of
from tillwise.audit import log as audit_log
from tillwise.audit import tombstones
from tillwise.decisions import receipts
from tillwise.decisions.replay import Replayer
from tillwise.decisions.road import Road
from tillwise.decisions.use_case import UseCase
from tillwise.documents.described import Described, tables_of
from tillwise.documents.notices import NoticeDesk
from tillwise.engines.duckdb import Segments
from tillwise.errors import ConfigurationError, InvalidInput, TillwiseError
from tillwise.events import catalog, tables
from tillwise.events.log import EventLog
from tillwise.features import tiles
from tillwise.features.feature import FeatureSet
from tillwise.features.shelf import SnapshotShelf
from tillwise.features.tiles import TileWriter
from tillwise.jobs import retention as retention_job
from tillwise.jobs.learning import Learner
from tillwise.jobs.retention import RetentionJob
from tillwise.jobs.written import WrittenFiles
from tillwise.outcomes import outcomes
from tillwise.outcomes.outcomes import OnOutcome
from tillwise.privacy import holds, ledger
from tillwise.privacy.gate import Gate
from tillwise.privacy.notice import Notice
from tillwise.privacy.own_rules import read_own_rules
from tillwise.privacy.retention import Retention, load_retention
from tillwise.privacy.revisions import keep_revision
from tillwise.privacy.rule_file import load_rules
from tillwise.releases.cache import ModelCache
from tillwise.releases.releases import Releases
from tillwise.review import case
from tillwise.review.queue import Enqueue, ReviewQueue
from tillwise.rights.files import file_holders
from tillwise.rights.holders import STAYS, row_holders
from tillwise.rights.lineage import Lineage
from tillwise.rights.nobody import Nobody
from tillwise.rights.objecting import ReviewObjected
from tillwise.rights.old_handovers import old_handovers
from tillwise.rights.old_requests import old_requests
from tillwise.rights.rights import Rights
from tillwise.settings import SETTINGS_FILE, Secrets, Settings, ShopFolder
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import LogClock, wall_now
from tillwise.vocabulary.money import exponent
from tillwise.vocabulary.store import Store

TABLES: Final = (
    *tables.TABLES, *ledger.TABLES, *tiles.TABLES, *outcomes.TABLES, *receipts.TABLES, *case.TABLES, *keys.TABLES,
    *readiness.TABLES, *retention_job.TABLES, *holds.TABLES, *audit_log.TABLES,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class App:
    """A built shop. The doors (`cli`, `api`, `console`) call its parts."""

    folder: ShopFolder
    settings: Settings
    secrets: Secrets
    clock: LogClock
    store: Store
    log: EventLog
    tiles: TileWriter
    gate: Gate
    releases: Releases
    models: ModelCache
    segments: Segments
    shelf: SnapshotShelf
    road: Road
    replayer: Replayer
    reviews: ReviewQueue
    rights: Rights
    written: WrittenFiles
    retention: Retention
    keeping: RetentionJob
    described: Described
    notices: NoticeDesk
    outbound: Outbound
    use_cases: Mapping[str, UseCase]
    learners: Mapping[str, Learner]

    @property
    def on_outcome(self) -> Sequence[OnOutcome]:
        """Return what runs in the transaction of each outcome that is told."""
        return self.outbound.on_outcome

    def problems(self) -> Sequence[str]:
        """Say why this shop is not ready to answer; nothing means ready."""
        try:
            with self.store.snapshot() as snapshot:
                found = [*model_problems(self.models, self.use_cases, snapshot).values()]
                found.append(item_problem(self.shelf, self.clock, snapshot) or "")
                found.append(clock_problem(self.clock, snapshot) or "")
            found.append(store_problem(self.store) or "")
        except TillwiseError as error:
            return (str(error),)
        return tuple(problem for problem in found if problem)

    def use_case(self, name: str) -> UseCase:
        """Return a use case by its name; raise ConfigurationError naming those there are."""
        if name not in self.use_cases:
            raise ConfigurationError(f"there is no use case '{name}': this shop has {', '.join(self.use_cases)}")
        return self.use_cases[name]

    def feature_sets(self) -> tuple[FeatureSet, ...]:
        """Return the features of every use case."""
        return tuple(use_case.features for use_case in self.use_cases.values())

    def close(self) -> None:
        """Finish the queued work and let go of the files."""
        self.road.close()
        self.store.close()


def _check_currency(folder: ShopFolder, settings: Settings) -> None:
    try:
        exponent(settings.shop.currency)
    except InvalidInput as error:
        raise ConfigurationError(f"{folder.path / SETTINGS_FILE}: [shop] currency: {error}") from None


def build_app(path: Path) -> App:
    """Build the shop in `path`; raise ConfigurationError when it is no shop or something in it is wrong."""
    folder = ShopFolder(path)
    settings, secrets = folder.settings(), folder.secrets()
    _check_currency(folder, settings)
    clock = LogClock(settings.clock.offset_ms)
    shelf = SnapshotShelf(folder.snapshots)
    retention = load_retention(settings.retention)
    use_cases, learners = use_cases_of(settings, secrets, shelf, read_shop_file(path), retention)
    store = _open(folder)
    tile_writer = TileWriter(use_case.features for use_case in use_cases.values())
    store.commit(tile_writer.rebuild).result()
    gate = _gate(path, settings, store)
    releases = Releases(store, clock=clock)
    outbound = make_outbound(path, settings, secrets, clock, store, gate, use_cases)
    rows = row_holders(tile_writer, secrets)
    described = Described(
        settings, store, use_cases, releases, gate, frozenset(learners), outbound.book, tables_of(rows), STAYS,
        retention, path,
    )  # fmt: skip
    notices = NoticeDesk(described)
    notices.refresh()
    enter_declarations(store, folder)
    models = ModelCache(releases, folder.models)
    segments = Segments(folder.segments, retention=retention)
    written = WrittenFiles(store, secrets, folder.path)
    keeping = RetentionJob(
        store, secrets, retention, segments, tile_writer.subtract, Nobody(rows).let_go, clock.wall,
        {"rights requests": old_requests, "hand-overs": old_handovers},
    )  # fmt: skip
    replayer = Replayer(store, gate, models, use_cases)
    rights = Rights(
        store, secrets, clock, replayer, lineage=Lineage(gate, releases, use_cases), rows=rows,
        files=file_holders(segments, written), notice=lambda place: _noticed(notices.current(place)),
    )  # fmt: skip
    enter_older(store)
    road = Road(
        store, gate, models, secrets, clock, on_receipt=(Enqueue(), ReviewObjected(use_cases), *outbound.on_receipt)
    )
    return App(
        folder=folder, settings=settings, secrets=secrets, clock=clock, store=store,
        log=EventLog(store, secrets, clock, on_append=(tile_writer,), admit=outbound.guard), tiles=tile_writer,
        gate=gate, releases=releases, models=models, segments=segments, shelf=shelf, road=road, replayer=replayer,
        reviews=ReviewQueue(store, clock, on_outcome=outbound.on_outcome), rights=rights, written=written,
        retention=retention, keeping=keeping, outbound=outbound, described=described, notices=notices,
        use_cases=use_cases, learners=learners,
    )  # fmt: skip


def _open(folder: ShopFolder) -> SqliteStore:
    """Open the shop's rows, with every table as this version knows it."""
    store = SqliteStore(folder.database)
    store.create(TABLES)
    upgrades = (
        ledger.upgrade, receipts.upgrade, reads.upgrade, outcomes.upgrade, tombstones.upgrade, catalog.upgrade
    )  # fmt: skip
    for upgrade in upgrades:
        store.commit(upgrade).result()
    return store


def _gate(path: Path, settings: Settings, store: Store) -> Gate:
    """Return the gate with the rules in force, the shop's own among them; which ones they are is kept."""
    rules = load_rules(preset=settings.privacy.preset, own=read_own_rules(path))
    store.commit(lambda transaction: keep_revision(transaction, rules, wall_now())).result()
    return Gate(default_place=settings.shop.place, rules=rules)


def _noticed(notice: Notice) -> Json:
    """Return what an answer to access tells about the notice in force."""
    return {"notice_id": notice.notice_id, "notice": notice.long}
