"""Webhook sinks: `[sinks.NAME]` in tillwise.toml names a vendor, an address and what it is told of.

A decision or outcome is queued in its own transaction: one INSERT where a sink asks for it, nothing elsewhere.
The message is made and judged when it leaves: a withdrawal, a struck record or an erasure in between keeps it here.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from tillwise.connectors.outbound_http import Line, NotAnswered, NotReached, check_url, secret_of, signed
from tillwise.connectors.outbound_message import fields_of, message
from tillwise.decisions import receipts
from tillwise.decisions.receipts import Kept
from tillwise.decisions.use_case import UseCase
from tillwise.errors import ConfigurationError
from tillwise.events.people import user_ids
from tillwise.jobs.leaving import read_by
from tillwise.outcomes.outcomes import KINDS, Outcome
from tillwise.recipients import outbox, sent
from tillwise.recipients.book import note_records
from tillwise.recipients.carried import wanted
from tillwise.recipients.gate import About, OutboundGate
from tillwise.recipients.outbox import Waiting
from tillwise.recipients.sent import Sent
from tillwise.settings import Secrets, SinkSettings
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.store import Store, Transaction

AT_ONCE: Final = 50
"""Messages taken, judged and entered together."""


class Delivered(NamedTuple):
    """What a round did: messages that arrived, that may never leave, and that are tried again later."""

    arrived: int = 0
    withheld: int = 0
    put_off: int = 0


@dataclass(frozen=True, slots=True)
class _Ready:
    """A message that may leave, its hand-over in the ledger, and whom it is about."""

    waiting: Waiting
    body: bytes
    handed: int
    whose: frozenset[Pseudonym]


@dataclass(frozen=True, slots=True)
class _Round:
    ready: tuple[_Ready, ...]
    taken: int
    withheld: int
    held_back: int


class Sinks:
    """The shop's webhooks. `line` opens a connection to an address, with a timeout in seconds."""

    def __init__(
        self, store: Store, secrets: Secrets, clock: LogClock, gate: OutboundGate,
        sinks: Mapping[str, SinkSettings], use_cases: Mapping[str, UseCase],
        line: Callable[[str, float], Line] = Line,
    ) -> None:  # fmt: skip
        self._store, self._secrets, self._clock, self._gate = store, secrets, clock, gate
        self._sinks = dict(sinks)
        self._use_cases = use_cases
        self._line = line
        self._told: dict[str, list[str]] = {}
        for name, sink in sinks.items():
            _check(name, sink, use_cases)
            for use_case in sink.decisions:
                self._told.setdefault(use_case, []).append(name)

    @property
    def settings(self) -> Mapping[str, SinkSettings]:
        """Return the sinks by name."""
        return self._sinks

    def secret(self, name: str) -> str:
        """Return the secret a sink's messages are signed with; raise ConfigurationError when there is no such sink."""
        if name not in self._sinks:
            raise ConfigurationError(f"tillwise.toml names no sink '{name}': write a table [sinks.{name}]")
        return secret_of(self._secrets, name, self._sinks[name].secret_version)

    def on_receipt(self, transaction: Transaction, kept: Kept) -> None:
        """Queue a decision for every sink that wants it; runs in the receipt's own transaction."""
        for name in self._told.get(kept.receipt.use_case, ()):
            outbox.put(transaction, name, outbox.DECISION, kept.receipt.decision_id, self._clock.wall())

    def on_outcome(self, transaction: Transaction, outcome: Outcome) -> None:
        """Queue an outcome of a decision for every sink that wants its kind; runs in the outcome's own transaction."""
        for name, sink in self._sinks.items():
            if outcome.kind in sink.outcomes:
                said = msgspec.json.encode({"kind": outcome.kind, "value": outcome.value, "at": outcome.at}).decode()
                for decision_id in self._decisions(transaction, outcome, sink):
                    outbox.put(transaction, name, outbox.OUTCOME, decision_id, self._clock.wall(), said)

    def deliver(self, budget: float = 10.0, stop: Callable[[], bool] = bool) -> dict[str, Delivered]:
        """Send what is due to every sink, for at most `budget` seconds each; return what became of it by sink.

        Never raises for what a sink does. Several processes may do this at once: each takes other messages. It ends
        early when `stop` says so.
        """
        done = {}
        for name, sink in self._sinks.items():
            until = time.monotonic() + budget
            done[name] = self._deliver(name, sink, lambda: stop() or time.monotonic() > until)  # noqa: B023
        return done

    def _deliver(self, name: str, sink: SinkSettings, enough: Callable[[], bool]) -> Delivered:
        line = self._line(sink.url, sink.timeout_s)
        secret = self.secret(name)
        done: Counter[str] = Counter()
        try:
            while not enough():
                now = self._clock.wall()
                work = self._store.commit(lambda transaction: self._take(transaction, name, now)).result()  # noqa: B023
                done["withheld"] += work.withheld
                done["put_off"] += work.held_back
                results = list(_send(line, (name, secret), work.ready, now // 1000, enough))
                self._store.commit(lambda transaction: self._mark(transaction, results)).result()  # noqa: B023
                done["arrived"] += sum(not cause for _, cause, _ in results)
                done["put_off"] += sum(bool(cause) for _, cause, _ in results)
                if work.taken < AT_ONCE or any(cause for _, cause, _ in results):
                    break
        finally:
            line.close()
        return Delivered(done["arrived"], done["withheld"], done["put_off"])

    def _take(self, transaction: Transaction, name: str, now: int) -> _Round:
        """Take what is due, judge it, make the messages, and enter what is about to leave: all in one transaction."""
        waiting = outbox.take(transaction, name, now, AT_ONCE)
        if waiting:
            note_records(transaction, self._gate.book, now)  # a record under which something leaves is kept
        groups: dict[tuple[str, str], list[tuple[Waiting, Kept]]] = {}
        gone: list[int] = []
        for each in waiting:
            kept = receipts.look_up(transaction, each.decision_id)
            if kept is None or not kept.delivered or kept.receipt.use_case not in self._use_cases:
                gone.append(each.id)  # erased meanwhile, or the answer never left
            else:
                groups.setdefault((kept.receipt.use_case, each.kind), []).append((each, kept))
        ready: list[_Ready] = []
        held_back = withheld = 0
        for (use_case, kind), pairs in groups.items():
            found = self._judge(transaction, name, self._use_cases[use_case], kind, pairs, now)
            if isinstance(found, str):
                held_back += len(pairs)
                for each, _ in pairs:
                    outbox.put_off(transaction, each, now, found)
                continue
            ready += found
            left = {each.waiting.id for each in found}
            stays = [each.id for each, _ in pairs if each.id not in left]
            withheld += len(stays)
            gone += stays
        outbox.strike(transaction, gone)
        return _Round(tuple(ready), len(waiting), withheld, held_back)

    def _judge(
        self, transaction: Transaction, name: str, use_case: UseCase, kind: str, pairs: list[tuple[Waiting, Kept]],
        now: int,
    ) -> list[_Ready] | str:  # fmt: skip
        """Return the messages of a use case that may leave, entered in the ledger; or why none may at all."""
        derived = read_by(use_case.features)
        people = [about for _, kept in pairs if (about := _about(kept))]
        asked = wanted(fields_of(kind), derived)
        found = self._gate.may_send(transaction, self._sinks[name].vendor, use_case.purpose, asked, people)
        if found.nothing or found.vendor is None:
            return found.why()
        free = [pair for pair in pairs if (who := _about(pair[1])) is None or who.key in found.people]
        ids = user_ids(transaction, self._secrets, found.people)
        bodies = [message(kind, kept, ids, each.said, derived, found.categories) for each, kept in free]
        whose = [frozenset(() if (who := _about(kept)) is None else (who.key,)) for _, kept in free]
        handed = Sent.to(
            found.vendor, what=f"sink {name}", purpose=use_case.purpose.value, wall=now, records=0,
            categories=tuple(found.categories), withheld=found.withheld,
        )  # fmt: skip
        number = sent.enter(transaction, handed, {key for keys in whose for key in keys})
        return [_Ready(each, body, number, keys) for (each, _), body, keys in zip(free, bodies, whose, strict=True)]

    def _mark(self, transaction: Transaction, results: list[tuple[_Ready, str, bool]]) -> None:
        """Strike what arrived, put the rest off; where nobody was reached, nothing left."""
        now = self._clock.wall()
        outbox.strike(transaction, [ready.waiting.id for ready, cause, _ in results if not cause])
        for ready, cause, _ in results:
            if cause:
                outbox.put_off(transaction, ready.waiting, now, cause)
        for number in dict.fromkeys(ready.handed for ready, _, _ in results):
            mine = [each for each in results if each[0].handed == number]
            left = {key for ready, _, reached in mine if reached for key in ready.whose}
            if not any(reached for _, _, reached in mine):
                sent.take_back(transaction, number)
            else:
                arrived = sum(not cause for _, cause, _ in mine)
                sent.correct(transaction, number, arrived, left)

    def _decisions(self, transaction: Transaction, outcome: Outcome, sink: SinkSettings) -> list[str]:
        """Return the decisions an outcome belongs to, of the use cases the sink is told of."""
        if outcome.decision_id is not None:
            kept = receipts.look_up(transaction, outcome.decision_id)
            known = [] if kept is None else [kept]
        else:
            known = [
                kept
                for use_case in sink.decisions
                for kept in receipts.find_for_order(transaction, outcome.order_ref or 0, use_case)[:1]
            ]
        return [kept.receipt.decision_id for kept in known if kept.receipt.use_case in sink.decisions]


def _send(
    line: Line, sink: tuple[str, str], ready: tuple[_Ready, ...], at: int, enough: Callable[[], bool]
) -> Iterator[tuple[_Ready, str, bool]]:
    """Post one after another; yield each with why it has to be tried again ("" = arrived), and whether it left.

    A sink that cannot be reached, or breaks off, is left alone for this round.
    """
    name, secret = sink
    broken = ""
    for each in ready:
        if broken or enough():
            yield each, broken or "no time left in this round", False
            continue
        try:
            status = line.post(each.body, signed(secret, each.waiting.key(name), at, each.body))
        except NotReached as error:
            broken = str(error)
            yield each, broken, False
        except NotAnswered as error:
            broken = str(error)
            yield each, broken, True
        else:
            yield each, "" if 200 <= status < 300 else f"the sink answered {status}", True


def _about(kept: Kept) -> About | None:
    permit = kept.receipt.permit
    key = kept.anonymous if kept.subject is None else kept.subject
    if key is None:
        return None
    return About(key, kept.subject is None, permit.place, frozenset(permit.signals))


def _check(name: str, sink: SinkSettings, use_cases: Mapping[str, UseCase]) -> None:
    where = f"tillwise.toml [sinks.{name}]"
    check_url(sink.url, where)
    if not sink.decisions:
        raise ConfigurationError(f'{where}: decisions is empty: name the use cases it is told of, such as ["churn"]')
    for use_case in sink.decisions:
        if use_case not in use_cases:
            raise ConfigurationError(f"{where}: '{use_case}' is no use case of this shop: {', '.join(use_cases)}")
    for kind in sink.outcomes:
        if kind not in KINDS:
            raise ConfigurationError(f"{where}: '{kind}' is no outcome; write some of {', '.join(KINDS)}")
