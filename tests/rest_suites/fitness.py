"""Whether a test is meant for the node at hand: version ranges and features of its `skip` sections."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

FEATURES = frozenset(
    {
        "allowed_warnings",
        "arbitrary_key",
        "close_to",
        "contains",
        "default_shards",
        "embedded_stash_key",
        "headers",
        "no_xpack",
        "node_selector",
        "regex",
        "stash_in_key",
        "stash_in_path",
        "stash_path_replace",
        "warnings",
        "yaml",
    }
)
_LEGACY = range(5, 8)  # OpenSearch's suite still names Elasticsearch 5 to 7, its past
Version = tuple[int, ...]


def why_skipped(skips: Iterable[Any], engine: str, version: str) -> str | None:
    """Why a test with these `skip` sections does not run on the node, or None where it does."""
    for skip in skips:
        missing = _names(skip.get("features")) - FEATURES
        if missing:
            return f"feature {min(missing)}"
        if "version" in skip and in_range(version, skip["version"], engine):
            return f"version {str(skip['version']).strip()}"
    return None


def in_range(version: str, ranges: Any, engine: str) -> bool:
    """Whether `version` is in one of the ranges, as in " - 6.99.99 , 7.2.0 - " or "all"."""
    text = str(ranges)
    if text.strip() == "all":
        return True
    return any(_is_between(version, *_ends(span), engine) for span in text.split(","))


def _ends(span: str) -> tuple[str, str]:
    low, _, high = span.partition("-")
    return low.strip(), high.strip()


def _is_between(version: str, low: str, high: str, engine: str) -> bool:
    number = _number(version, engine)
    return (not low or _number(low, engine) <= number) and (not high or number <= _number(high, engine))


def _number(version: str, engine: str) -> Version:
    numbers = tuple(int(part) for part in version.partition("-")[0].split("."))
    return (0, *numbers) if engine == "opensearch" and numbers[0] in _LEGACY else numbers


def _names(features: Any) -> set[str]:
    if isinstance(features, str):
        return {name.strip() for name in features.split(",")}
    return set(features or ())
