"""What an estimator has learned, in one file that needs nothing beside it: tables by token, weights, the tokenizer."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np
from numpy.typing import NDArray

from middleware.errors import ModelUnavailable
from middleware.rerank.backends import FloatArray
from middleware.search.json_text import replace_lone_surrogates

NAME = "es_rerank_estimator.npz"

FEATURES = ("first_stage", "reciprocal_rank", "length", "query_length", "late", "worst", "centre", "reverse")
"""`late`: the weighted mean over the query's tokens of their greatest similarity to a token of the document; `worst`:
the least of these; `centre`: the cosine of the weighted means of both; `reverse`: as `late`, from the document's."""

QUERY_TOKENS, DOCUMENT_TOKENS = 24, 48
"""What is looked at of each. A document's title stands first; what comes later says little."""

_ARRAYS = ("vectors", "query_weights", "document_weights", "positions", "linear", "edges", "residuals")
# No token is longer, on average, than this; a long text is cut before it is tokenised.
_CHARS_PER_TOKEN = 12


@dataclass(frozen=True, slots=True)
class EstimatorFile:
    """The learned tables. V tokens of the vocabulary, d dimensions, L positions in a document, b bins, q quantiles.

    `vectors` (V, d), each of length 1; `query_weights` (V,), positive; `document_weights` (V,) and `positions` (L,) are
    logits that add up to a token's weight; `linear` (8,) and `bias` make a logit of FEATURES. Between `edges` (b - 1,)
    of the estimated logit, `residuals` (b, q) are the quantiles 0, 1/(q-1), ..., 1 of the true logit minus it.
    `made_of` says how it was made, for people.
    """

    vectors: NDArray[np.float32]
    query_weights: NDArray[np.float32]
    document_weights: NDArray[np.float32]
    positions: NDArray[np.float32]
    linear: FloatArray
    bias: float
    edges: FloatArray
    residuals: FloatArray
    depth: int
    tokenizer: str
    made_of: dict[str, Any]
    _tokenizer: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tokenizer", _open_tokenizer(self.tokenizer))

    def tokenise(self, texts: Sequence[str], most: int) -> list[NDArray[np.int32]]:
        """Token ids of each text, at most `most` and at least one: nothing reads as the vocabulary's first entry."""
        heads = [replace_lone_surrogates(text[: most * _CHARS_PER_TOKEN]) for text in texts]
        encoded = self._tokenizer.encode_batch_fast(heads, add_special_tokens=False)
        return [np.array(each.ids[:most] or (0,), dtype=np.int32) for each in encoded]

    def shares(self, ids: NDArray[np.int32], lengths: NDArray[np.intp]) -> NDArray[np.float32]:
        """The weight of each token of documents of these `lengths`, one after the other; each in (0, 1)."""
        places = np.arange(len(ids)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        logits = self.document_weights[ids] + self.positions[places]
        shares: NDArray[np.float32] = 1 / (1 + np.exp(-logits))
        return shares

    def margins(self, logits: FloatArray, certainty: float) -> FloatArray:
        """What to add to each estimated logit, so that the true one stays below with the chance `certainty`."""
        bins = np.searchsorted(self.edges, logits)
        levels = np.linspace(0, 1, self.residuals.shape[1])
        by_bin = np.array([np.interp(certainty, levels, row) for row in self.residuals])
        margins: FloatArray = by_bin[bins]
        return margins

    def save(self, path: Path) -> None:
        """All or nothing: written beside, then renamed."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.stem}.{os.getpid()}.npz")
        about = {"bias": self.bias, "depth": self.depth, "tokenizer": self.tokenizer, "made_of": self.made_of}
        arrays: dict[str, Any] = {name: getattr(self, name) for name in _ARRAYS}
        arrays["vectors"] = self.vectors.astype(np.float16)
        np.savez_compressed(unfinished, about=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8), **arrays)
        unfinished.replace(path)


def read_estimator(path: Path) -> EstimatorFile:
    """Raises ModelUnavailable where it is not there, not one of ours, or the package `tokenizers` is missing."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            about = json.loads(stored["about"].tobytes())
            arrays = {name: stored[name] for name in _ARRAYS}
        arrays["vectors"] = arrays["vectors"].astype(np.float32)
        file = EstimatorFile(**arrays, **about)
        _check_shapes(file)
    except (OSError, EOFError, BadZipFile, ZlibError, ValueError, KeyError, TypeError) as error:
        why = " ".join(str(error).split())
        raise ModelUnavailable(f"{path}: not an estimator ({why}); make it with `es-rerank models cascade`") from error
    return file


def _check_shapes(file: EstimatorFile) -> None:
    """Raises ValueError where a search would fail later, or the tokenizer knows more tokens than the tables."""
    tokens, bins = file._tokenizer.get_vocab_size(), len(file.edges) + 1
    if file.vectors.ndim != 2 or len(file.vectors) < tokens:
        raise ValueError(f"vectors of shape {file.vectors.shape} for {tokens} tokens")
    every = (len(file.vectors),)
    expected: dict[str, tuple[int, ...]] = {"query_weights": every, "document_weights": every}
    expected |= {"positions": (DOCUMENT_TOKENS,), "linear": (len(FEATURES),), "edges": (bins - 1,)}
    expected["residuals"] = (bins, file.residuals.size // bins)
    for name, shape in expected.items():
        if getattr(file, name).shape != shape:
            raise ValueError(f"{name} of shape {getattr(file, name).shape}")


def _open_tokenizer(text: str) -> Any:
    """Raises ValueError for what is no tokenizer."""
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise ModelUnavailable("tokenizers is not installed; pip install 'es-rerank[onnx]'") from error
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the package raises nothing more precise
        raise ValueError(f"its tokenizer: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
