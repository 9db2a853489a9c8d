"""Which analysis profile a cluster can serve: the input's script decides the language, `_analyze` the profile."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from middleware.catalog.client import api_reason, explain
from middleware.catalog.mapping_files import load_analysis

AUTO = "auto"
TEXT_ANALYZER = "shop_text"
CHINESE_ANALYZER = "shop_zh"
MOSTLY, HARDLY = 0.9, 0.05
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002ffff]")


@dataclass(frozen=True, slots=True)
class Profile:
    """One way to analyse one language; `skipped` says which better ones the cluster cannot serve, and why."""

    language: str
    name: str
    why: str
    index: dict[str, Any]
    search: dict[str, Any]
    filters: dict[str, Any]
    skipped: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.language}/{self.name}"

    @property
    def reason(self) -> str:
        return "; ".join([self.why, *self.skipped])


@dataclass(frozen=True, slots=True)
class Analysis:
    """The profiles of one index: `text` for most fields, `chinese` for *_zh and for the `.zh` subfields named."""

    language: str
    language_reason: str
    text: Profile
    chinese: Profile
    chinese_subfields: tuple[str, ...] = ()

    def settings(self) -> dict[str, Any]:
        """What goes into an index body under settings.analysis."""
        analyzers: dict[str, Any] = {}
        for name, profile in ((TEXT_ANALYZER, self.text), (CHINESE_ANALYZER, self.chinese)):
            analyzers |= {name: profile.index, f"{name}_search": profile.search}
        filters = {**self.chinese.filters, **self.text.filters}
        return {"analyzer": analyzers, **({"filter": filters} if filters else {})}


def choose_analysis(client: Elasticsearch, language: str, titles: Iterable[str]) -> Analysis:
    """The best profiles that the cluster serves, for `language` or, with "auto", for the script of `titles`.

    Raises ConfigError for a language without profiles, CommandError where the cluster cannot be asked.
    """
    reason = "asked for"
    if language == AUTO:
        language, reason = detect_language(titles)
    found = load_analysis(language)
    chinese = choose_profile(client, "zh")
    text = chinese if language == "zh" else choose_profile(client, found.get("text", language))
    return Analysis(language, reason, text, chinese, tuple(found.get("also", {}).get("zh", ())))


def detect_language(titles: Iterable[str]) -> tuple[str, str]:
    """(language, reason) by the share of titles with a Chinese character: en, zh, or mixed in between."""
    with_han = total = 0
    for title in titles:
        total += 1
        with_han += bool(_HAN.search(title))
    share = with_han / total if total else 0.0
    language = "zh" if share >= MOSTLY else "en" if share <= HARDLY else "mixed"
    return language, f"{share:.0%} of the first {total} titles hold Chinese characters"


def choose_profile(client: Elasticsearch, language: str) -> Profile:
    """The first profile of `language` whose probe the cluster analyses as expected."""
    skipped: list[str] = []
    for entry in load_analysis(language)["profiles"]:
        fault = _probe(client, entry)
        if fault is None:
            break
        skipped.append(f"no {entry['name']}: {fault}")
    return Profile(
        language, entry["name"], entry["why"], entry["index"], entry["search"], entry.get("filter", {}), tuple(skipped)
    )


def _probe(client: Elasticsearch, entry: dict[str, Any]) -> str | None:
    """None where the cluster can serve `entry`, else why not."""
    for side in ("index", "search"):
        request = _analyze_request(entry[side], entry.get("filter", {}))
        try:
            answer = client.indices.analyze(text=entry["probe"]["text"], **request)
        except ApiError as error:
            if error.status_code != 400:
                raise explain(client, error) from error
            return api_reason(error)
        except TransportError as error:
            raise explain(client, error) from error
        tokens = {token["token"] for token in answer["tokens"]}
        missing = set(entry["probe"]["tokens"]) - tokens
        if missing:
            return f"{entry['probe']['text']!r} gives {sorted(tokens)}"
    return None


def _analyze_request(analyzer: dict[str, Any], filters: dict[str, Any]) -> dict[str, Any]:
    if analyzer["type"] != "custom":
        return {"analyzer": analyzer["type"]}
    chain = [filters.get(name, name) for name in analyzer.get("filter", [])]
    return {"tokenizer": analyzer["tokenizer"], "filter": chain}
