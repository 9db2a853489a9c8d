"""Waiting out a busy or restarting node: calls are repeated with growing pauses, up to a stated time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from elastic_transport import ConnectionError as NodeUnreachable
from elastic_transport import ConnectionTimeout, TlsError, TransportError
from elasticsearch import ApiError, Elasticsearch

from middleware.catalog.client import explain
from middleware.errors import CommandError

BUSY_STATUS = frozenset({429, 502, 503, 504})
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 5.0
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one call may keep failing (`seconds`), whom to tell of a wait, and the way to end all waits."""

    seconds: float = 120.0
    on_wait: Callable[[str], None] | None = None
    stop: threading.Event = field(default_factory=threading.Event)


class Waiter:
    """The pauses of one call that keeps failing."""

    def __init__(self, client: Elasticsearch, patience: Patience) -> None:
        self._client = client
        self._patience = patience
        self._give_up_at: float | None = None
        self._pause = FIRST_PAUSE_S

    def wait(self, trouble: str) -> None:
        """Sleep a little longer than last time. Raises CommandError when the patience is used up."""
        now = time.monotonic()
        if self._give_up_at is None:
            self._give_up_at = now + self._patience.seconds
        if now >= self._give_up_at:
            raise CommandError(f"gave up after {self._patience.seconds:g} s: {trouble}; run the same command again")
        if self._patience.on_wait is not None:
            self._patience.on_wait(trouble)
        pause = min(self._pause, self._give_up_at - now)
        self._pause = min(2 * self._pause, LONGEST_PAUSE_S)
        if self._patience.stop.wait(pause):
            raise CommandError("stopped")

    def wait_out(self, error: ApiError | TransportError) -> None:
        """Wait where `error` may pass by itself. Raises CommandError where it will not."""
        if not is_passing(error):
            raise explain(self._client, error) from error
        self.wait(str(explain(self._client, error)))


def is_passing(error: ApiError | TransportError) -> bool:
    """True for what a busy or restarting node answers, or does not."""
    if isinstance(error, ApiError):
        return error.status_code in BUSY_STATUS
    return isinstance(error, NodeUnreachable | ConnectionTimeout) and not isinstance(error, TlsError)


def persist(client: Elasticsearch, call: Callable[[], Answer], patience: Patience) -> Answer:
    """The result of `call()`, repeated while the node is away or busy; `call` must be harmless to repeat.

    Raises CommandError where the failure is no passing one or outlasts the patience.
    """
    waiter = Waiter(client, patience)
    while True:
        try:
            return call()
        except (ApiError, TransportError) as error:
            waiter.wait_out(error)


def fetch(client: Elasticsearch, call: Callable[[], Any], patience: Patience) -> Any:
    """Like `persist`, for one API call: its body."""
    return persist(client, lambda: call().body, patience)
