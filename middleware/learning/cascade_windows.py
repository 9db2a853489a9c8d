"""Windows for the estimator to learn from: real searches of a real index, read as the proxy reads them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from elasticsearch import Elasticsearch

from middleware.catalog.client import ask
from middleware.config import IndexSettings, Settings
from middleware.errors import CommandError, ConfigError
from middleware.experiments.assign import resolve
from middleware.search.document import parse_template, read_values
from middleware.search.first_stage import window_request
from middleware.search.hits import SearchResponse, read_answer
from middleware.search.plan import Plan, make_plan
from middleware.search.reasons import Reason
from middleware.search.request import read_request
from middleware.search.sections import find_sections
from middleware.search.target import read_search_target
from middleware.search.window import Window, read_window

PLACEHOLDER = "{{query}}"

_HEADERS = {"content-type": "application/json", "accept": "application/json"}
_MAX_BODY_BYTES = 1 << 20
# A shop's customers type few words; most of them stand in titles, which are what a document text begins with.
_WORDS = (1, 1, 2, 2, 2, 3, 3, 4)
_TITLE_WORDS = 10
_CJK_RUN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_CJK_CHARS = 2, 6
# Of titles in two languages, how many searches are in the one without spaces.
_CJK_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Shop:
    """An index behind a cluster, the settings that the proxy serves it with, and the search that the shop sends.

    `form`: the body of a search in JSON, with {{query}} where the words go.
    """

    client: Elasticsearch
    settings: Settings
    index: str
    form: str
    hits: int

    def window(self, query_text: str) -> Window | None:
        """What the proxy would have the cross-encoder read; None where nothing is found. Raises CommandError."""
        window = read_window(*self.search(query_text))
        return None if isinstance(window, Reason) else window

    def search(self, query_text: str) -> tuple[Plan, SearchResponse]:
        """A search as the proxy plans it, and the first stage's answer.

        Raises CommandError where the search is not one that the proxy reranks, or Elasticsearch refuses it.
        """
        body = self.form.replace(PLACEHOLDER, json.dumps(query_text)[1:-1]).encode()
        target = read_search_target("POST", f"/{quote(self.index)}/_search")
        assert target is not None
        request = read_request(target, _HEADERS, body, _MAX_BODY_BYTES)
        if isinstance(request, Reason):
            raise CommandError(f"--search: {request.meaning}")
        plan = make_plan(request.searches[0], self._variant, self.settings)
        if not isinstance(plan, Plan):
            raise CommandError(f"--search: the proxy would not rerank it: {plan.reason.meaning} [{plan.reason}]")
        plan = replace(plan, variant=replace(plan.variant, window=self.hits))
        outgoing = window_request(request, [plan])
        answer = self._ask(outgoing.target, json.loads(outgoing.body))
        (found,) = read_answer(json.dumps(answer), is_multi=False).responses
        assert isinstance(found, SearchResponse)  # of a single search, what is not usable raises
        return plan, found

    def document_texts(self, count: int, seed: int) -> list[str]:
        """The document texts of `count` products drawn at random."""
        section = section_of(self.index, self.settings)
        template = parse_template(section.template)
        chance = {"function_score": {"random_score": {"seed": seed, "field": "_seq_no"}}}
        answer = self._ask(f"/{quote(self.index)}/_search", {"size": count, "query": chance})
        texts = []
        for hit in answer["hits"]["hits"]:
            values = {path: read_values(hit.get("_source"), path) for path in template.fields}
            texts.append(template.render(values, section.max_field_chars))
        if not any(texts):
            raise CommandError(f"no document of {self.index} has a field of the template {section.template}")
        return [text for text in texts if text]

    @property
    def weights(self) -> Mapping[str, float]:
        """The fusion weights of the variant."""
        return resolve(self._variant, section_of(self.index, self.settings), self.settings).weights

    @property
    def _variant(self) -> str:
        default = self.settings.default_variant
        return default if default in self.settings.variants else next(iter(self.settings.variants))

    def _ask(self, target: str, body: Mapping[str, Any]) -> Any:
        return ask(self.client, lambda: self.client.perform_request("POST", target, headers=_HEADERS, body=body))


def section_of(index: str, settings: Settings) -> IndexSettings:
    """The configuration of an index, alias or pattern. Raises ConfigError where no section covers it."""
    sections = find_sections((index,), settings.indices)
    if sections is None:
        raise ConfigError("--index", index, f"name an index that one of indices covers: {sorted(settings.indices)}")
    return sections.candidates[0][1]


def default_form(section: IndexSettings) -> str:
    """A search of all fields of the document text, its first one thrice as important."""
    first, *others = parse_template(section.template).fields
    return json.dumps({"query": {"multi_match": {"query": PLACEHOLDER, "fields": [f"{first}^3", *others]}}})


def read_form(path: Path) -> str:
    """A shop's own search. Raises ConfigError where it is not JSON with the placeholder."""
    try:
        form = path.read_text(encoding="utf-8")
        json.loads(form)
    except (OSError, ValueError) as error:
        raise ConfigError("--search", path, "give a file with the JSON body of a search") from error
    if PLACEHOLDER not in form:
        raise ConfigError("--search", path, f"write {PLACEHOLDER} where the words of the query go")
    return form


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
