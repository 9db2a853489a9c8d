"""Clients that keep a rate together: most of them well-behaved, some gone in the middle, some not speaking HTTP."""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence

from load_requests import draw_case
from load_searches import Case, Reply

PATIENCE_S = 20.0
_BURST_S = 0.25  # all that is due within it comes at once, so that the queue and the threads are needed
_NEW_CONNECTION = 0.03
_BREAKS_OFF, _SPEAKS_NO_HTTP = 0.05, 0.01
_MOST_WRONG = 20
_GARBAGE = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /\r\n\r\n",
    b"GARBAGE\r\n\r\n",
    b"POST /_search HTTP/1.1\r\nHost: shop\r\nContent-Length: -5\r\n\r\n",
    b"POST /_search HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
)


class Tally:
    """What all clients saw. Thread-safe."""

    def __init__(self) -> None:
        self.outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.seconds: list[float] = []
        self.wrong: list[str] = []
        self.late = 0
        self._lock = threading.Lock()

    @property
    def is_hopeless(self) -> bool:
        return len(self.wrong) >= _MOST_WRONG

    def add(self, kind: str, outcome: str, seconds: float | None = None) -> None:
        with self._lock:
            self.outcomes[kind][outcome] += 1
            if seconds is not None:
                self.seconds.append(seconds)

    def add_wrong(self, what: str) -> None:
        with self._lock:
            self.wrong.append(what)

    def table(self) -> str:
        """Outcomes of each kind of request, and the spread of the times, in Markdown."""
        lines = ["| request | outcomes |", "|---|---|"]
        for kind, outcomes in sorted(self.outcomes.items()):
            told = ", ".join(f"{outcome}: {count}" for outcome, count in outcomes.most_common())
            lines.append(f"| {kind} | {told} |")
        ordered = sorted(self.seconds) or [0.0]
        shares = {name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for name, share in _SHARES.items()}
        times = ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in shares.items())
        return "\n".join([*lines, f"\n{len(self.seconds)} answers: {times}; {self.late} requests were sent late"])


_SHARES = {"median": 0.5, "99 %": 0.99, "longest": 1.0}


class Client:
    """One of `clients` clients that send `rate` requests a second together until `ends` (seconds, monotonic)."""

    def __init__(self, port: int, number: int, clients: int, rate: float, ends: float, tally: Tally) -> None:
        self._port = port
        self._draw = random.Random(number)
        self._pause_s, self._offset_s = clients / rate, number / rate
        self._ends = ends
        self._tally = tally
        self._connection = self._connect()

    def run(self) -> None:
        started, turn = time.monotonic(), 0
        while not self._tally.is_hopeless:
            due = started + (self._offset_s + turn * self._pause_s) // _BURST_S * _BURST_S
            now = time.monotonic()
            if max(now, due) >= self._ends:
                break
            time.sleep(max(0.0, due - now))
            if now - due > 1.0:  # what is not sent in its time is not made up for: that would be another load
                self._tally.late += 1
                turn = int((now - started - self._offset_s) / self._pause_s)
            turn += 1
            self._take_turn()
        self._connection.close()

    def _take_turn(self) -> None:
        kind, case = draw_case(self._draw)
        chance = self._draw.random()
        if chance < _BREAKS_OFF:
            self._break_off(case)
        elif chance < _BREAKS_OFF + _SPEAKS_NO_HTTP:
            self._speak_no_http()
        else:
            self._ask(kind, case)

    def _ask(self, kind: str, case: Case) -> None:
        if self._draw.random() < _NEW_CONNECTION:
            self._connection.close()
            self._connection = self._connect()
        started, reply = time.monotonic(), None
        try:
            reply = self._exchange(case)
            case.check(reply)
        except (AssertionError, KeyError, ValueError, TypeError, OSError, http.client.HTTPException) as error:
            said = f"{reply.outcome}: {reply.body[:500]!r}" if reply else "no answer"
            self._tally.add_wrong(f"{kind}: {case} was answered with {said}: {type(error).__name__}: {error}")
            self._connection.close()
        else:
            self._tally.add(kind, reply.outcome, time.monotonic() - started)

    def _exchange(self, case: Case) -> Reply:
        self._connection.request(case.verb, case.target, case.body, dict(case.headers))
        answer = self._connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)

    def _break_off(self, case: Case) -> None:
        """Be gone within the head, within the body, before the answer, or within it; with a reset or without."""
        wire = wire_of(case)
        sent = wire[: self._draw.randrange(1, len(wire))] if self._draw.random() < 0.5 else wire
        with socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE_S) as connection:
            if self._draw.random() < 0.5:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):
                connection.sendall(sent)
                if sent == wire and self._draw.random() < 0.5:
                    connection.recv(100)
                else:
                    time.sleep(self._draw.choice((0.0, 0.005, 0.05)))
        self._tally.add("broken off", "whole" if sent == wire else "in the middle")

    def _speak_no_http(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE_S) as connection:
            connection.sendall(self._draw.choice(_GARBAGE))
            connection.shutdown(socket.SHUT_WR)
            try:
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
            except OSError as error:
                self._tally.add_wrong(f"no HTTP: {error}")
                return
        status = answer.split(b" ", 2)[1].decode() if answer.startswith(b"HTTP/") else "closed"
        self._tally.add("no HTTP", status)
        if status.startswith("5"):
            self._tally.add_wrong(f"no HTTP: {answer[:500]!r}")


def wire_of(case: Case) -> bytes:
    """The bytes of a request."""
    lines = [
        f"{case.verb} {case.target} HTTP/1.1",
        "Host: shop",
        *(f"{name}: {value}" for name, value in case.headers.items()),
    ]
    body = case.body or b""
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def run_clients(port: int, count: int, rate: float, seconds: float) -> Tally:
    """`count` clients at once for so many seconds; what they saw."""
    tally, ends = Tally(), time.monotonic() + seconds
    clients: Sequence[Client] = [Client(port, number, count, rate, ends, tally) for number in range(count)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally
