"""The documents and queries of bench_scale.py: real product texts, repeated with variations, so and so many tokens."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

QUERY_WORDS = 6
_REPLACED = 0.1  # share of the words that a repetition has from elsewhere


def token_counter(model: Path) -> Callable[[str], int]:
    """How many tokens the model's tokenizer makes of a word; those of a text are the sum of its words'."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(model))
    return lru_cache(maxsize=None)(lambda word: len(tokenizer.tokenize(word)))


def write_documents(
    file: Path, texts: Sequence[str], count: int, tokens: int, count_tokens: Callable[[str], int]
) -> None:
    """`count` products as JSON lines, each with a title of `tokens` tokens, or of a few fewer where a word is long."""
    words = [text.split() for text in texts]
    with file.open("w", encoding="utf-8") as lines:
        for number in range(count):
            title = " ".join(cut(vary(words, number), tokens, count_tokens))
            lines.write(json.dumps({"id": str(number), "title": title}) + "\n")


def vary(words: Sequence[Sequence[str]], number: int) -> Iterator[str]:
    """The words of product `number` and those that follow it; from the second time round some are others."""
    rng = random.Random(number)
    is_repetition = number >= len(words)
    while True:
        for word in words[number % len(words)]:
            other = rng.choice(words[rng.randrange(len(words))] or [word])
            yield other if is_repetition and rng.random() < _REPLACED else word
        number += 1


def cut(words: Iterator[str], tokens: int, count_tokens: Callable[[str], int]) -> Iterator[str]:
    """The first words, as long as they are no more than `tokens` tokens."""
    for word in words:
        tokens -= count_tokens(word)
        if tokens < 0:
            return
        yield word


def queries(texts: Sequence[str]) -> Iterator[str]:
    """Endless queries: the first words of products drawn at random, no two alike, the same each time."""
    rng, seen = random.Random(0), set()
    while True:
        query = " ".join(rng.choice(texts).split()[:QUERY_WORDS])
        if query not in seen:
            seen.add(query)
            yield query
