"""Queries for the estimator to learn from: given ones, or words of real products."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from middleware.errors import ConfigError

# A shop's customers type few words; most of them stand in titles, which are what a document text begins with.
_WORDS = (1, 1, 2, 2, 2, 3, 3, 4)
_TITLE_WORDS = 10
_CJK_RUN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_CJK_CHARS = 2, 6
# Of titles in two languages, how many searches are in the one without spaces.
_CJK_SHARE = 0.4


def read_queries(path: Path) -> list[str]:
    """One query a line, each once. Raises ConfigError where there is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError("--queries", path, "give a text file with one query a line") from error
    queries = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not queries:
        raise ConfigError("--queries", path, "give a text file with one query a line")
    return queries


def invent_queries(document_texts: Sequence[str], rng: random.Random) -> Iterator[str]:
    """Queries without an end: words of a title, in its order, or of its Chinese or Japanese a few characters in a row.

    None where no title holds a letter or a digit.
    """
    titles = [text.split()[:_TITLE_WORDS] for text in document_texts]
    titles = [words for words in titles if any(char.isalnum() for word in words for char in word)]
    while titles:
        words = rng.choice(titles)
        runs = [run for word in words for run in _CJK_RUN.findall(word) if len(run) >= _CJK_CHARS[0]]
        if runs and rng.random() < _CJK_SHARE:
            yield _cut(rng.choice(runs), rng)
            continue
        places = sorted(rng.sample(range(len(words)), min(len(words), rng.choice(_WORDS))))
        query = " ".join(_shortened(words[place], rng) for place in places).lower()
        if any(char.isalnum() for char in query):
            yield query


def _shortened(word: str, rng: random.Random) -> str:
    run = _CJK_RUN.search(word)
    return word if run is None or len(run[0]) <= _CJK_CHARS[0] else _cut(run[0], rng)


def _cut(run: str, rng: random.Random) -> str:
    size = rng.randint(_CJK_CHARS[0], min(_CJK_CHARS[1], len(run)))
    start = rng.randrange(len(run) - size + 1)
    return run[start : start + size]
