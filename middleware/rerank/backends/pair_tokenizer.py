"""Query and document as one sequence of tokens, cut the same way for every runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from middleware.rerank.backends import Tokens


class PairTokenizer:
    """A Hugging Face tokenizer. Not thread-safe: the engine lets one thread at a time encode."""

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token

    def encode(self, query_text: str, document_texts: Sequence[str]) -> Sequence[Tokens]:
        """A query longer than half of max_tokens is cut to half; then the document is cut to what is left."""
        if not document_texts:
            return []
        query = self._cut_query(query_text)
        encoded = self.tokenizer(
            [query] * len(document_texts),
            list(document_texts),
            truncation="only_second",
            max_length=self.max_tokens,
        )
        names = [name for name in self.tokenizer.model_input_names if name in encoded]
        return [{name: encoded[name][row] for name in names} for row in range(len(document_texts))]

    def _cut_query(self, query_text: str) -> str:
        room = (self.max_tokens - self.tokenizer.num_special_tokens_to_add(pair=True)) // 2
        ids = self.tokenizer(query_text, add_special_tokens=False, verbose=False)["input_ids"]
        return query_text if len(ids) <= room else str(self.tokenizer.decode(ids[:room], skip_special_tokens=True))
