"""Everything that decides what comes out of a reranker's training but for the data, to be kept beside the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from middleware.errors import ConfigError

Loss = Literal["bce", "ranknet", "listnet", "listmle", "lambdaloss", "margin-mse", "kl", "kl-bce"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]

LOSSES: tuple[str, ...] = get_args(Loss)
NEED_AN_ORDER = frozenset({"ranknet", "listmle", "lambdaloss"})
"""They learn from which document is better: a group whose targets are all alike tells them nothing."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a reranker is trained.

    `base`: hub name or folder; None: the starter weights. `layers`: of a base with more, so many are kept, evenly
    spaced. `new_head`: None where it depends on whether the base has one label already. `new_tokens`: the first token
    id that the base's maker added; these words are trained even where the others are frozen.

    `batch_size`: pairs of one step, of all processes together; with a loss over groups, whole groups of that many
    documents. `accumulation`: steps of one update. `group_limit`: of a larger group so many documents are drawn anew
    each epoch. Rates rise for `warm_up_share` of the updates, then fall linearly; `new_weights_rate` is for what the
    base did not have. `frozen_layers` of the encoder, from its input on, stay as they are, and so do the words'
    vectors where `frozen_words`.

    `checks_per_epoch`: how often the held-out nDCG@10 is taken and a checkpoint kept; the training ends after
    `patience` checks without a better one, and the best is what is kept. `target_scale`: the grade that target 1 is,
    for the losses with exponential gains (listnet, lambdaloss). `temperature`: of teacher and student in kl and kl-bce.
    """

    base: str | None = None
    layers: int | None = None
    new_head: bool | None = None
    new_tokens: int | None = None
    loss: Loss = "bce"
    epochs: int = 1
    batch_size: int = 32
    accumulation: int = 1
    group_limit: int = 32
    learning_rate: float = 1e-4
    new_weights_rate: float = 1e-3
    warm_up_share: float = 0.1
    weight_decay: float = 0.01
    dropout: float = 0.0
    max_tokens: int = 128
    frozen_layers: int = 1
    frozen_words: bool = True
    checks_per_epoch: int = 4
    patience: int = 4
    target_scale: float = 4.0
    temperature: float = 1.0
    precision: Precision = "auto"
    seed: int = 12

    def __post_init__(self) -> None:
        for name, value, is_good, remedy in (
            ("loss", self.loss, self.loss in LOSSES, f"name one of {', '.join(LOSSES)}"),
            ("precision", self.precision, self.precision in get_args(Precision), "auto, fp32, bf16 or fp16"),
            ("epochs", self.epochs, self.epochs >= 1, "give 1 or more"),
            ("batch size", self.batch_size, self.batch_size >= 1, "give 1 or more"),
            ("accumulation", self.accumulation, self.accumulation >= 1, "give 1 or more"),
            ("group limit", self.group_limit, self.group_limit >= 2, "give 2 or more"),
            ("max tokens", self.max_tokens, self.max_tokens >= 8, "give 8 or more"),
            ("dropout", self.dropout, 0 <= self.dropout < 1, "give 0 or more, and less than 1"),
            ("checks per epoch", self.checks_per_epoch, self.checks_per_epoch >= 1, "give 1 or more"),
            ("patience", self.patience, self.patience >= 1, "give 1 or more"),
            ("layers", self.layers, self.layers is None or self.layers >= 1, "give 1 or more"),
        ):
            if not is_good:
                raise ConfigError(name, value, remedy)

    @property
    def over_groups(self) -> bool:
        """Whether the loss is of a whole group, and not of a pair alone."""
        return self.loss != "bce"
