"""Where words are looked for: the document text's fields, and the text attributes that an index holds beside them."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from middleware.catalog.client import ask
from middleware.features.words import comparable, split_words
from middleware.learning.fusion.windows import template_fields
from middleware.learning.shop import Shop
from middleware.search.field_patterns import compile_pattern

MOST_FIELDS = 20
"""Beside the template's; a pattern counts as one."""

_SAMPLED_SEARCHES = 30
_LEAST_SHARE = 0.01
_TEXTS = frozenset(("text", "keyword", "wildcard", "match_only_text", "search_as_you_type", "flattened"))
# A field of longer texts is a description, in which nearly any word stands.
_MOST_WORDS = 30
_LEAST_ALIKE = 8
# Of fewer values nobody can say that they are all different, or all the same.
_ENOUGH = 20
_NEARLY_ALL = 0.9
_WORD = re.compile(r"[^\W\d_]{2,}|[\u3040-\u30ff\u3400-\u9fff]")
_NO_WORDS = re.compile(r"\w+://|www\.|\d{4}-\d\d(-\d\d)?(T|\b)|[\w.]+@|\S+\.(?:jpe?g|png|gif|webp|html?|pdf)$", re.I)
_NAMES, _VALUES = frozenset(("name", "key")), ("value", "values")
_SHAPE = ("stored_fields", "docvalue_fields", "fields", "script_fields")


@dataclass(frozen=True, slots=True)
class Mapped:
    """What the mappings of an index say: field path -> its own mapping; name patterns that are mapped as texts."""

    fields: Mapping[str, Mapping[str, Any]]
    text_patterns: Sequence[str]

    def may_hold_words(self, path: str) -> bool:
        """Whether it is mapped as text, or not at all, and can be searched: images and addresses often cannot."""
        mapping = self.fields.get(path, {})
        return mapping.get("type", "text") in _TEXTS and mapping.get("index", True) is not False


def choose_fields(shop: Shop, queries: Sequence[str]) -> tuple[str, ...]:
    """The template's fields and up to MOST_FIELDS names or patterns of text attributes, those of most products first.

    `queries`: some of them are searched, and their hits looked at. Raises CommandError as a search does.
    """
    found = choose_attributes(_sample(shop, queries), read_mappings(shop))
    own = template_fields(shop.settings, shop.index)
    return (*own, *(field for field in found if field not in own))[: len(own) + MOST_FIELDS]


def choose_attributes(documents: Sequence[Mapping[str, Any]], mapped: Mapped) -> list[str]:
    """Names, or patterns for many names, of the fields that hold short texts, those of most documents first.

    A text attribute is mapped as text or keyword, or not at all; most of its values hold a word, and are no address,
    date or file; half of them have 30 words or fewer; they are not all the same, and no ids: single words that are all
    different. Fields whose names begin alike become a pattern where most of those that it covers are text attributes.
    At least one document in a hundred has it.
    """
    values: defaultdict[str, dict[int, list[Any]]] = defaultdict(dict)
    for place, document in enumerate(documents):
        for path, found in _leaves(document).items():
            values[path][place] = found
    held = {path: list(found.values()) for path, found in values.items() if mapped.may_hold_words(path)}
    kept = {path for path, found in held.items() if _is_attribute(found) and not _names_a_value(path, values)}
    patterns = _choose_patterns(kept, values, mapped.text_patterns)
    counts: dict[str, int] = {}
    for field in (*patterns, *(path for path in kept if not _covered(path, patterns))):
        meant = [values[path] for path in values if compile_pattern(field).fullmatch(path)]
        counts[field] = len(set[int]().union(*meant))
    enough = [field for field in counts if counts[field] >= _LEAST_SHARE * len(documents)]
    return sorted(enough, key=lambda field: (-counts[field], field))


def read_mappings(shop: Shop) -> Mapped:
    """The mappings of the index, or of all behind an alias."""
    answer = ask(shop.client, lambda: shop.client.indices.get_mapping(index=shop.index))
    fields: dict[str, Mapping[str, Any]] = {}
    patterns: dict[str, None] = {}
    for index in dict(answer).values():
        mappings = index["mappings"]
        fields |= dict(_properties(mappings.get("properties", {}), ""))
        rules = (rule for entry in mappings.get("dynamic_templates", []) for rule in entry.values())
        patterns |= dict.fromkeys(match for rule in rules for match in _texts_of(rule))
    return Mapped(fields, list(patterns))


def _texts_of(rule: Mapping[str, Any]) -> list[str]:
    """The name patterns of a dynamic template that maps texts, which may be searched."""
    mapping = rule.get("mapping", {})
    is_text = mapping.get("type") in _TEXTS and mapping.get("index", True) is not False
    if not is_text or rule.get("match_pattern") == "regex":
        return []
    given = [rule[name] for name in ("match", "path_match") if isinstance(rule.get(name), str)]
    return [match for match in given if match.endswith("*") and match.strip("*")]


def _properties(properties: Mapping[str, Any], before: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, mapping in properties.items():
        yield before + name, mapping
        yield from _properties(mapping.get("properties", {}), f"{before}{name}.")


def _sample(shop: Shop, queries: Sequence[str]) -> list[Mapping[str, Any]]:
    """The whole sources of the hits of some searches, each document once."""
    form = {name: value for name, value in json.loads(shop.form).items() if name not in _SHAPE}
    whole = replace(shop, form=json.dumps({**form, "_source": True}))
    step = max(len(queries) // _SAMPLED_SEARCHES, 1)
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for query in queries[::step][:_SAMPLED_SEARCHES]:
        for hit in whole.search(query)[1].hits:
            found[hit.name] = hit.decoded("_source") or {}
    return list(found.values())


def _leaves(document: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Scalar values by dotted path, through objects and lists."""
    found: defaultdict[str, list[Any]] = defaultdict(list)
    waiting: list[tuple[str, Any]] = [("", document)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, dict):
            waiting += [(f"{path}.{name}" if path else name, child) for name, child in node.items()]
        elif isinstance(node, list):
            waiting += [(path, child) for child in node]
        elif node is not None:
            found[path].append(node)
    return found


def _is_attribute(found: Sequence[Sequence[Any]]) -> bool:
    """`found`: the values of each document that has any."""
    texts = [value for values in found for value in values if isinstance(value, str) and value.strip()]
    if len(texts) <= sum(map(len, found)) / 2:
        return False
    with_words = [text for text in texts if _WORD.search(text) and not _NO_WORDS.match(text)]
    sizes = [len(split_words(comparable(text))) for text in texts]
    if len(with_words) <= len(texts) / 2 or median(sizes) > _MOST_WORDS:
        return False
    different = len(set(texts))
    single = sum(text.isascii() and len(text.split()) == 1 for text in texts)
    are_ids = min(different, single) >= _NEARLY_ALL * len(texts)
    return len(texts) < _ENOUGH or (different > 1 and not are_ids)


def _names_a_value(path: str, others: Iterable[str]) -> bool:
    """Whether it is the name in `[{"name": "colour", "value": "red"}]`, which all products share."""
    before, _, name = path.rpartition(".")
    return bool(before) and name in _NAMES and any(f"{before}.{value}" in others for value in _VALUES)


def _choose_patterns(kept: Collection[str], paths: Iterable[str], mapped: Iterable[str]) -> list[str]:
    """Those of the mapping that mean a text attribute, then such as begin like several and mean little else."""
    names = list(paths)
    chosen = [pattern for pattern in mapped if any(_covered(path, (pattern,)) for path in kept)]
    for pattern in _beginnings(kept):
        meant = [path for path in names if _covered(path, (pattern,))]
        fit = sum(path in kept for path in meant)
        if fit > len(meant) / 2 and not _covered(pattern, chosen):
            chosen.append(pattern)
    return chosen


def _beginnings(kept: Iterable[str]) -> list[str]:
    """Patterns up to a dot or an underscore that several names share, the shortest first."""
    shared: defaultdict[str, int] = defaultdict(int)
    for path in kept:
        for place, letter in enumerate(path):
            if letter in "._":
                shared[f"{path[: place + 1]}*"] += 1
    return sorted((each for each, count in shared.items() if count >= _LEAST_ALIKE), key=lambda each: (len(each), each))


def _covered(path: str, patterns: Iterable[str]) -> bool:
    return any(compile_pattern(pattern).fullmatch(path) for pattern in patterns)
