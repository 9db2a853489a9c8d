"""Which pairs a free worker is given, and that none is lost, doubled or padded without need."""

from __future__ import annotations

from time import monotonic

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.errors import BackendError, ModelUnavailable, Overloaded
from middleware.rerank.batches import cut_batch
from middleware.rerank.pace import Pace
from middleware.rerank.pairs import Pair, Search
from middleware.rerank.queue import PairQueue


def pairs(lengths, keys=None):
    keys = keys or [None] * len(lengths)
    return [Pair({"input_ids": [0] * length}, key) for length, key in zip(lengths, keys, strict=True)]


def make_queue(limit=64, batch_tokens=64, workers=1, pace=None):
    return PairQueue(limit=limit, batch_tokens=batch_tokens, workers=workers, pace=pace or Pace())


def enter(queue, own, budget_s=60.0):
    now = monotonic()
    search = Search([[None] * len(own)], now + budget_s, now)
    queue.join(search)
    search.slots[0][:] = own
    queue.add(search, own)
    queue.complete(search)
    return search


def settle(queue, batch, seconds=0.001):
    queue.settle(batch, np.array([pair.length / 1000 for pair in batch]), seconds)


def drain(queue, searches):
    batches = []
    while not all(search.done.is_set() for search in searches):
        batches.append(queue.take())
        settle(queue, batches[-1])
    return batches


lengths = st.lists(st.integers(1, 60), min_size=1, max_size=40)


@given(lengths, st.integers(1, 200), st.data())
def test_a_batch_holds_its_head_and_keeps_to_its_tokens(lengths, max_tokens, data) -> None:
    candidates = pairs(lengths)
    head = data.draw(st.sampled_from(candidates))
    batch = cut_batch(candidates, head, max_tokens)
    assert head in batch
    assert len(set(batch)) == len(batch)
    assert len(batch) == 1 or max(pair.length for pair in batch) * len(batch) <= max_tokens


@given(st.lists(lengths, min_size=1, max_size=4), st.integers(1, 300), st.integers(1, 4))
def test_every_pair_of_every_search_is_scored_once(searches, batch_tokens, workers) -> None:
    queue = make_queue(batch_tokens=batch_tokens, workers=workers)
    entered = [enter(queue, pairs(lengths)) for lengths in searches]
    batches = drain(queue, entered)
    assert sorted(pair.length for batch in batches for pair in batch) == sorted(
        length for lengths in searches for length in lengths
    )
    for search, lengths in zip(entered, searches, strict=True):
        np.testing.assert_allclose(search.prefixes()[0], np.array(lengths) / 1000)
    assert queue.waiting == 0


def test_little_is_padded() -> None:
    draw = np.random.default_rng(5)
    own = pairs([int(length) for length in draw.gamma(4, 8, 100) + 6])
    queue = make_queue(batch_tokens=1024)
    batches = drain(queue, [enter(queue, own)])
    padded = sum(len(batch) * max(pair.length for pair in batch) for batch in batches)
    assert padded < 1.25 * sum(pair.length for pair in own)


def test_a_lone_search_is_shared_evenly_by_the_workers() -> None:
    queue = make_queue(batch_tokens=1024, workers=2)
    enter(queue, pairs([32] * 50))
    first, second = queue.take(), queue.take()
    assert len(first) == 25
    assert 10 <= len(second) <= 25


def test_a_batch_takes_pairs_of_other_searches_where_its_own_are_few() -> None:
    queue = make_queue(batch_tokens=64)
    for _ in range(3):
        enter(queue, pairs([16]))
    assert len(queue.take()) == 3


def test_a_small_search_overtakes_a_large_one() -> None:
    queue = make_queue(batch_tokens=32, pace=Pace(token_s=0.001, pair_s=0.01))
    large = enter(queue, pairs([16] * 200))
    settle(queue, queue.take())
    small = enter(queue, pairs([15] * 2))
    batch = queue.take()
    settle(queue, batch)
    assert small.done.is_set()
    assert not large.done.is_set()


def test_searches_of_one_size_are_served_in_their_order() -> None:
    queue = make_queue(batch_tokens=32, pace=Pace(token_s=0.001, pair_s=0.01))
    first, second = enter(queue, pairs([16] * 10)), enter(queue, pairs([16] * 10))
    for _ in range(5):
        settle(queue, queue.take())
    assert first.done.is_set()
    assert not second.done.is_set()


def test_a_large_search_is_not_overtaken_by_what_comes_after_it_should_have_been_done() -> None:
    pace = Pace(token_s=1e-9, pair_s=1e-9)
    queue = make_queue(batch_tokens=32, pace=pace)
    large = enter(queue, pairs([16] * 20))
    while not large.done.is_set():
        enter(queue, pairs([16]))
        settle(queue, queue.take(), 1e-9)
    assert queue.waiting > 5


def test_the_head_of_the_window_goes_first_where_time_is_short() -> None:
    queue = make_queue(batch_tokens=1024, pace=Pace(token_s=0.01, pair_s=0.1))
    own = pairs([10] * 10 + [100] * 90)
    enter(queue, own, budget_s=1.0)  # time for 83 tokens
    assert list(queue.take()) == own[:8]


def test_a_first_batch_is_tried_whatever_the_pace_says_and_puts_it_right() -> None:
    pace = Pace(token_s=100.0, pair_s=1000.0)
    queue = make_queue(pace=pace)
    enter(queue, pairs([10] * 4), budget_s=1.0)
    batch = queue.take()
    assert len(batch) == 1
    settle(queue, batch, 0.001)
    assert pace.token_s < 100.0


@given(st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), min_size=1, max_size=12), st.integers(0, 12))
def test_pairs_in_flight_are_scored_once_for_all_searches_that_want_them(keys, split) -> None:
    queue = make_queue(batch_tokens=1)
    lengths = {key: number + 1 for number, key in enumerate([b"a", b"b", b"c", b"d"])}
    searches, batches = [], []
    for part in (keys[:split], keys[split:]):
        found = queue.find(part)
        own = {key: found.get(key) or pairs([lengths[key]], [key])[0] for key in part}
        searches.append(enter(queue, [own[key] for key in part]))
    batches = drain(queue, searches)
    assert len(batches) == len(set(keys))
    for search, part in zip(searches, (keys[:split], keys[split:]), strict=True):
        np.testing.assert_allclose(search.prefixes()[0], [lengths[key] / 1000 for key in part])
    assert queue.find(keys) == {}


def test_a_pair_in_flight_outlives_the_search_that_brought_it() -> None:
    queue = make_queue()
    first = enter(queue, pairs([5], [b"k"]))
    second = enter(queue, list(queue.find([b"k"]).values()))
    queue.leave(first)
    settle(queue, queue.take())
    assert second.done.is_set()
    np.testing.assert_allclose(second.prefixes()[0], [0.005])


def test_a_pair_that_nobody_waits_for_any_more_is_dropped() -> None:
    queue = make_queue()
    queue.leave(enter(queue, pairs([5], [b"k"])))
    assert queue.find([b"k"]) == {}
    assert queue.waiting == 0
    enter(queue, pairs([7]))
    assert [pair.length for pair in queue.take()] == [7]


def test_a_pair_found_before_it_failed_fails_the_search_that_found_it() -> None:
    queue = make_queue()
    enter(queue, pairs([5], [b"k"]))
    found = queue.find([b"k"])
    queue.settle(queue.take(), BackendError("broken"), 0.1)
    late = enter(queue, list(found.values()))
    assert late.done.is_set()
    assert isinstance(late.error, BackendError)


def test_no_more_searches_wait_than_the_limit_allows() -> None:
    queue = make_queue(limit=2)
    enter(queue, pairs([5]))
    queue.take()  # runs, so that it does not wait
    enter(queue, pairs([5]))
    enter(queue, pairs([5]))
    with pytest.raises(Overloaded):
        enter(queue, pairs([5]))


def test_every_change_of_what_waits_is_told() -> None:
    told = []
    queue = PairQueue(limit=2, batch_tokens=64, workers=1, pace=Pace(), on_waiting=told.append)
    first, second = enter(queue, pairs([5])), enter(queue, pairs([5, 6]))
    with pytest.raises(Overloaded):
        enter(queue, pairs([5]))
    queue.leave(second)
    drain(queue, [first])
    enter(queue, pairs([5]))
    queue.close(ModelUnavailable("stopping"))
    assert told == [1, 2, 1, 0, 1, 0]
    assert queue.waiting == 0


def test_a_closed_queue_gives_nothing_and_takes_nothing() -> None:
    queue = make_queue()
    waiting = enter(queue, pairs([5]))
    queue.close(ModelUnavailable("stopping"))
    assert queue.take() is None
    assert waiting.done.is_set()
    assert isinstance(waiting.error, ModelUnavailable)
    with pytest.raises(ModelUnavailable):
        enter(queue, pairs([5]))


def test_a_batch_holds_one_query_text_where_they_may_not_mix() -> None:
    queue = make_queue(workers=3)
    own = [Pair({"input_ids": [0] * 4}, query_text=text) for text in "aabbab"]
    searches = [enter(queue, own), enter(queue, [Pair({"input_ids": [0] * 4}, query_text="a")])]
    batches = [queue.take(), queue.take()]
    assert [{pair.query_text for pair in batch} for batch in batches] == [{"a"}, {"b"}]
    for batch in batches:
        settle(queue, batch)
    drain(queue, searches)
    assert all(pair.score is not None for pair in own)
