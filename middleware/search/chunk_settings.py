"""A `chunk_rescorer` read as Elasticsearch does, but that no separator of a client may cost more than linear time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn

from middleware.errors import RequestError
from middleware.search.chunks import Chunking
from middleware.search.object_fields import ObjectFields

_SCOPE = "chunking_settings"
_LEAST_WORDS = {"sentence": 20, "word": 10, "recursive": 10}
_KNOWN = {
    "sentence": ("strategy", "max_chunk_size", "sentence_overlap"),
    "word": ("strategy", "max_chunk_size", "overlap"),
    "recursive": ("strategy", "max_chunk_size", "separator_group", "separators"),
}
_SEPARATOR_GROUPS: Mapping[str, tuple[str, ...]] = {
    "plaintext": (r"(?<!\n)\n\n(?!\n)", r"(?<!\n)\n(?!\n)"),
    "markdown": (
        *(rf"\n{'#' * level} " for level in range(1, 7)),
        r"\n(?![^\S\n]*$).*\n-{1,}\n",
        r"\n(?![^\S\n]*$).*\n={1,}\n",
    ),
}
_MAX_SEPARATORS = 50
_MAX_SEPARATOR_CHARS = 200
_MAX_REPEATS = 32
_MAX_ALTERNATIVES = 4
_SEPARATOR_PART = re.compile(
    r"(?P<atom>\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?(?:[:=!]|<[=!])|[^\\\[])"
    r"(?P<repeat>(?:[*+?]|\{(?P<least>\d+)(?P<open>,(?P<most>\d*))?\})?)(?P<more>[*+?{]?)",
    re.DOTALL,
)


def read_chunk_rescorer(given: Mapping[str, Any]) -> Chunking:
    """`{"size": 1, "chunking_settings": {...}}` with the defaults of Elasticsearch 9.2; raises RequestError.

    Without settings, sentences up to 300 words, no overlap. Other members are ignored there, and so here.
    """
    size = ObjectFields("chunk_rescorer", given).integer("size")
    if size is not None and size < 1:
        raise RequestError(f"size must be greater than 0, was: {size}")
    settings = given.get(_SCOPE)
    if settings is not None:
        settings = ObjectFields("chunk_rescorer", given).mapping(_SCOPE)
    return _read_settings(settings or {}, 1 if size is None else size)


def _read_settings(settings: Mapping[str, Any], size: int) -> Chunking:
    if not settings:
        return Chunking(size)
    if set(settings) == {"max_chunk_size"}:
        return Chunking(size, max_words=_max_words(settings, "sentence"))
    if "strategy" not in settings:
        raise RequestError("Can't generate Chunker without ChunkingStrategy provided")
    strategy = str(settings["strategy"]).strip().lower()
    if strategy == "none":
        return Chunking(size, "none")
    if strategy not in _KNOWN:
        raise RequestError(f"Invalid chunkingStrategy {strategy}")
    unknown = [name for name in settings if name not in _KNOWN[strategy]]
    if unknown:
        _refuse(f"{strategy.capitalize()} based chunking settings can not have the following settings: {unknown}")
    words = _max_words(settings, strategy)
    if strategy == "word":
        return Chunking(size, "word", words, _word_overlap(settings, words))
    if strategy == "recursive":
        return Chunking(size, "recursive", words, separators=_separators(settings))
    return Chunking(size, "sentence", words, _sentence_overlap(settings))


def _max_words(settings: Mapping[str, Any], strategy: str) -> int:
    words, least = _integer(settings, "max_chunk_size"), _LEAST_WORDS[strategy]
    if words < least:
        _refuse(f"[{_SCOPE}] Invalid value [{words}]. [max_chunk_size] must be greater than or equal to [{least}]")
    return words


def _word_overlap(settings: Mapping[str, Any], words: int) -> int:
    overlap = _integer(settings, "overlap")
    if overlap < 0:
        _refuse(f"[{_SCOPE}] Invalid value [{overlap}]. [overlap] must be a positive integer")
    if overlap > words // 2:
        _refuse(f"[{_SCOPE}] Invalid value [{overlap}]. [overlap] must be less than or equal to [{words // 2}]")
    return overlap


def _sentence_overlap(settings: Mapping[str, Any]) -> int:
    overlap = _integer(settings, "sentence_overlap") if "sentence_overlap" in settings else 1
    if overlap not in (0, 1):
        _refuse(f"sentence_overlap[{overlap}] must be either 0 or 1")
    return overlap


def _separators(settings: Mapping[str, Any]) -> tuple[re.Pattern[str], ...]:
    given, group = settings.get("separators"), settings.get("separator_group")
    if given is not None and group is not None:
        _refuse("Recursive chunking settings can not have both separators and separator_set")
    if given is None:
        patterns = _SEPARATOR_GROUPS.get("plaintext" if group is None else str(group).strip().lower())
        if patterns is None:
            _refuse(
                f"[{_SCOPE}] Invalid value [{group}] received. [separator_group] must be one of [markdown, plaintext]"
            )
        return tuple(re.compile(pattern, re.MULTILINE) for pattern in patterns)
    if not isinstance(given, list) or not all(isinstance(pattern, str) for pattern in given):
        _refuse("field [separators] is not of the expected type. It must be a list of strings")
    if not given:
        _refuse("Recursive chunking settings can not have an empty list of separators")
    if len(given) > _MAX_SEPARATORS:
        _refuse(f"separators list size [{len(given)}] must not exceed [{_MAX_SEPARATORS}]")
    return tuple(_compile(pattern) for pattern in given)


def _compile(pattern: str) -> re.Pattern[str]:
    """A client's separator, with one repetition, of one character, up to 32 times: no text makes it run long."""
    parts: list[str] = []
    at = repeats = 0
    while at < len(pattern) and len(pattern) <= _MAX_SEPARATOR_CHARS:
        part = _SEPARATOR_PART.match(pattern, at)
        if part is None or part["more"] or (part["repeat"] and part["atom"] in (")", "(", "|")):
            break
        repeats += bool(part["repeat"])
        parts.append(part["atom"] + _bounded(part))
        at = part.end()
    if at < len(pattern) or repeats > 1 or parts.count("|") >= _MAX_ALTERNATIVES:
        _refuse(f"Chunk separator regex [{pattern[:_MAX_SEPARATOR_CHARS]}] is too complex")
    try:
        return re.compile("".join(parts), re.MULTILINE)
    except (re.error, OverflowError) as error:
        raise RequestError(f"Chunk separator regex [{pattern}] cannot be compiled: {error}") from None


def _bounded(part: re.Match[str]) -> str:
    if part["repeat"] in ("", "?"):
        return part["repeat"]
    least = {"*": 0, "+": 1}.get(part["repeat"])
    lower = min(int(part["least"]) if least is None else least, _MAX_REPEATS)
    exact = least is None and not part["open"]
    upper = lower if exact else min(int(part["most"] or _MAX_REPEATS) if least is None else _MAX_REPEATS, _MAX_REPEATS)
    return f"{{{lower},{upper}}}"


def _integer(settings: Mapping[str, Any], name: str) -> int:
    if name not in settings:
        _refuse(f"[{_SCOPE}] does not contain the required setting [{name}]")
    value = settings[name]
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse(f"field [{name}] is not of the expected type. The value [{value}] cannot be converted to a [Integer]")
    return value


def _refuse(problem: str) -> NoReturn:
    raise RequestError(f"Validation Failed: 1: {problem};")
