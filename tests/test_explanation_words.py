"""Occlusion finds the words that a model goes by, and says where it ran out of time."""

from __future__ import annotations

import time

import numpy as np
import pytest

from middleware.errors import BackendError, DeadlineExceeded
from middleware.explanation.words import explain_words, leave_one_out

FAR = 60.0


class Counting:
    """Scores a pair by its words in common, each as much as `worth` says; the first `known` pairs in all."""

    def __init__(self, worth, known=10_000, error=None):
        self.worth, self.known, self.error, self.asked = worth, known, error, []

    def score_many(self, queries, *, budget_ms):
        if self.error:
            raise self.error
        self.asked.append(queries)
        found = []
        for query, texts in queries:
            shared = [set(query.lower().split()) & set(text.lower().split()) for text in texts[: self.known]]
            self.known -= len(shared)
            found.append(np.array([sum(self.worth.get(word, 0.0) for word in words) for words in shared]))
        return found


def explain(scorer, query, *passages, seconds=FAR):
    return explain_words(scorer, query, passages, time.monotonic() + seconds)


def test_what_a_word_adds_is_what_the_score_loses_without_it() -> None:
    scorer = Counting({"red": 0.5, "phone": 0.25})
    told = explain(scorer, "red phone cheap", "A Red phone with a red case")
    assert told["score"] == 0.75
    assert told["complete"]
    assert told["query"] == [
        {"word": "red", "effect": 0.5},
        {"word": "phone", "effect": 0.25},
        {"word": "cheap", "effect": 0.0},
    ]
    # A word goes wherever it stands: without one Red alone nothing would change.
    assert told["product"][:2] == [{"word": "Red", "effect": 0.5}, {"word": "phone", "effect": 0.25}]
    assert {each["word"] for each in told["product"]} == {"A", "Red", "phone", "with", "case"}
    assert len(scorer.asked) == 2  # all words in one go


def test_a_word_that_lowers_the_score_is_told_too() -> None:
    told = explain(Counting({"red": 0.5, "case": -0.4}), "red case", "red case")
    assert told["product"] == [{"word": "red", "effect": 0.5}, {"word": "case", "effect": -0.4}]


def test_of_several_passages_the_best_one_is_explained() -> None:
    told = explain(Counting({"red": 0.5}), "red", "blue shoe", "red shoe")
    assert told["product"][0] == {"word": "red", "effect": 0.5}


@pytest.mark.parametrize(("known", "words"), [(1, 0), (3, 2), (4, 3)])
def test_without_time_for_all_words_those_that_were_tried_are_told(known, words) -> None:
    told = explain(Counting({"red": 0.5}, known), "red", "red shoe size nine")
    assert (len(told["product"]), told["complete"]) == (words, False)


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), BackendError("NaN")])
def test_a_model_that_fails_or_is_late_explains_nothing(error) -> None:
    assert explain(Counting({}, error=error), "red", "red") is None
    assert explain(Counting({}), "red", "red", seconds=-1) is None
    assert explain(Counting({}, known=0), "red", "red") is None


def test_words_are_told_apart_in_any_script_and_kept_whole() -> None:
    assert leave_one_out("WH-1000XM4, by Sony's") == {
        "WH-1000XM4": ", by Sony's",
        "by": "WH-1000XM4, Sony's",
        "Sony's": "WH-1000XM4, by",
    }
    assert list(leave_one_out("华为无线耳机 Pro")) == ["华为", "无线", "耳机", "Pro"]
    assert leave_one_out("Café cafe") == {"Café": ""}
    assert leave_one_out("!?") == {}


def test_long_texts_cost_no_more_than_64_words() -> None:
    assert len(leave_one_out(" ".join(f"w{number}" for number in range(500)))) == 64
