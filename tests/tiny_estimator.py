"""An estimator with random tables: as good as chance, so that what must hold whatever it says can be tested."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tiny_model import WORDS

from middleware.rerank.estimator_file import DOCUMENT_TOKENS, FEATURES, EstimatorFile


def word_tokenizer(words: Sequence[str] = tuple(WORDS)) -> str:
    """A tokenizer of whole words, as the package `tokenizers` writes it; whatever else there is, is one token."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(["[UNK]", *words]))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    return str(tokenizer.to_str())


def random_estimator(tokenizer: str | None = None, *, depth: int = 5, seed: int = 0) -> EstimatorFile:
    """Tables of 16 dimensions for every token; residuals of every size that rise with their quantile."""
    from tokenizers import Tokenizer

    tokenizer = tokenizer or word_tokenizer()
    count, rng = Tokenizer.from_str(tokenizer).get_vocab_size(), np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 16))
    return EstimatorFile(
        vectors=(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32),
        query_weights=rng.uniform(0.1, 3, count).astype(np.float32),
        document_weights=rng.normal(size=count).astype(np.float32),
        positions=rng.normal(size=DOCUMENT_TOKENS).astype(np.float32),
        linear=rng.normal(size=len(FEATURES)),
        bias=float(rng.normal()),
        edges=np.sort(rng.normal(size=3)),
        residuals=np.sort(rng.normal(size=(4, 11)), axis=1),
        depth=depth,
        tokenizer=tokenizer,
        made_of={"model": "chance"},
    )


def save_estimator_for(model: Path, path: Path) -> Path:
    """One for a saved model, with its own tokenizer."""
    random_estimator((model / "tokenizer.json").read_text(encoding="utf-8")).save(path)
    return path
