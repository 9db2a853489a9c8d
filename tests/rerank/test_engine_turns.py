"""Whoever waits for the tokenizer gets it in turn."""

from __future__ import annotations

import threading
import time

from fake_backend import wait_until

from middleware.rerank.turns import Turns


def in_thread(call):
    thread = threading.Thread(target=call)
    thread.start()
    return thread


def test_turns_come_in_the_order_of_arrival_and_are_handed_on() -> None:
    turns, served, threads = Turns(), [], []

    def wait_for_turn(name):
        assert turns.acquire(30)
        served.append(name)
        turns.release()

    assert turns.acquire(1)
    for number in range(5):
        threads.append(in_thread(lambda number=number: wait_for_turn(number)))
        wait_until(lambda number=number: len(turns._waiting) == number + 1)
    turns.release()
    wait_for_turn("released it and came again")
    for thread in threads:
        thread.join()
    assert served == [0, 1, 2, 3, 4, "released it and came again"]


def test_whoever_gives_up_holds_nobody_up() -> None:
    turns = Turns()
    assert turns.acquire(1)
    started = time.monotonic()
    assert not turns.acquire(0.02)
    assert not turns.acquire(-5)
    assert time.monotonic() - started < 5
    turns.release()
    assert turns.acquire(0)


def test_one_at_a_time_however_many_come_and_go() -> None:
    turns, inside, most = Turns(), [0], [0]

    def come_and_go(seed):
        for number in range(300):
            if turns.acquire(0.00001 * ((seed + number) % 5)):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1
                turns.release()

    threads = [in_thread(lambda seed=seed: come_and_go(seed)) for seed in range(8)]
    for thread in threads:
        thread.join()
    assert most[0] == 1
    assert turns.acquire(0)
