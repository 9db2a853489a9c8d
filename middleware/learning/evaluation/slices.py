"""Kinds of queries, so that an average cannot hide which of them a ranking is good for."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from middleware.errors import CommandError, ConfigError
from middleware.learning.evaluation.judgment_queries import read_query_texts
from middleware.learning.evaluation.judgment_rows import read_lines
from middleware.learning.evaluation.judgments import Judgments

KINDS = ("frequency", "language", "length", "model-number", "training")
SEEN, UNSEEN = "seen", "unseen"

HEAD_SHARE, TORSO_SHARE = 0.5, 0.8
"""The most frequent queries that make up half of all searches are the head, those up to 80 % the torso."""

_LETTER_AND_DIGIT = re.compile(r"(?=[\w./-]*\d)(?=[\w./-]*[^\W\d_])[\w./-]{3,}")
_LONG_NUMBER = re.compile(r"\b\d{4,}\b")
_UNITS = "mm|cm|m|inch|in|ft|kg|g|mg|lb|oz|l|ml|gb|tb|mb|w|kw|v|mah|hz|mhz|ghz|k|p|x|st|nd|rd|th|pcs|pack|month|year"
_QUANTITY = re.compile(rf"\d+([.,/x-]\d+)*({_UNITS})s?", re.IGNORECASE)
_SCRIPTS = (
    ("Japanese", re.compile("[\u3040-\u30ff]")),
    ("Korean", re.compile("[\uac00-\ud7af\u1100-\u11ff]")),
    ("Chinese", re.compile("[\u3400-\u9fff]")),
    ("Cyrillic", re.compile("[\u0400-\u04ff]")),
    ("Arabic", re.compile("[\u0600-\u06ff]")),
    ("Latin", re.compile("[A-Za-z\u00c0-\u024f]")),
)
_LONGEST = 4


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the judged queries, by their ids, that have one thing in common."""

    kind: str
    name: str
    queries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What slices need besides the queries: how often each text is searched for, and the texts trained on.

    Texts are as `normalise` leaves them; None where nobody said.
    """

    searches: Mapping[str, int] | None = None
    trained_on: frozenset[str] | None = None


def make_slices(judgments: Judgments, kinds: Iterable[str], known: Known) -> list[Slice]:
    """The slices of each kind that at least one query is in; a kind about which nothing is known is left out."""
    slices = []
    for kind in kinds:
        classify = _classifier(kind, judgments, known)
        if classify is None:
            continue
        groups: dict[str, list[str]] = {}
        for query, text in judgments.queries.items():
            groups.setdefault(classify(query, text), []).append(query)
        slices += [Slice(kind, name, tuple(queries)) for name, queries in sorted(groups.items())]
    return slices


def normalise(query_text: str) -> str:
    """Two spellings of one query are the same: letter case and spaces do not count."""
    return " ".join(query_text.casefold().split())


def has_model_number(query_text: str) -> bool:
    """Whether a word mixes letters and digits, or is a long number, and is no quantity such as 500gb."""
    words = (word.strip(".,/-()") for word in query_text.split())
    return any(
        (_LETTER_AND_DIGIT.fullmatch(word) or _LONG_NUMBER.fullmatch(word)) and not _QUANTITY.fullmatch(word)
        for word in words
    )


def script_of(query_text: str) -> str:
    """The script, which is what can be told of a language for sure; in any mixture the rarer one."""
    return next((name for name, letters in _SCRIPTS if letters.search(query_text)), "no letters")


def length_of(query_text: str) -> str:
    """Words; of a script without spaces two characters count as one."""
    count = 0.0
    for word in query_text.split():
        dense = sum("\u3040" <= char <= "\u9fff" for char in word)
        count += max(1.0, dense / 2)
    words = min(round(count), _LONGEST)
    return {1: "1 word", _LONGEST: f"{_LONGEST} words and more"}.get(words, f"{words} words")


def read_log(path: Path) -> dict[str, int]:
    """How often each query text is searched for: of a log in the User Behavior Insights schema, or query TAB count.

    UBI is read as `index TAB json`, as _bulk lines, or as JSON lines; every record with a `user_query` is one search.
    Raises ConfigError or CommandError.
    """
    first = next(read_lines(path), "")
    counts: Counter[str] = Counter()
    if "{" in first:
        for record in _json_records(path):
            if isinstance(record.get("user_query"), str):
                counts[normalise(record["user_query"])] += 1
    else:
        given = read_query_texts(path)
        for query, text in given.texts.items():
            counts[normalise(text)] += given.searches.get(query, 0)
    del counts[""]
    if not counts.total():
        raise CommandError(f"{path}: no line says how often a query is sent; give a UBI log or a CSV query,count")
    return dict(counts)


def read_trained_on(path: Path) -> frozenset[str]:
    """Texts of the queries that a model learned from: of groups.jsonl, or of a model's manifest or folder, or lines.

    A manifest is JSON with `training_queries`, or with `groups`, files that lie beside it. Raises ConfigError.
    """
    if path.is_dir():
        found = [path / name for name in ("groups.jsonl", "manifest.json", "training.json") if (path / name).is_file()]
        if not found:
            raise ConfigError("--trained-on", str(path), "holds no manifest.json and no groups.jsonl")
        path = found[0]
    if path.suffix == ".json":
        return _of_manifest(path)
    first = next(read_lines(path), "")
    if first.lstrip().startswith("{"):
        texts: Iterable[Any] = (record.get("query_text") for record in _json_records(path))
    else:
        texts = read_query_texts(path).texts.values()
    return _texts(path, texts)


def _of_manifest(path: Path) -> frozenset[str]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError("--trained-on", str(path), f"not a manifest: {error}") from error
    if isinstance(manifest, dict) and isinstance(manifest.get("training_queries"), list):
        return _texts(path, manifest["training_queries"])
    files = manifest.get("groups") if isinstance(manifest, dict) else None
    files = [files] if isinstance(files, str) else files
    if not isinstance(files, list) or not files:
        raise ConfigError("--trained-on", str(path), "names no training queries; give the groups.jsonl")
    return frozenset().union(*(read_trained_on(path.parent / str(file)) for file in files))


def _texts(path: Path, texts: Iterable[Any]) -> frozenset[str]:
    found = frozenset(normalise(text) for text in texts if isinstance(text, str) and text.strip())
    if not found:
        raise ConfigError("--trained-on", str(path), "names no training queries; give the groups.jsonl")
    return found


def _json_records(path: Path) -> Iterator[Mapping[str, Any]]:
    for line in read_lines(path):
        try:
            record = json.loads(line[line.index("{") :])
        except ValueError:
            continue  # a log's lines of another kind say nothing about queries
        if isinstance(record, dict):
            yield record


def _classifier(kind: str, judgments: Judgments, known: Known) -> Callable[[str, str], str] | None:
    if kind == "language":
        return lambda _, text: script_of(text)
    if kind == "length":
        return lambda _, text: length_of(text)
    if kind == "model-number":
        return lambda _, text: "with" if has_model_number(text) else "without"
    if kind == "training":
        seen = known.trained_on
        return None if seen is None else lambda _, text: SEEN if normalise(text) in seen else UNSEEN
    if kind == "frequency":
        counts = known.searches or {normalise(judgments.queries[each]): n for each, n in judgments.searches.items()}
        return _frequency(counts) if counts else None
    raise ConfigError("--slices", kind, f"name some of {', '.join(KINDS)}, or none")


def _frequency(counts: Mapping[str, int]) -> Callable[[str, str], str]:
    """Head, torso or tail by the share of all searches that more frequent queries make up; equals go together."""
    total, more, shares = sum(counts.values()), 0, dict[int, float]()
    for count, queries in sorted(Counter(counts.values()).items(), reverse=True):
        shares[count] = more / total
        more += count * queries
    names: Sequence[tuple[float, str]] = ((HEAD_SHARE, "head"), (TORSO_SHARE, "torso"))

    def name(_: str, text: str) -> str:
        count = counts.get(normalise(text), 0)
        return next((name for limit, name in names if count and shares[count] < limit), "tail")

    return name
