"""Field by field, how much of the query a document holds, and how much of the field the query asks for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from middleware.features.words import comparable, model_tokens, stated_models, word_ids
from middleware.fusion import FloatArray
from middleware.rerank.text_memory import TextMemory
from middleware.search.field_patterns import is_pattern

Ids = NDArray[np.int64]

# What comes later in a field says little, and would cost as much. A pattern stands for several fields.
_MOST_WORDS = 128
_FIELDS_OF_A_PATTERN = 4
_CHARS_PER_WORD = 12
# Measured on Chorus: 2 KB for a document of five fields, 16 KB for the longest there can be; of a pattern 8 KB more.
_DOCUMENTS = 4000
_END = "\0"


@dataclass(frozen=True, slots=True)
class _Document:
    """Sorted into segments, each without repetition: words and neighbours by field, all words, all neighbours, models.

    `ids`: all of them one after the other; `lengths`: of each segment, shape (2 * told apart + 3,).
    """

    ids: Ids
    lengths: NDArray[np.intp]


class Matching:
    """The match features of some fields. Thread-safe; the words of a document are found once, by its content.

    `apart`: those of which there are features of their own, default all; the others count in those of all fields.
    """

    def __init__(self, fields: Sequence[str], apart: Collection[str] | None = None) -> None:
        self._fields = tuple(fields)
        self._apart = tuple(field for field in fields if apart is None or field in apart)
        is_apart = [field in self._apart for field in self._fields]
        limits = [_MOST_WORDS * (_FIELDS_OF_A_PATTERN if is_pattern(field) else 1) for field in self._fields]
        self._limits = tuple(zip(is_apart, limits, strict=True))
        self._documents: TextMemory[_Document] = TextMemory(_DOCUMENTS)

    def features(self, query_text: str, values: Sequence[Mapping[str, Sequence[object]]]) -> dict[str, FloatArray]:
        """match, phrase and model_number, and of each field match, coverage and phrase; each (n,), in [0, 1].

        A query of one word has no neighbours: its phrase is its match.
        """
        query = comparable(query_text)
        ordered = word_ids(query)
        words, models = set(ordered), {hash(token) for token in model_tokens(query)}
        neighbours = set(_neighbours(ordered))
        found, lengths = self._count(words | neighbours | models, values)
        columns: dict[str, FloatArray] = {}
        for place, field in enumerate(self._apart):
            in_field, size = found[:, 2 * place], lengths[:, 2 * place]
            columns[f"match.{field}"] = in_field / max(len(words), 1)
            columns[f"coverage.{field}"] = in_field / np.maximum(size, 1)
            columns[f"phrase.{field}"] = found[:, 2 * place + bool(neighbours)] / max(len(neighbours or words), 1)
        everywhere = 2 * len(self._apart)
        columns["match"] = found[:, everywhere] / max(len(words), 1)
        columns["phrase"] = found[:, everywhere + bool(neighbours)] / max(len(neighbours or words), 1)
        stated = found[:, everywhere + 2] / max(len(models), 1)
        columns["model_number"] = stated if models else np.full(len(values), 0.5)
        return columns

    def _count(
        self, wanted: set[int], values: Sequence[Mapping[str, Sequence[object]]]
    ) -> tuple[FloatArray, FloatArray]:
        """How many of the wanted are in each segment of each document, and how long that is: (n, segments) each."""
        documents = self._documents.read([self._text(each) for each in values], self._make)
        lengths = np.array([document.lengths for document in documents])
        ids = np.concatenate([document.ids for document in documents])
        is_found = np.isin(ids, np.fromiter(wanted, np.int64, len(wanted)))
        ends = np.cumsum(lengths.ravel())
        before = np.concatenate(([0], np.cumsum(is_found)))
        found = (before[ends] - before[ends - lengths.ravel()]).reshape(lengths.shape)
        return found.astype(np.float64), lengths.astype(np.float64)

    def _text(self, values: Mapping[str, Sequence[object]]) -> str:
        texts = [
            " ".join(map(str, values.get(field, ())))[: most * _CHARS_PER_WORD]
            for field, (_, most) in zip(self._fields, self._limits, strict=True)
        ]
        return _END.join([text.replace(_END, " ") for text in texts] if _END in "".join(texts) else texts)

    def _make(self, texts: Sequence[str]) -> Iterator[_Document]:
        return (_make_document(comparable(text), self._limits) for text in texts)


def _make_document(text: str, limits: Sequence[tuple[bool, int]]) -> _Document:
    """`limits`: of each field whether it is told apart, and its most words."""
    segments: list[set[int]] = []
    words: set[int] = set()
    neighbours: set[int] = set()
    for field, (is_apart, most) in zip(text.split(_END), limits, strict=True):
        ordered = word_ids(field)[:most]
        found, pairs = set(ordered), set(_neighbours(ordered))
        segments += [found, pairs] if is_apart else []
        words |= found
        neighbours |= pairs
    segments += [words, neighbours, {hash(token) for token in stated_models(text.replace(_END, f" {_END} "))}]
    lengths = np.array([len(segment) for segment in segments], dtype=np.intp)
    ids = np.fromiter((each for segment in segments for each in segment), np.int64, int(lengths.sum()))
    return _Document(ids, lengths)


def _neighbours(ordered: Sequence[int]) -> Iterable[int]:
    return map(hash, pairwise(ordered))
