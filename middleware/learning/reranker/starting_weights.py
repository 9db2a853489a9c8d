"""What a training starts from: any encoder with a single-label head on it, cut to fewer layers for a student."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from middleware.errors import CommandError, RerankError
from middleware.learning.reranker.recipe import Recipe
from middleware.learning.starter import open_head, starter_folder
from middleware.rerank.backends.source import checked_source, import_transformers, unloadable

_DROPOUTS = frozenset(
    {"hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout", "dropout", "attention_dropout"}
    | {"seq_classif_dropout", "embedding_dropout", "mlp_dropout", "hidden_dropout", "pooler_dropout"}
)
"""What the architectures' configurations call it."""


def open_base(recipe: Recipe) -> Any:
    """The base as a sentence-transformers CrossEncoder with one label; `.new_head` says whether its head is untrained.

    Raises CommandError where it cannot be loaded or has fewer layers than wanted.
    """
    try:
        transformers = import_transformers("train")
        import sentence_transformers
        import torch
    except (ImportError, RerankError) as error:
        raise CommandError(f"{error}; pip install 'es-rerank[train]'") from error
    torch.manual_seed(recipe.seed)  # a head that is new starts at random
    source = recipe.base or str(starter_folder())
    try:
        name = checked_source(source)
        config = transformers.AutoConfig.from_pretrained(name)
        model = sentence_transformers.CrossEncoder(
            name,
            device="cpu",
            num_labels=1,
            model_kwargs={"use_safetensors": True, "ignore_mismatched_sizes": True, "dtype": torch.float32},
            config_kwargs={key: recipe.dropout for key in _DROPOUTS if hasattr(config, key)},
        )
    except RerankError as error:
        raise CommandError(error.reason) from error
    except Exception as error:  # three libraries meet here, each with its own errors
        raise CommandError(unloadable(source, error).reason) from error
    model.activation_fn = torch.nn.Sigmoid()
    for key in ("sentence_transformers", "sbert_ce_default_activation_function"):
        model.model.config.__dict__.pop(key, None)  # one label and no word of an activation: the sigmoid
    _shape(torch, model, config, recipe)
    return model


def _shape(torch: Any, model: Any, config: Any, recipe: Recipe) -> None:
    if recipe.layers is not None:
        keep_layers(model.model, recipe.layers)
    has_head = str((config.architectures or [""])[0]).endswith("ForSequenceClassification") and config.num_labels == 1
    model.new_head = not has_head if recipe.new_head is None else recipe.new_head
    pooler = getattr(getattr(model.model.base_model, "pooler", None), "dense", None)
    if model.new_head and pooler is not None and isinstance(getattr(model.model, "classifier", None), torch.nn.Linear):
        with torch.no_grad():
            open_head(torch, model.model)
    if model.tokenizer.pad_token is None:
        model.tokenizer.pad_token = model.tokenizer.eos_token
    model.model.config.pad_token_id = model.tokenizer.pad_token_id


def keep_layers(model: Any, count: int) -> list[int]:
    """Cut a model to `count` of its n layers, evenly spaced from first to last; returns which were kept.

    For 12 layers and 6 these are 0, 2, 4, 7, 9 and 11, as DistilBERT's authors took them (Sanh et al., DistilBERT, a
    distilled version of BERT, 2019; also Sun et al., Patient Knowledge Distillation for BERT, EMNLP 2019). Raises
    CommandError where there are fewer.
    """
    holder, name, layers = _find_layers(model)
    if count > len(layers):
        raise CommandError(f"the base has {len(layers)} layers; give --layers {len(layers)} or fewer")
    kept = [int(place) for place in np.linspace(0, len(layers) - 1, count).round()] if count > 1 else [len(layers) - 1]
    setattr(holder, name, type(layers)([layers[place] for place in kept]))
    config = model.config
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[place] for place in kept]
    config.num_hidden_layers = count
    return kept


def layers_of(model: Any) -> Sequence[Any]:
    """The encoder's layers, from its input on. Raises CommandError for an architecture without."""
    _, _, layers = _find_layers(model)
    found: Sequence[Any] = layers
    return found


def _find_layers(model: Any) -> tuple[Any, str, Any]:
    import torch

    for module in model.base_model.modules():
        for name, child in module.named_children():
            if isinstance(child, torch.nn.ModuleList) and len(child) == model.config.num_hidden_layers:
                return module, name, child
    raise CommandError(f"{type(model).__name__}: where its layers are is not known; give another base")


class TrainedParts:
    """Which of a base's weights are trained, and in which of two groups; the others are frozen.

    Where the words are frozen but for those that the base's maker added, these are split off for the time of training:
    a gradient of the whole matrix, mostly zeros, would cost more than the rest of a step's update.
    """

    def __init__(self, cross_encoder: Any, recipe: Recipe) -> None:
        self._model = cross_encoder.model
        self._words = self._model.get_input_embeddings()
        self._known = recipe.new_tokens
        self._freeze(recipe)
        self._split = self._split_words() if recipe.frozen_words and self._known is not None else None
        head = [parameter for name, parameter in self._model.named_parameters() if _is_head(name)]
        self._new = [parameter for parameter in head if cross_encoder.new_head and parameter.requires_grad]
        self._new += [self._split.added] if self._split else []

    @property
    def counts(self) -> tuple[int, int]:
        """Of all parameters of the model, and of those that are trained."""
        frozen = self._split.fixed[: self._known].numel() if self._split else 0
        sizes = [(each.numel(), each.requires_grad) for each in self._model.parameters()]
        return frozen + sum(size for size, _ in sizes), sum(size for size, is_trained in sizes if is_trained)

    def groups(self, recipe: Recipe) -> list[dict[str, Any]]:
        """For AdamW: decayed matrices and the rest at `learning_rate`, what is new at its own rate, never decayed."""
        new = {id(parameter) for parameter in self._new}
        old = [each for each in self._model.parameters() if each.requires_grad and id(each) not in new]
        matrices, vectors = ([each for each in old if (each.ndim > 1) == is_matrix] for is_matrix in (True, False))
        groups = [
            {"params": matrices, "lr": recipe.learning_rate, "weight_decay": recipe.weight_decay},
            {"params": vectors, "lr": recipe.learning_rate, "weight_decay": 0.0},
            {"params": self._new, "lr": recipe.new_weights_rate, "weight_decay": 0.0},
        ]
        return [group for group in groups if group["params"]]

    def state(self) -> dict[str, Any]:
        """The trained weights by name, for a checkpoint: what is frozen is in the base."""
        return {name: each.detach() for name, each in self._model.named_parameters() if each.requires_grad}

    def load(self, state: dict[str, Any]) -> None:
        """What `state` gave."""
        import torch

        with torch.no_grad():
            for name, parameter in self._model.named_parameters():
                if parameter.requires_grad:
                    parameter.copy_(state[name])

    def put_back(self) -> None:
        """One matrix of words again, ready to be saved."""
        if self._split:
            self._words.weight.data[self._known :] = self._split.added.data
            self._model.set_input_embeddings(self._words)

    def _freeze(self, recipe: Recipe) -> None:
        layers = layers_of(self._model)
        if recipe.frozen_layers:
            embeddings = getattr(self._model.base_model, "embeddings", self._words)
            for frozen in (embeddings, *list(layers)[: recipe.frozen_layers]):
                frozen.requires_grad_(False)
        self._words.requires_grad_(not recipe.frozen_words)

    def _split_words(self) -> Any:
        import torch

        original, known = self._words.weight, self._known

        class Split(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.register_buffer("fixed", original.data, persistent=False)
                self.added = torch.nn.Parameter(original.data[known:].clone())

            def forward(self, ids: Any) -> Any:
                fixed = torch.nn.functional.embedding(ids, self.get_buffer("fixed"))
                added = torch.nn.functional.embedding((ids - known).clamp(min=0), self.added)
                return torch.where((ids >= known).unsqueeze(-1), added, fixed)

        split = Split()
        self._model.set_input_embeddings(split)
        return split


def _is_head(name: str) -> bool:
    return any(part in ("pooler", "classifier", "pre_classifier", "score", "head") for part in name.split("."))
