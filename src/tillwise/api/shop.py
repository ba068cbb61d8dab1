"""What the door needs of a shop. `tillwise.app` builds the real one; the tests build a small one by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol

from tillwise.decisions.decision import Request
from tillwise.decisions.pending import Pending
from tillwise.decisions.replay import Replayer
from tillwise.decisions.use_case import UseCase
from tillwise.documents.described import Described
from tillwise.documents.notices import NoticeDesk
from tillwise.events.event import Intake
from tillwise.events.log import Appended
from tillwise.outcomes.outcomes import OnOutcome
from tillwise.privacy.gate import Gate
from tillwise.releases.releases import Releases
from tillwise.review.queue import ReviewQueue
from tillwise.rights.rights import Rights
from tillwise.settings import Secrets, Settings
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.store import Store


class Log(Protocol):
    """Where events go."""

    def append(self, read: Sequence[Intake]) -> Future[Appended]:
        """Append what was read; resolve once it is on disk, or to StoreUnavailable."""
        ...


class Road(Protocol):
    """Where questions go."""

    def begin(self, use_case: UseCase, request: Request, key_id: str) -> Pending:
        """Decide now; what it returns resolves once the receipt is durable. Raises InvalidInput and Conflict."""
        ...


class Shop(Protocol):
    """A built shop."""

    @property
    def settings(self) -> Settings:
        """Its settings."""
        ...

    @property
    def secrets(self) -> Secrets:
        """Its secrets; the console signs its sessions with a key derived from them."""
        ...

    @property
    def store(self) -> Store:
        """Its row store."""
        ...

    @property
    def clock(self) -> LogClock:
        """The clock that dates what happens."""
        ...

    @property
    def log(self) -> Log:
        """Its event log."""
        ...

    @property
    def road(self) -> Road:
        """The road of its decisions."""
        ...

    @property
    def use_cases(self) -> Mapping[str, UseCase]:
        """Its use cases by name."""
        ...

    @property
    def replayer(self) -> Replayer:
        """What takes past decisions again, to explain them."""
        ...

    @property
    def releases(self) -> Releases:
        """Who answers, since when."""
        ...

    @property
    def reviews(self) -> ReviewQueue:
        """The queue of decisions a person has to look at."""
        ...

    @property
    def gate(self) -> Gate:
        """What makes its permits; the rules in force are its own."""
        ...

    @property
    def notices(self) -> NoticeDesk:
        """What makes the notice in force, and keeps each text."""
        ...

    @property
    def described(self) -> Described:
        """What its documents are made from."""
        ...

    @property
    def rights(self) -> Rights:
        """What answers people's requests."""
        ...

    @property
    def on_outcome(self) -> Sequence[OnOutcome]:
        """What runs in the transaction of each outcome that is told, such as the queues of webhook sinks."""
        ...

    def problems(self) -> Sequence[str]:
        """Say why it is not ready to answer; nothing means ready."""
        ...

    def close(self) -> None:
        """Finish the queued work."""
        ...
