"""What is wrong with a model's scores of a group, as one number: eight losses behind one switch.

RankNet (Burges et al., Learning to Rank using Gradient Descent, ICML 2005), ListNet (Cao et al., Learning to Rank:
From Pairwise Approach to Listwise Approach, ICML 2007), ListMLE (Xia et al., Listwise Approach to Learning to Rank,
ICML 2008) and LambdaLoss with NDCG-Loss2++ (Wang et al., The LambdaLoss Framework for Ranking Metric Optimization,
CIKM 2018) are sentence-transformers' own, given logits that are there already: the library would tokenise every pair
anew at every step, pad a batch to its longest, and let a group of many pairs count more than its weight says.
Margin-MSE and KL teach a student what a teacher says of a group of any size; the library's margin-MSE wants the same
number of documents in all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from middleware.learning.reranker.recipe import Recipe

GroupLoss = Callable[[Any, Any], Any]
"""Logits and targets of a group's n documents, each a float tensor of shape (n,), to its loss, of shape ()."""

LARGEST_LOGIT = 10.0
"""A teacher's score of 0 or 1 counts as sigmoid(∓10): its logit has no end."""


def make_group_loss(recipe: Recipe) -> GroupLoss:
    """The loss of one group that `recipe.loss` names; targets are in [0, 1]."""
    import torch
    from sentence_transformers.cross_encoder import losses

    if recipe.loss == "bce":
        return torch.nn.functional.binary_cross_entropy_with_logits
    if recipe.loss == "margin-mse":
        return margin_mse
    if recipe.loss == "kl":
        return lambda logits, targets: kl(logits, targets, recipe.temperature)
    if recipe.loss == "kl-bce":
        return lambda logits, targets: kl_and_bce(logits, targets, recipe.temperature)
    given, whole = _given(), {"mini_batch_size": -1}
    if recipe.loss == "ranknet":
        return _of_library(losses.RankNetLoss(given, reduction_log="natural", **whole))
    if recipe.loss == "listnet":
        return _of_library(losses.ListNetLoss(given, **whole), recipe.target_scale)
    if recipe.loss == "lambdaloss":
        return _of_library(losses.LambdaLoss(given, **whole), recipe.target_scale)
    # It is the sum over a group's places; by document, large groups count no more than small ones.
    list_mle = _of_library(losses.ListMLELoss(given, respect_input_order=False, **whole))
    return lambda logits, targets: list_mle(logits, targets) / len(logits)


def margin_mse(logits: Any, targets: Any) -> Any:
    """The mean, over all pairs of documents, of the squared difference between the student's margin and the teacher's.

    Hofstätter et al., Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation, 2020,
    where a query has one pair; the margins are of logits. Over all n (n - 1) / 2 pairs of d = student - teacher the
    mean of (d_i - d_j)² is 2 n / (n - 1) times d's variance.
    """
    differences = logits - teacher_logits(targets)
    return 2 * differences.var() if len(differences) > 1 else 0 * differences.sum()


def kl(logits: Any, targets: Any, temperature: float = 1.0) -> Any:
    """Kullback-Leibler divergence of the student's distribution over a group from the teacher's, times temperature².

    Both are softmax(logits / temperature): Hinton et al., Distilling the Knowledge in a Neural Network, 2015, over a
    list as in ListNet.
    """
    import torch

    student = torch.log_softmax(logits / temperature, dim=0)
    teacher = torch.log_softmax(teacher_logits(targets) / temperature, dim=0)
    return (teacher.exp() * (teacher - student)).sum() * temperature**2


def kl_and_bce(logits: Any, targets: Any, temperature: float = 1.0) -> Any:
    """`kl` + half the mean binary cross-entropy: the first orders a group, the second keeps scores probabilities.

    KL alone does not feel a constant that is added to all of a group's logits, so its scores compare within a query
    alone. bce stays the default: after one epoch on 555 queries invented from Chorus, 12 hits each, nDCG@10 over the
    first 40 hits of the judged queries, unjudged ones as 0 and judged ones only, was 0.695 and 0.804 with it, 0.685 and
    0.793 with kl-bce; on 277 queries 0.677 and 0.789, 0.670 and 0.798, and 0.665 and 0.792 with kl.
    """
    import torch

    pointwise = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
    return kl(logits, targets, temperature) + 0.5 * pointwise


def teacher_logits(targets: Any) -> Any:
    """log(p / (1 - p)) of scores p in [0, 1], cut to ±LARGEST_LOGIT."""
    import torch

    return torch.logit(targets.double()).clamp(-LARGEST_LOGIT, LARGEST_LOGIT).to(targets.dtype)


def _of_library(loss: Any, target_scale: float = 1.0) -> GroupLoss:
    def of_group(logits: Any, targets: Any) -> Any:
        loss.model.logits = logits
        return loss([[""], [[""] * len(logits)]], [targets * target_scale])

    return of_group


def _given() -> Any:
    """A model to sentence-transformers' losses that has read the documents already."""
    import torch

    class Given(torch.nn.Module):
        num_labels = 1
        logits: Any = None

        @property
        def device(self) -> Any:
            return self.logits.device

        def preprocess(self, _pairs: Any, **_: Any) -> dict[str, Any]:
            return {}

        def forward(self, _tokens: Any) -> dict[str, Any]:
            return {"scores": self.logits}

    return Given()
