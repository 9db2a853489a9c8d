"""Each loss of a group against an example small enough to be worked by hand."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

from middleware.errors import ConfigError  # noqa: E402
from middleware.learning.reranker.losses import make_group_loss  # noqa: E402
from middleware.learning.reranker.recipe import LOSSES, Recipe  # noqa: E402

LN3, LN7 = math.log(3), math.log(7)


def loss_of(logits, targets, **recipe) -> float:
    return make_group_loss(Recipe(**recipe))(torch.tensor(logits), torch.tensor(targets)).item()


def test_ranknet_is_the_mean_cross_entropy_of_the_ordered_pairs():
    """Burges et al. 2005: C = log(1 + exp(-(s_i - s_j))) where i should be above j.

    Scores 2, 1, 0 with targets 1, 0, 0.5: differences 0>1: 1, 0>2: 2, 2>1: -1.
    (0.313262 + 0.126928 + 1.313262) / 3 = 0.584484.
    """
    assert loss_of([2.0, 1.0, 0.0], [1.0, 0.0, 0.5], loss="ranknet") == pytest.approx(0.584484, abs=1e-5)


def test_listnet_is_the_cross_entropy_of_the_top_one_probabilities():
    """Cao et al. 2007: P(j) = exp(y_j) / sum exp(y); L = -sum P_y(j) log P_z(j).

    Targets 1, 0: e / (e + 1) = 0.731059 and 0.268941. Scores 0, ln 3: 1/4 and 3/4.
    0.731059 ln 4 + 0.268941 ln(4/3) = 1.013463 + 0.077369 = 1.090833.
    """
    assert loss_of([0.0, LN3], [1.0, 0.0], loss="listnet", target_scale=1.0) == pytest.approx(1.090833, abs=1e-5)


def test_listnet_reads_targets_as_grades():
    """With grades 0 and ln 3: probabilities 1/4 and 3/4 on both sides, and the loss is their entropy, 0.562335."""
    assert loss_of([0.0, LN3], [0.0, 1.0], loss="listnet", target_scale=LN3) == pytest.approx(0.562335, abs=1e-5)


def test_listmle_is_the_likelihood_of_the_true_order():
    """Xia et al. 2008: L = -log prod_i exp(s_i) / sum_{k >= i} exp(s_k), i and k in the true order.

    Targets 0.5, 1, 0 with scores ln 2, 0, ln 3: the order is 1, 0, 2 with exp(s) 1, 2, 3:
    1/6 · 2/5 · 3/3 = 1/15, -log of it ln 15 = 2.708050, over three documents 0.902683.
    """
    found = loss_of([math.log(2), 0.0, LN3], [0.5, 1.0, 0.0], loss="listmle")
    assert found == pytest.approx(0.902683, abs=1e-5)


def test_lambdaloss_weighs_pairs_by_ndcg_loss_2_plus_plus():
    """Wang et al. 2018: sum over pairs of (ρ + 10 δ) |G_i - G_j| log2(1 + exp(-(s_i - s_j))), here their mean.

    Grades 2, 0, 1, so gains 3, 0, 1; maxDCG = 3 + 1/log2 3 = 3.630930; G = 0.826235, 0, 0.275412.
    Scores 0, ln 3, ln 7 put them at ranks 3, 2, 1; 1/D: 1, 0.630930, 0.5.
    0>1: ρ = 0.130930, δ(1) = 0.369070; weight 3.821633 · 0.826235 = 3.157566; log2(1 + 3) = 2
    0>2: ρ = 0.5, δ(2) = 0.130930; weight 1.809298 · 0.550823 = 0.996604; log2(1 + 7) = 3
    2>1: ρ = δ(1) = 0.369070; weight 4.059773 · 0.275412 = 1.118108; log2(1 + 3/7) = 0.514573
    (6.315132 + 2.989811 + 0.575348) / 3 = 3.293430.
    """
    found = loss_of([0.0, LN3, LN7], [1.0, 0.0, 0.5], loss="lambdaloss", target_scale=2.0)
    assert found == pytest.approx(3.293430, abs=1e-4)


def test_margin_mse_is_the_mean_over_all_pairs_of_documents():
    """Hofstätter et al. 2020. Student 1, 0, 2; teacher's logits 2, 0, 0: margins

    0-1: 1 and 2, 0-2: -1 and 2, 1-2: -2 and 0; squares 1, 9, 4, mean 14/3.
    """
    assert loss_of([1.0, 0.0, 2.0], [1 / (1 + math.exp(-2)), 0.5, 0.5], loss="margin-mse") == pytest.approx(14 / 3)


def test_kl_compares_the_distributions_over_the_group():
    """Teacher's logits alike: 1/2 each; student's 0, ln 3: 1/4 and 3/4. ½ ln 2 + ½ ln(2/3) = 0.143841.

    At temperature 2 the student's are 0, ln √3: 0.366025 and 0.633975, times 2².
    """
    assert loss_of([0.0, LN3], [0.7, 0.7], loss="kl") == pytest.approx(0.143841, abs=1e-5)
    expected = 4 * (0.5 * math.log(0.5 / 0.366025) + 0.5 * math.log(0.5 / 0.633975))
    assert loss_of([0.0, LN3], [0.7, 0.7], loss="kl", temperature=2.0) == pytest.approx(expected, abs=1e-4)


def test_bce_is_the_cross_entropy_of_soft_targets():
    """Logit ln 3 is 0.75: -(0.5 ln 0.75 + 0.5 ln 0.25) = 0.836988."""
    assert loss_of([LN3], [0.5], loss="bce") == pytest.approx(0.836988, abs=1e-5)


def test_kl_bce_adds_half_the_cross_entropy_of_each_document():
    """KL as above, 0.143841. BCE of logits 0, ln 3 to 0.5, 0.5: ln 2 = 0.693147 and 0.836988, mean 0.765068, half it.

    At temperature 2 the KL alone is another.
    """
    assert loss_of([0.0, LN3], [0.5, 0.5], loss="kl-bce") == pytest.approx(0.143841 + 0.382534, abs=1e-5)
    kl = loss_of([0.0, LN3], [0.5, 0.5], loss="kl", temperature=2.0)
    assert loss_of([0.0, LN3], [0.5, 0.5], loss="kl-bce", temperature=2.0) == pytest.approx(kl + 0.382534, abs=1e-5)


def test_kl_bce_feels_a_constant_that_kl_does_not():
    for loss, changes in (("kl", False), ("kl-bce", True)):
        here, there = (loss_of([add, LN3 + add], [0.25, 0.75], loss=loss) for add in (-LN3, 2.0))
        assert (there > here + 0.1) == changes


@pytest.mark.parametrize("name", LOSSES)
def test_no_loss_is_less_in_the_wrong_order_and_gradients_lead_to_the_right_one(name):
    targets = torch.tensor([0.9, 0.1, 0.5, 0.5])
    logits = torch.zeros(4, requires_grad=True)
    loss = make_group_loss(Recipe(loss=name))
    before = loss(logits, targets)
    before.backward()
    with torch.no_grad():
        after = loss(logits - 0.1 * logits.grad, targets)
    assert logits.grad[0] < 0 < logits.grad[1]
    assert after < before


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"bce"}))
def test_hard_labels_and_a_single_document_give_a_finite_loss(name):
    loss = make_group_loss(Recipe(loss=name))
    assert math.isfinite(loss(torch.tensor([30.0, -30.0]), torch.tensor([0.0, 1.0])).detach())
    assert math.isfinite(loss(torch.tensor([3.0]), torch.tensor([1.0])).detach())


def test_an_unknown_loss_is_refused_with_the_names_of_all():
    with pytest.raises(ConfigError, match=r"^loss: 'hinge': name one of bce, ranknet"):
        Recipe(loss="hinge")
