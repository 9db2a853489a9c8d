"""With estimates the second stage reads a part of a window, and what it did not read stays behind."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_second_stage import FakeEngine, make, make_settings, plan_of, respond, shown_scores

from middleware.errors import BackendError, DeadlineExceeded, Overloaded
from middleware.explanation.ranking import explain_ranking
from middleware.personalization.profiles import Profile
from middleware.ranking import make_ranking
from middleware.rerank.estimator import Estimates
from middleware.search.reasons import Reason
from middleware.second_stage import Reader, SecondStage
from middleware.verdict import judge, verdict_headers

HITS = 40
MODEL_ONLY = {"cross_encoder": 1.0, "first_stage": 0.0}


class Estimating(FakeEngine):
    """Estimates and scores each text as the given functions of its number do; a call may end it.

    `rounds` holds what was read, round by round; `budgets` what was left of the time.
    """

    def __init__(self, score, estimate=None, upper=None, depth=HITS, ends=None):
        super().__init__()
        self.score, self.estimated, self.depth = score, estimate or score, depth
        self.upper = upper or (lambda number: 1.0)
        self.ends = ends or {}
        self.rounds, self.windows = [], []

    def estimate(self, query_text, document_texts, first_stage, certainty):
        self.windows.append((query_text, list(document_texts), first_stage.tolist(), certainty))
        numbers = [int(text[1:]) for text in document_texts]
        return Estimates(
            np.array([self.estimated(number) for number in numbers]),
            np.array([self.upper(number) for number in numbers]),
            self.depth,
        )

    def score_many(self, queries, *, budget_ms):
        end = self.ends.get(len(self.rounds))
        if isinstance(end, Exception):
            raise end
        self.rounds.append([[int(text[1:]) for text in texts] for _, texts in queries])
        return [np.array([self.score(number) for number in numbers[:end]]) for numbers in self.rounds[-1]]

    @property
    def read(self):
        """The numbers of the texts that were read of the one search that there was."""
        return [number for ((*numbers,),) in self.rounds for number in numbers]


def with_cascade(*, window=HITS, weights=None, **cascade):
    variant = {"window": window, "weights": weights or {}, "cascade": cascade}
    return make_settings(variants={"default": variant})


def numbered(count=HITS, scores=None):
    return respond([{"title": f"t{number}"} for number in range(count)], scores)


def rerank(engine, settings, response=None, profile=None, **body):
    plan, response = make(settings, **body), response or numbered()
    (outcome,) = SecondStage(settings, {"fake": engine}).rerank([(plan, response)], Reader("u", profile), 1000)
    return plan, outcome


def rising(number):
    return number / HITS


def falling(number):
    return 1 - number / HITS


def test_only_the_best_estimated_are_read_and_come_first() -> None:
    engine = Estimating(falling, estimate=rising, depth=12)
    plan, scored = rerank(engine, with_cascade(weights=MODEL_ONLY))
    assert engine.read == list(range(39, 27, -1))
    assert scored.read == 12
    assert list(scored.order) == [*range(28, 40), *range(27, -1, -1)]  # as read, then as estimated
    ranking = make_ranking(plan, numbered(), scored)
    assert list(ranking.positions) == list(scored.order)


def test_first_stage_scores_take_part_in_what_is_read() -> None:
    engine = Estimating(rising, estimate=lambda number: 0.5, depth=10)
    rerank(engine, with_cascade(), numbered(scores=[*[5.0] * 30, *[4.0] * 10]))
    assert engine.read == list(range(10))


def test_the_engine_is_told_the_window_scaled_and_how_sure_to_be() -> None:
    engine = Estimating(rising)
    rerank(engine, with_cascade(window=20, certainty=0.9), numbered(30, [float(30 - number) for number in range(30)]))
    (window,) = engine.windows
    assert window == ("red", [f"t{number}" for number in range(20)], pytest.approx(np.linspace(1, 0, 20)), 0.9)


def test_reading_ends_when_the_page_is_decided() -> None:
    engine = Estimating(falling, upper=falling)
    _, scored = rerank(engine, with_cascade(weights=MODEL_ONLY))
    assert 10 <= scored.read < 20
    assert list(scored.order[:10]) == list(range(10))


@pytest.mark.parametrize(
    ("cascade", "least", "most"), [({"page": 20}, 20, 30), ({"page": 3}, 3, 15), ({"depth": 7}, 7, 7)]
)
def test_page_and_depth_say_how_far_it_goes(cascade, least, most) -> None:
    engine = Estimating(falling, upper=falling)
    _, scored = rerank(engine, with_cascade(weights=MODEL_ONLY, **cascade))
    assert least <= scored.read == len(engine.read) <= most


def test_without_the_early_end_all_of_the_depth_is_read_at_once() -> None:
    engine = Estimating(falling, upper=lambda number: 0.0, depth=33)
    _, scored = rerank(engine, with_cascade(early_stop=False))
    assert [len(numbers) for (numbers,) in engine.rounds] == [33]
    assert scored.read == 33


def test_switched_off_everything_is_read_and_nothing_estimated() -> None:
    engine = Estimating(falling, estimate=rising, depth=5)
    _, scored = rerank(engine, with_cascade(enabled=False))
    assert engine.read == list(range(HITS))
    assert engine.windows == []
    assert scored.read == HITS


def test_a_window_no_longer_than_the_page_is_read_whole() -> None:
    for count, is_whole in ((10, True), (11, False)):
        engine = Estimating(falling, depth=5)
        _, scored = rerank(engine, with_cascade(), numbered(count))
        assert scored.read == (count if is_whole else 5)


def test_what_a_request_asks_of_the_model_itself_is_read_whole() -> None:
    engine = Estimating(falling, depth=5)
    reranker = {
        "retriever": {"standard": {"query": {"match": {"title": "red"}}}},
        "field": "title",
        "inference_text": "red",
        "rank_window_size": HITS,
    }
    settings = with_cascade()
    plan = plan_of(settings, {"retriever": {"text_similarity_reranker": reranker}})
    assert plan.wish.limits_hits
    (scored,) = SecondStage(settings, {"fake": engine}).rerank([(plan, numbered())], Reader(), 1000)
    assert scored.read == HITS
    assert engine.windows == []


def test_a_budget_that_ends_in_a_later_round_keeps_what_was_read() -> None:
    whole = Estimating(falling, upper=lambda number: 1.0)
    rerank(whole, with_cascade())
    assert len(whole.rounds) > 2
    first = len(whole.rounds[0][0])
    for end, known in ((DeadlineExceeded("late"), first), (3, first + 3), (0, first)):
        engine = Estimating(falling, ends={1: end})
        plan, scored = rerank(engine, with_cascade())
        assert scored.read == known
        assert len(scored.order) == HITS
        ranking = make_ranking(plan, numbered(), scored)
        assert sorted(ranking.positions[:known]) == list(range(known))


def test_a_queue_that_is_full_in_a_later_round_keeps_what_was_read() -> None:
    engine = Estimating(falling, ends={1: Overloaded("full")})
    _, scored = rerank(engine, with_cascade())
    assert scored.read == len(engine.read) > 0


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), Overloaded("full"), BackendError("NaN")])
def test_where_nothing_was_read_the_failure_is_passed_on(error) -> None:
    _, outcome = rerank(Estimating(falling, ends={0: error}), with_cascade())
    assert outcome is error


def test_a_failing_model_is_a_failure_in_a_later_round_too() -> None:
    error = BackendError("NaN")
    _, outcome = rerank(Estimating(falling, ends={1: error}), with_cascade())
    assert outcome is error


def test_a_budget_that_ends_before_the_first_hit_is_a_failure() -> None:
    _, outcome = rerank(Estimating(falling, ends={0: 0}), with_cascade())
    assert isinstance(outcome, DeadlineExceeded)


def test_each_round_has_what_is_left_of_the_budget() -> None:
    budgets = []

    class Slow(Estimating):
        def score_many(self, queries, *, budget_ms):
            budgets.append(budget_ms)
            return super().score_many(queries, budget_ms=budget_ms)

    rerank(Slow(falling), with_cascade())
    assert len(budgets) > 2
    assert budgets == sorted(set(budgets), reverse=True)
    assert budgets[0] <= 1000


def test_searches_go_on_together_until_each_has_enough() -> None:
    engine = Estimating(falling, upper=lambda number: 1.0 if number < HITS else 0.0)
    settings = with_cascade(weights=MODEL_ONLY)
    long, short = numbered(), respond([{"title": f"t{number + (HITS if number > 9 else 0)}"} for number in range(30)])
    outcomes = SecondStage(settings, {"fake": engine}).rerank(
        [(make(settings), long), (make(settings), respond([])), (make(settings), short)], Reader(), 1000
    )
    assert outcomes[1] is Reason.NO_HITS
    assert outcomes[0].read == HITS
    assert outcomes[2].read < 20
    assert [len(round_) for round_ in engine.rounds] == [2, *[1] * (len(engine.rounds) - 1)]
    headers = verdict_headers(
        settings.headers, [judge(make(settings), outcome) for outcome in outcomes]
    )  # one for each, 0 where nothing was reranked
    assert headers["X-Rerank-Window"] == "40, 0, 30"
    assert headers["X-Rerank-Depth"] == f"40, 0, {outcomes[2].read}"


def test_the_headers_say_what_is_ranked_and_what_of_it_was_read() -> None:
    settings = with_cascade(window=30)
    plan, scored = rerank(Estimating(falling, depth=12), settings)
    headers = verdict_headers(settings.headers, [judge(plan, scored)])
    assert (headers["X-Rerank"], headers["X-Rerank-Window"], headers["X-Rerank-Depth"]) == ("applied", "30", "12")


def test_a_profile_has_a_say_in_what_is_read_as_far_as_it_may_move_a_hit() -> None:
    profile: Future[Profile | None] = Future()
    profile.set_result(Profile(brand_affinity={"acme": 0.9}, weight=900.0, confidence=0.9))
    sources = [{"title": f"t{number}", "brand": "ACME" if number >= 30 else "Other"} for number in range(HITS)]
    for given_profile, most, read in (
        (profile, None, range(30, 40)),
        (profile, 25, [*range(5), *range(30, 35)]),
        (None, None, range(10)),
    ):
        variant = {"window": HITS, "cascade": {"depth": 10}, "personal": {"most_ranks": most}}
        settings = make_settings(variants={"default": variant}, indices={"products": {"template": "{title}"}})
        engine = Estimating(falling, estimate=lambda number: 0.5)
        rerank(engine, settings, respond(sources, [1.0] * HITS), given_profile)
        assert sorted(engine.read) == list(read)


def test_the_next_page_reads_nothing_more() -> None:
    settings, engine = with_cascade(), Estimating(falling, estimate=rising, depth=12)
    stage = SecondStage(settings, {"fake": engine})
    pages = [make(settings), make(settings, **{"from": 10, "size": 10})]
    orders = [stage.rerank([(page, numbered())], Reader("u"), 1000)[0].order for page in pages]
    assert orders[0] == orders[1]
    assert len(engine.read) == 12
    assert len(engine.windows) == 1


first_stage_scores = st.lists(st.floats(0, 2.0**127, width=32), min_size=1, max_size=HITS + 10).map(
    lambda scores: sorted(scores, reverse=True)
)


@given(
    first_stage_scores,
    st.integers(0, 2**32 - 1),
    st.integers(1, HITS),
    st.integers(1, 12),
    st.booleans(),
    st.none() | st.integers(0, 20),
)
def test_every_hit_appears_once_and_scores_never_rise(scores, seed, depth, page, early_stop, end) -> None:
    rng = np.random.default_rng(seed)
    model, estimates, uppers = rng.uniform(size=(3, HITS + 10))
    engine = Estimating(
        model.__getitem__, estimates.__getitem__, uppers.__getitem__, depth=depth, ends={} if end is None else {1: end}
    )
    response = numbered(len(scores), scores)
    plan, scored = rerank(engine, with_cascade(page=page, early_stop=early_stop), response)
    ranking, window = make_ranking(plan, response, scored), min(len(scores), HITS)
    assert sorted(ranking.positions) == list(range(len(scores)))
    assert sorted(ranking.positions[:window]) == list(range(window))
    assert set(ranking.positions[: scored.read]) == set(engine.read[: scored.read])
    shown = shown_scores(ranking, scores)
    assert len(shown) == len(scores)
    assert shown == sorted(shown, reverse=True)
    assert all(np.isfinite(shown))
    assert min(shown) >= 0


def test_an_explanation_says_of_each_hit_whether_it_was_read_and_adds_up() -> None:
    settings = with_cascade()
    response = numbered()
    plan, scored = rerank(Estimating(falling, estimate=rising, depth=12), settings, response, size=HITS)
    told = explain_ranking(plan, response, scored)
    assert (told["window"], told["depth"]) == (HITS, 12)
    assert [hit["read"] for hit in told["hits"]] == [True] * 12 + [False] * (HITS - 12)
    for hit in told["hits"]:
        number = int(hit["document_text"][1:])
        expected = falling(number) if hit["read"] else rising(number)
        assert hit["features"]["cross_encoder"] == pytest.approx(expected, abs=1e-6)
        assert sum(hit["contributions"].values()) == pytest.approx(hit["fused_score"], abs=2e-6)
