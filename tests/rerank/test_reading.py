"""How far a window is read, and that an early end changes nothing of the page where the bounds hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_fusion import KINDS, random_document

from middleware.fusion_models.document import read_model
from middleware.rerank.reading import Reading, Stop

shares = st.floats(0, 1)


@dataclass(frozen=True)
class Linear:
    """A fused score base + share * s of a cross-encoder score s; `uppers` bound the scores that are not read."""

    base: np.ndarray
    share: float
    uppers: np.ndarray
    page: int

    def fuse(self, places, scores):
        return self.base[places] + self.share * scores

    @property
    def stop(self):
        return Stop(self.fuse, self.fuse(np.arange(len(self.base)), self.uppers), self.page)


sizes = st.integers(1, 60)


@st.composite
def windows(draw):
    """Scores, bounds that hold, the rest of a fused score, and an order that may be as wrong as it likes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count, share = draw(sizes), draw(shares)
    scores = rng.uniform(size=count) ** draw(st.sampled_from((0.2, 1, 5)))
    uppers = np.minimum(scores + rng.uniform(size=count) * draw(st.sampled_from((0.0, 0.05, 0.5, 1.0))), 1)
    base = (1 - share) * np.sort(rng.uniform(size=count))[::-1]
    by_bound, by_chance = np.argsort(-(base + share * uppers)), rng.permutation(count)
    order = by_bound if draw(st.booleans()) else by_chance
    return scores, Linear(base, share, uppers, draw(st.integers(1, 20))), order


def read(reading, scores, rounds=100):
    """Play the model: what it was asked for, round by round."""
    asked = []
    while len(wanted := reading.wanted) and len(asked) < rounds:
        asked.append(wanted.tolist())
        reading.add(scores[wanted].tolist())
    return asked


@given(windows())
def test_where_bounds_hold_an_early_end_leaves_the_page_as_it_is(window) -> None:
    scores, model, order = window
    reading = Reading(order, len(order), model.stop)
    read(reading, scores)
    fused = model.base + model.share * scores
    known = fused[order[: len(reading.scores)]]
    page = min(model.page, len(order))
    assert sorted(known, reverse=True)[:page] == sorted(fused, reverse=True)[:page]
    assert len(known) >= page
    assert reading.is_over


@given(windows(), sizes)
def test_each_hit_is_asked_for_once_in_order_and_never_beyond_the_depth(window, depth) -> None:
    scores, model, order = window
    reading = Reading(order, depth, model.stop)
    asked = [place for wanted in read(reading, scores) for place in wanted]
    assert asked == order[: len(asked)].tolist()
    assert len(asked) == len(reading.scores) <= depth
    assert reading.scores == scores[asked].tolist()


def test_what_cannot_be_decided_is_read_to_its_depth() -> None:
    equal = Linear(np.zeros(50), 1.0, np.ones(50), 10).stop
    reading = Reading(np.arange(50), 37, equal)
    assert sum(map(len, read(reading, np.full(50, 0.5)))) == 37


def test_what_is_clear_at_once_is_read_no_further_than_one_round() -> None:
    scores = np.where(np.arange(50) < 10, 0.9, 0.1)
    stop = Linear(np.zeros(50), 1.0, np.where(np.arange(50) < 10, 1.0, 0.2), 10).stop
    reading = Reading(np.arange(50), 50, stop)
    (only,) = read(reading, scores)
    assert 10 <= len(only) < 20


def test_nothing_is_decided_before_the_page_is_full() -> None:
    stop = Linear(np.zeros(5), 1.0, np.zeros(5), 3).stop
    assert not stop.is_decided(np.arange(5), [1.0, 1.0])
    assert stop.is_decided(np.arange(5), [1.0, 1.0, 1.0])


def test_a_hit_that_may_still_reach_the_page_keeps_the_reading_going() -> None:
    base, uppers = np.array([0.5, 0.4, 0.3, 0.0]), np.array([1.0, 1.0, 0.1, 0.7])
    stop = Linear(base, 0.5, uppers, 2).stop
    assert stop.is_decided(np.arange(4), [0.0, 0.0])  # 0.3 + 0.05 and 0.35 do not reach 0.4
    assert not Linear(base, 0.5, np.array([1.0, 1.0, 0.1, 0.9]), 2).stop.is_decided(np.arange(4), [0.0, 0.0])


@given(windows(), st.integers(0, 3), st.integers(0, 7))
def test_a_short_answer_is_the_last(window, rounds, missing) -> None:
    scores, model, order = window
    reading = Reading(order, len(order), model.stop)
    read(reading, scores, rounds)
    wanted, before = reading.wanted, len(reading.scores)
    if len(wanted):
        found = scores[wanted][: max(0, len(wanted) - 1 - missing)].tolist()
        reading.add(found)
        assert reading.is_over
        assert not len(reading.wanted)
        assert len(reading.scores) == before + len(found)


@pytest.mark.parametrize("depth", [1, 5, 30, 100])
def test_without_a_stop_there_is_one_round(depth) -> None:
    order = np.random.default_rng(0).permutation(30)
    reading = Reading(order, depth)
    assert read(reading, np.linspace(0, 1, 30)) == [order[:depth].tolist()]
    assert not len(reading.wanted)


def test_of_nothing_nothing_is_wanted() -> None:
    assert not len(Reading(np.arange(0), 5).wanted)


@st.composite
def fused_windows(draw):
    """As `windows`, but fused by a trained model of any kind that is monotone in the cross-encoder's score."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    document = random_document(draw(st.sampled_from(KINDS)), int(rng.integers(2**32)))
    model, count = read_model(document), draw(sizes)
    others = {name: np.round(rng.uniform(size=count), draw(st.integers(1, 5))) for name in model.features}
    scores = rng.uniform(size=count) ** draw(st.sampled_from((0.2, 1, 5)))
    uppers = np.minimum(scores + rng.uniform(size=count) * draw(st.sampled_from((0.0, 0.05, 0.5, 1.0))), 1)

    def fuse(places, values):
        return model.fuse({name: each[places] for name, each in others.items()} | {"cross_encoder": values})

    everywhere = np.arange(count)
    bounds = fuse(everywhere, uppers)
    order = np.argsort(-bounds) if draw(st.booleans()) else rng.permutation(count)
    return scores, Stop(fuse, bounds, draw(st.integers(1, 20))), order, fuse(everywhere, scores)


@given(fused_windows())
def test_an_early_end_leaves_the_page_of_any_monotone_model_as_it_is(window) -> None:
    scores, stop, order, fused = window
    reading = Reading(order, len(order), stop)
    read(reading, scores)
    known = fused[order[: len(reading.scores)]]
    page = min(stop.page, len(order))
    assert sorted(known, reverse=True)[:page] == sorted(fused, reverse=True)[:page]
    assert len(known) >= page
    assert reading.is_over
