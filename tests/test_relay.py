"""The worker's bookkeeping where timing decides, which no test from outside can bring about for sure."""

from __future__ import annotations

from concurrent.futures import Future

import pytest
from gunicorn.workers.gthread import _DEFER

from middleware.relay import RelayWorker


class Conn:
    """A connection on which nothing has come yet; tells how long it was waited for."""

    def __init__(self) -> None:
        self.initialized = False
        self.waits: list[float] = []

    def wait_for_data(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return False


@pytest.fixture
def worker():
    worker = RelayWorker.__new__(RelayWorker)
    worker.alive, worker.nr_conns = True, 1
    return worker


def test_a_silent_new_client_takes_no_thread_until_the_worker_stops(worker):
    conn = Conn()
    assert worker.handle(conn) is _DEFER
    assert conn.waits == [0]
    worker.alive = False
    assert worker.handle(conn) is False
    assert conn.waits[1] > 0


def test_a_client_put_aside_just_when_the_worker_stops_is_looked_at_once_more(worker):
    again = []
    worker.enqueue_req = again.append
    put_aside: Future = Future()
    put_aside.set_result(_DEFER)
    conn = Conn()
    worker.alive = False
    worker.finish_request(conn, put_aside)
    assert again == [conn]
    assert worker.nr_conns == 1
