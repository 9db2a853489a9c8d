"""Labels of behaviour: clicks where few look count more, little evidence counts little, silence is counted."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from middleware.learning.groups.behaviour_bias import Examination
from middleware.learning.groups.behaviour_labels import label_queries
from middleware.learning.groups.behaviour_log import BehaviourOptions, SearchSeen, Shown

HALVED = Examination(np.array([1.0, 0.5, 0.25]), "harvested")


def shown(*rewards):
    return [Shown(f"d{place}", place, reward) for place, reward in enumerate(rewards, start=1)]


def test_inverse_propensity_scoring_by_hand():
    """Four pages; d1 earns 2 x 0.5 / 1 = 1, d2 1 x 0.5 / 0.5 = 1, d3 1 x 1 / 0.25 = 4; a mean of 6 / 12 = 0.5.

    With one impression of it more: (1 + 0.5) / 5, (1 + 0.5) / 5 and (4 + 0.5) / 5; relative to the best 1/3, 1/3, 1.
    """
    pages = [shown(0.5, 0, 0), shown(0.5, 0.5, 0), shown(0, 0, 1), shown(0, 0, 0)]
    searches = [SearchSeen("red lamp", page) for page in pages]
    (query,) = label_queries(searches, HALVED, BehaviourOptions(smoothing=1.0), Counter())
    assert query.query_text == "red lamp"
    assert query.targets == pytest.approx({"d1": 1 / 3, "d2": 1 / 3, "d3": 1.0})
    assert query.weight == pytest.approx(4 / 9)


def test_spellings_of_a_query_are_one_and_the_most_frequent_is_kept():
    searches = [SearchSeen(text, shown(1, 0)) for text in ("TV", "tv", "tv")]
    (query,) = label_queries(searches, HALVED, BehaviourOptions(), Counter())
    assert query.query_text == "tv"
    assert query.weight == pytest.approx(3 / 8)


def test_queries_that_nobody_acted_on_are_counted():
    dropped = Counter()
    searches = [SearchSeen("lamp", shown(0, 0)), SearchSeen("tv", shown(1, 0)), SearchSeen("tv", shown(0, 0))]
    assert [query.query_text for query in label_queries(searches, HALVED, BehaviourOptions(), dropped)] == ["tv"]
    assert dropped["logged queries that nobody acted on"] == 1


def test_a_single_click_on_a_page_shown_once_does_not_beat_a_steady_one():
    often = [SearchSeen("tv", [Shown("steady", 1, float(n % 2))]) for n in range(100)]
    searches = [*often, SearchSeen("tv", [Shown("once", 1, 1.0)])]
    (query,) = label_queries(searches, HALVED, BehaviourOptions(smoothing=10.0), Counter())
    assert query.targets["once"] < 1.2 * query.targets["steady"]


def test_labels_recover_relevance_that_raw_clicks_hide():
    """The best document stands third and gets fewer clicks than the first: corrected, it comes out best."""
    rng = np.random.default_rng(5)
    relevance = np.array([0.5, 0.3, 0.9])
    searches = []
    for _ in range(4000):
        clicks = rng.random(3) < relevance * HALVED.propensities
        searches.append(SearchSeen("q", shown(*map(float, clicks))))
    (query,) = label_queries(searches, HALVED, BehaviourOptions(), Counter())
    assert [query.targets[f"d{n}"] for n in (1, 2, 3)] == pytest.approx(relevance / 0.9, abs=0.06)
