"""A small HTTP/1.1 load generator: open loop without coordinated omission, and closed loop.

Open loop: every request has its moment, drawn beforehand (Poisson arrivals, seeded), whatever the server does; its
latency runs from that moment to the last byte of the answer, so that a stall is counted for everyone who had to wait.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Request = bytes
OnAnswer = Callable[[int, bytes], None]


def post(path: str, key: str, body: bytes) -> Request:
    """Return the bytes of a request."""
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class Measured:
    """What came of a run: latencies in seconds, answers by status, and the generator's own share of a CPU."""

    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0
    generator_cpu: float = 0.0
    late: list[float] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """Return a latency quantile in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")

    @property
    def rate(self) -> float:
        """Return answers per second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, done: Callable[[Connection, int, bytes], None]) -> None:
        self._done = done
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def send(self, request: Request, began: float) -> None:
        self.began = began
        assert self._transport is not None
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        start = lower.index(b"content-length: ") + 16
        length = int(lower[start:].split(b"\r\n", 1)[0])
        if len(body) >= length:
            self._buffer = b""
            self._done(self, int(head[9:12]), body)

    def connection_lost(self, error: Exception | None) -> None:
        self._done(self, 0, b"")

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class _Run:
    def __init__(self, port: int, on_answer: OnAnswer | None) -> None:
        self.port = port
        self.result = Measured()
        self.idle: deque[Connection] = deque()
        self.every: list[Connection] = []
        self.waiting: deque[tuple[Request, float]] = deque()
        self.closed = False
        self.on_answer = on_answer
        self.next: Callable[[Connection], None] = self._release

    async def connect(self, connections: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, protocol = await loop.create_connection(lambda: Connection(self._done), "127.0.0.1", self.port)
            self.every.append(protocol)
            self.idle.append(protocol)

    def _done(self, connection: Connection, status: int, body: bytes) -> None:
        if self.closed:
            return
        self.result.latencies.append(time.perf_counter() - connection.began)
        self.result.statuses[status] = self.result.statuses.get(status, 0) + 1
        if self.on_answer is not None:
            self.on_answer(status, body)
        if status:
            self.next(connection)

    def _release(self, connection: Connection) -> None:
        if self.waiting:
            request, moment = self.waiting.popleft()
            connection.send(request, moment)
        else:
            self.idle.append(connection)

    def close(self) -> None:
        self.closed = True
        for connection in self.every:
            connection.close()


async def open_loop(
    port: int, requests: Iterator[Request], *, rate: float, seconds: float, connections: int = 64, seed: int = 7,
    on_answer: OnAnswer | None = None,
) -> Measured:  # fmt: skip
    """Send at `rate` per second with Poisson arrivals; wait at most 10 s for the last answers."""
    run = _Run(port, on_answer)
    await run.connect(connections)
    draw = random.Random(seed)
    start, cpu = time.perf_counter() + 0.05, time.process_time()
    moment, sent = start, 0
    while moment < start + seconds:
        pause = moment - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        run.result.late.append(max(0.0, time.perf_counter() - moment))
        request = next(requests)
        if run.idle:
            run.idle.popleft().send(request, moment)
        else:
            run.waiting.append((request, moment))
        sent += 1
        moment += draw.expovariate(rate)
    until = time.perf_counter() + 10
    while len(run.result.latencies) < sent and time.perf_counter() < until:
        await asyncio.sleep(0.01)
    run.result.seconds = time.perf_counter() - start
    run.result.generator_cpu = (time.process_time() - cpu) / run.result.seconds
    run.close()
    return run.result


async def closed_loop(
    port: int, requests: Iterator[Request], *, seconds: float, connections: int, on_answer: OnAnswer | None = None
) -> Measured:
    """Keep every connection busy: the next request leaves when the answer is there."""
    run = _Run(port, on_answer)
    await run.connect(connections)
    start, cpu = time.perf_counter(), time.process_time()
    over = asyncio.get_running_loop().create_future()

    def again(connection: Connection) -> None:
        now = time.perf_counter()
        if now - start < seconds:
            connection.send(next(requests), now)
        elif not over.done():
            over.set_result(None)

    run.next = again
    for connection in list(run.idle):
        again(connection)
    await over
    run.result.seconds = time.perf_counter() - start
    run.result.generator_cpu = (time.process_time() - cpu) / run.result.seconds
    run.close()
    return run.result
