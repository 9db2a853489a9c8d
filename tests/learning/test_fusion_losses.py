"""The losses of a fusion model, each against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

from middleware.learning.fusion.losses import LOSSES, lambda_loss, listnet, ranknet

torch = pytest.importorskip("torch")


def tensors(*rows):
    return [torch.tensor(row, dtype=torch.double) for row in rows]


def test_ranknet_is_the_mean_of_its_pairs():
    scores, targets, weights = tensors([2.0, 1.0, 0.0], [0.0, 1.0, 0.5], [1.0, 1.0, 1.0])
    # second before first: log(1 + e^(2-1)); second before third: log(1 + e^(0-1)); third before first: log(1 + e^(2-0))
    pairs = [math.log1p(math.e), math.log1p(math.exp(-1)), math.log1p(math.exp(2))]
    assert float(ranknet(scores, targets, weights)) == pytest.approx(sum(pairs) / 3)


def test_a_pair_with_an_unjudged_hit_weighs_as_little_as_it():
    scores, targets, weights = tensors([0.0, 0.0, math.log(3)], [1.0, 0.0, 0.0], [1.0, 1.0, 0.25])
    # log 2 for the judged pair, log(1 + 3) for the other, at 1 and 0.25
    assert float(ranknet(scores, targets, weights)) == pytest.approx((math.log(2) + 0.25 * math.log(4)) / 1.25)


def test_lambda_weighs_a_pair_by_what_its_exchange_does_to_dcg():
    scores, targets, weights = tensors([2.0, 1.0, 0.0], [0.0, 1.0, 0.5], [1.0, 1.0, 1.0])
    # discounts 1, 1 / log2(3) and 1/2; the exchanges of the second with the first and with the third, and of the third
    # with the first, are worth |difference of gains| * |difference of discounts|
    first, second, third = 1, 1 / math.log2(3), 0.5
    worth = [1.0 * (first - second), 0.5 * (second - third), 0.5 * (first - third)]
    pairs = [math.log1p(math.e), math.log1p(math.exp(-1)), math.log1p(math.exp(2))]
    expected = sum(w * pair for w, pair in zip(worth, pairs, strict=True)) / sum(worth)
    assert float(lambda_loss(scores, targets, weights, scores)) == pytest.approx(expected)
    first_round = float(lambda_loss(scores, targets, weights))
    assert first_round == pytest.approx(float(ranknet(scores, targets, weights)))


def test_lambda_cares_for_the_top_most():
    scores, targets, weights = tensors([0.0, 1.0, 2.0], [1.0, 0.0, 0.0], [1.0] * 3)
    (before,) = tensors([1.0, 0.0, 2.0])
    # the relevant one stands second: the exchange with the one before it counts more than with the one behind it
    above, behind = 1 - 1 / math.log2(3), 1 / math.log2(3) - 0.5
    expected = (above * math.log1p(math.exp(2)) + behind * math.log1p(math.e)) / (above + behind)
    assert above > behind
    assert float(lambda_loss(scores, targets, weights, before)) == pytest.approx(expected)


def test_listnet_is_the_cross_entropy_with_the_softmax():
    scores, targets, weights = tensors([math.log(2), 0.0, 0.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0])
    # softmax 1/2, 1/4, 1/4; targets' shares 1/2, 0, 1/2
    assert float(listnet(scores, targets, weights)) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(4))


def test_a_hit_of_weight_w_is_w_hits_for_listnet():
    scores, targets, weights = tensors([0.0, math.log(6)], [1.0, 0.0], [1.0, 0.5])
    assert float(listnet(scores, targets, weights)) == pytest.approx(math.log(4))  # 1 / (1 + 0.5 * 6)
    without = tensors([0.0, 9.0], [1.0, 0.0], [1.0, 0.0])
    assert float(listnet(*without)) == pytest.approx(0)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_where_all_targets_are_equal_there_is_nothing_to_learn(loss):
    for target in (0.0, 1.0):
        scores, targets, weights = tensors([1.0, 0.0, -1.0], [target] * 3, [1.0, 1.0, 0.1])
        scores.requires_grad_(True)
        value = loss(scores, targets, weights, scores.detach())
        value.backward()
        assert value.item() == 0
        assert scores.grad.tolist() == [0, 0, 0]


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_a_step_down_the_slope_brings_the_relevant_up(loss):
    scores, targets, weights = tensors([1.0, 0.0, -1.0, 0.5], [0.0, 0.0, 1.0, 0.5], [1.0, 0.3, 1.0, 1.0])
    scores.requires_grad_(True)
    loss(scores, targets, weights, scores.detach()).backward()
    assert scores.grad[2] < 0 < scores.grad[0]
    assert scores.grad[1] > 0
    assert float(scores.grad.sum()) == pytest.approx(0, abs=1e-12)  # only differences count
