"""What the fields of any catalogue are for, guessed by what they hold: title, brand, category, models, traits."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from middleware.config import IndexSettings
from middleware.search.document import parse_template

Leaves = Mapping[str, Sequence[str]]
"""field path -> its texts in one document."""

CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
CJK_RUN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]{2,}")

_NAMES, _VALUES = ("name", "key"), ("value", "values")
_MARKUP = re.compile(r"<[^>]{1,200}>")
_LETTER = re.compile(r"[^\W\d_]")
_NO_WORDS = re.compile(r"\w+://|www\.|\d{4}-\d\d-\d\d|[\w.]+@|\S+\.(?:jpe?g|png|gif|webp|html?|pdf)$")
_SEVERAL = re.compile(r"\s*[,;|\n]\s*|\\n")
_LONGEST_TITLE = 30
_CJK_CHARS_PER_WORD = 2


@dataclass(frozen=True, slots=True)
class Roles:
    """Field paths by what they hold; `titles` has the main one first, then others that name the product as well."""

    titles: tuple[str, ...]
    brand: str | None
    category: str | None
    models: tuple[str, ...]
    traits: tuple[str, ...]
    descriptions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Field:
    """One field over all documents, in shares of the documents or of its values."""

    filled: float
    distinct: float
    words: float
    letters: float
    digits: float
    in_title: float


def read_leaves(source: Mapping[str, Any]) -> dict[str, list[str]]:
    """The texts of a `_source` by dotted path; `[{name: colour, value: red}]` is read as a field `colour` below it."""
    leaves: defaultdict[str, list[str]] = defaultdict(list)
    for path, text in _walk(source, ""):
        clean = " ".join(_MARKUP.sub(" ", text).split())
        if clean:
            leaves[path].append(clean)
    return dict(leaves)


def split_values(texts: Iterable[str]) -> list[str]:
    """Single values: attributes often hold several in one text, with commas or other marks between them."""
    return [part for text in texts for part in _SEVERAL.split(text) if part]


def guess_roles(documents: Sequence[Leaves], section: IndexSettings) -> Roles:
    """Roles of the template's fields and of whatever else the documents hold; `section.features` is believed."""
    template = parse_template(section.template).fields
    first = [document.get(template[0], ()) for document in documents]
    title = template[0]
    fields = _measure(documents, [" ".join(texts).casefold() for texts in first])
    for path in template:
        if path in fields and _is_title(fields[path]):
            title = path
            break
    if title != template[0]:
        fields = _measure(documents, [" ".join(document.get(title, ())).casefold() for document in documents])
    others = tuple(path for path in template if path != title and path in fields and _is_title(fields[path]))
    free = {path: field for path, field in fields.items() if path not in (title, *others)}
    brand = _believed(section.features.brand, free) or _best_brand(free)
    category = _believed(section.features.category, free) or _best_category(free, template, brand)
    free = {path: field for path, field in free.items() if path not in (brand, category)}
    models = tuple(path for path, field in free.items() if _is_model(field))
    traits = tuple(path for path, field in free.items() if _is_trait(field) and path not in models)
    descriptions = tuple(path for path in template if path in free and free[path].words > _LONGEST_TITLE / 3)
    return Roles((title, *others), brand, category, models, traits, descriptions)


def count_words(text: str) -> float:
    """Words of a text; two Chinese or Japanese characters count as one."""
    characters = len(CJK.findall(text))
    return len(CJK.sub(" ", text).split()) + characters / _CJK_CHARS_PER_WORD


def _walk(node: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, list):
        for element in node:
            yield from _walk(element, path)
    elif isinstance(node, dict):
        name = next((node[key] for key in _NAMES if isinstance(node.get(key), str)), None)
        value = next((node[key] for key in _VALUES if key in node), None)
        if name is not None and value is not None:
            yield from _walk(value, f"{path}.{name}")
            return
        for key, child in node.items():
            yield from _walk(child, f"{path}.{key}" if path else str(key))


def _measure(documents: Sequence[Leaves], titles: Sequence[str]) -> dict[str, _Field]:
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, document in enumerate(documents):
        for path in document:
            places[path].append(place)
    measured = {}
    for path, having in places.items():
        values = [(text, titles[place]) for place in having for text in documents[place][path]]
        texts = [text for text, _ in values]
        if sum(bool(_NO_WORDS.match(text)) for text in texts) > len(texts) / 2:
            continue
        measured[path] = _Field(
            filled=len(having) / len(documents),
            distinct=len(set(texts)) / len(texts),
            words=median(map(count_words, texts)),
            letters=sum(bool(_LETTER.search(text)) for text in texts) / len(texts),
            digits=sum(any(map(str.isdigit, text)) for text in texts) / len(texts),
            in_title=sum(text.casefold() in title for text, title in values) / len(texts),
        )
    return measured


def _is_title(field: _Field) -> bool:
    is_short = 2 <= field.words <= _LONGEST_TITLE
    return is_short and field.letters > 0.8 and field.filled > 0.5 and field.distinct > 0.5


def _believed(path: str | None, fields: Mapping[str, _Field]) -> str | None:
    return path if path is not None and path in fields and fields[path].filled >= 0.2 else None


def _best_brand(fields: Mapping[str, _Field]) -> str | None:
    """The short, repeated text that most titles hold."""
    fit = {
        path: field.in_title * field.filled
        for path, field in fields.items()
        if field.words <= 3 and field.distinct < 0.5 and field.letters > 0.8 and field.in_title > 0.3
    }
    return max(fit, key=lambda path: fit[path]) if fit else None


def _best_category(fields: Mapping[str, _Field], template: Sequence[str], brand: str | None) -> str | None:
    """The text of few values that nearly every document has, among those that the cross-encoder reads."""
    fit = [
        path
        for path in template
        if path != brand and path in fields and fields[path].filled > 0.5 and fields[path].letters > 0.8
        if fields[path].distinct < 0.2 and fields[path].words <= 6
    ]
    return min(fit, key=lambda path: fields[path].distinct) if fit else None


def _is_model(field: _Field) -> bool:
    """Short, nearly unique, with digits, and mostly a part of the title."""
    is_code = field.distinct > 0.5 and field.words <= 4 and field.digits > 0.3
    return is_code and field.in_title > 0.5 and field.filled > 0.2


def _is_trait(field: _Field) -> bool:
    return field.distinct <= 0.5 and field.words <= 4 and field.letters > 0.5 and field.filled < 1.01
