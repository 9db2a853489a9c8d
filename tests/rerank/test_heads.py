"""Logits to scores: by the head's labels and the model's own activation."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from middleware.errors import ModelUnavailable
from middleware.rerank.heads import ACTIVATIONS, read_head

LOGITS = np.linspace(-5, 5, 11)[:, None]


def test_a_single_label_is_a_sigmoid_when_the_model_says_nothing():
    scores = read_head({"id2label": {"0": "LABEL_0"}}).scores(LOGITS)
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-LOGITS[:, 0])), atol=1e-12)


def test_identity_is_squashed_into_zero_to_one():
    head = read_head(
        {"id2label": {"0": "x"}, "sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}
    )
    scores = head.scores(LOGITS)
    assert head.activation == "Identity"
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-LOGITS[:, 0])), atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_known_activation_keeps_the_order_and_stays_in_zero_to_one(name):
    scores = ACTIVATIONS[name](np.linspace(-300, 300, 601))
    assert np.all(np.diff(scores) >= 0)
    assert scores.min() >= 0
    assert scores.max() <= 1
    assert scores[310] > scores[301] > scores[290] or name == "ReLU"


def test_two_labels_give_the_softmax_probability_of_the_second():
    logits = np.array([[0.0, 2.0], [3.0, -1.0], [1.0, 1.0]])
    expected = np.exp(logits[:, 1]) / np.exp(logits).sum(axis=1)
    np.testing.assert_allclose(read_head({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}).scores(logits), expected)


def test_two_labels_follow_the_label_that_is_named_relevant():
    logits = np.array([[4.0, 0.0]])
    named = read_head({"id2label": {"0": "Relevant", "1": "irrelevant"}})
    assert named.scores(logits)[0] > 0.9


def test_the_newest_place_of_the_activation_wins():
    config = {"id2label": {"0": "x"}, "sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Tanh"}}
    assert read_head(config).activation == "Tanh"
    assert read_head(config, {"activation_fn": "torch.nn.modules.linear.Identity"}).activation == "Identity"


def test_an_unknown_activation_is_not_imported_but_warned_about(caplog):
    with caplog.at_level(logging.WARNING):
        head = read_head({"id2label": {"0": "x"}, "sbert_ce_default_activation_function": "os.system"})
    assert head.activation == "Sigmoid"
    assert "os.system" in caplog.text


def test_more_than_two_labels_are_refused():
    with pytest.raises(ModelUnavailable, match="3 labels"):
        read_head({"id2label": {"0": "a", "1": "b", "2": "c"}})
