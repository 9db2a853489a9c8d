"""Query and document as one sequence of tokens, cut the same way for every runtime; a document is tokenised once."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from middleware.rerank.backends import Tokens
from middleware.rerank.text_memory import TextMemory

_MARKS = {"input_ids", "token_type_ids", "attention_mask"}
_PROBES = (("red shoe", "a shoe"), ("手机", "iphone 手机壳 12"), ("a", ""))
# Measured: 200 for the array's head, the key and their place in a dict, and 4 for each token.
_BYTES_EACH, _BYTES_A_TOKEN = 200, 4


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of a pair stand among the special tokens: those before, between and after, and each part's kind.

    `kinds`: token_type_ids of the query and what is before it, of what is between, of the document and what follows;
    None where the model has none.
    """

    before: list[int]
    between: list[int]
    after: list[int]
    kinds: tuple[int, ...] | None

    @property
    def size(self) -> int:
        """Special tokens in all."""
        return len(self.before) + len(self.between) + len(self.after)

    def join(self, query: list[int], document: list[int]) -> Tokens:
        ids = [*self.before, *query, *self.between, *document, *self.after]
        tokens: dict[str, Sequence[int]] = {"input_ids": ids}
        if self.kinds is not None:
            lengths = len(self.before) + len(query), len(self.between), len(document) + len(self.after)
            tokens["token_type_ids"] = [kind for kind, n in zip(self.kinds, lengths, strict=True) for _ in range(n)]
        tokens["attention_mask"] = [1] * len(ids)
        return tokens


class PairTokenizer:
    """A Hugging Face tokenizer. Not thread-safe: the engine lets one thread at a time encode.

    `max_bytes`: memory for the tokens of documents; 0, or a tokenizer whose pairs are not their parts between special
    tokens, and every pair is tokenised as a whole.
    """

    def __init__(self, tokenizer: Any, max_tokens: int, max_bytes: int = 0) -> None:
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        self._documents: TextMemory[array[int]] = TextMemory(max_bytes // (_BYTES_EACH + _BYTES_A_TOKEN * max_tokens))
        self._layout = _find_layout(self) if max_bytes else None

    def encode(self, query_text: str, document_texts: Sequence[str]) -> Sequence[Tokens]:
        """A query longer than half of max_tokens is cut to half; then the document is cut to what is left."""
        if not document_texts:
            return []
        if self._layout is None:
            return self.encode_whole(query_text, document_texts)
        query = self.part(self._cut_query(query_text))
        room = self.max_tokens - self._layout.size - len(query)
        documents = self._documents.read(document_texts, self._tokenise)
        return [self._layout.join(query, document[:room].tolist()) for document in documents]

    def encode_whole(self, query_text: str, document_texts: Sequence[str]) -> Sequence[Tokens]:
        """As `encode`, by the tokenizer's own way with pairs."""
        query = self._cut_query(query_text)
        encoded = self.tokenizer(
            [query] * len(document_texts),
            list(document_texts),
            truncation="only_second",
            max_length=self.max_tokens,
        )
        names = [name for name in self.tokenizer.model_input_names if name in encoded]
        return [{name: encoded[name][row] for name in names} for row in range(len(document_texts))]

    def part(self, text: str) -> list[int]:
        """The tokens of a text alone."""
        return list(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _tokenise(self, texts: Sequence[str]) -> list[array[int]]:
        encoded = self.tokenizer(list(texts), add_special_tokens=False, truncation=True, max_length=self.max_tokens)
        return [array("i", ids) for ids in encoded["input_ids"]]

    def _cut_query(self, query_text: str) -> str:
        room = (self.max_tokens - self.tokenizer.num_special_tokens_to_add(pair=True)) // 2
        ids = self.part(query_text)
        return query_text if len(ids) <= room else str(self.tokenizer.decode(ids[:room], skip_special_tokens=True))


def _find_layout(tokenizer: PairTokenizer) -> Layout | None:
    """The layout of the first probe, if all others are laid out like it."""
    layout = None
    for query, document in _PROBES:
        (whole,) = tokenizer.encode_whole(query, [document])
        parts = tokenizer.part(query), tokenizer.part(document)
        layout = layout or _read_layout(whole, *parts)
        if layout is None or set(whole) - _MARKS:
            return None
        joined = layout.join(*parts)
        if any(list(whole[name]) != list(joined[name]) for name in whole):
            return None
    return layout


def _read_layout(whole: Tokens, query: list[int], document: list[int]) -> Layout | None:
    ids = list(whole["input_ids"])
    start = _find(query, ids, 0)
    second = None if start is None else _find(document, ids, start + len(query))
    if start is None or second is None:
        return None
    kinds = whole.get("token_type_ids")
    return Layout(
        before=ids[:start],
        between=ids[start + len(query) : second],
        after=ids[second + len(document) :],
        kinds=(kinds[start], kinds[second - 1], kinds[second]) if kinds else None,
    )


def _find(part: list[int], ids: list[int], start: int) -> int | None:
    return next((at for at in range(start, len(ids)) if ids[at : at + len(part)] == part), None)
