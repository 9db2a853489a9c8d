"""A shop as everything offline sees it: real searches of a real index, planned and read as the proxy does it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from elasticsearch import Elasticsearch

from middleware.catalog.client import Access, ask, connect
from middleware.config import IndexSettings, Settings
from middleware.errors import CommandError, ConfigError
from middleware.experiments.assign import resolve
from middleware.fusions import Fusion, load_fusions
from middleware.search.document import parse_template
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


@dataclass(frozen=True, slots=True)
class Shop:
    """An index behind a cluster, the settings that the proxy serves it with, and the search that the shop sends.

    `form`: the body of a search in JSON, with {{query}} where the words go. `fusions`: see assign.resolve.
    """

    client: Elasticsearch
    settings: Settings
    index: str
    form: str
    hits: int
    fusions: Mapping[str, Fusion] = field(default_factory=dict)

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
        plan = make_plan(request.searches[0], self.variant, self.settings, fusions=self.fusions)
        if not isinstance(plan, Plan):
            raise CommandError(f"--search: the proxy would not rerank it: {plan.reason.meaning} [{plan.reason}]")
        plan = replace(plan, variant=replace(plan.variant, window=self.hits))
        outgoing = window_request(request, [plan])
        answer = self._ask(outgoing.target, json.loads(outgoing.body))
        (found,) = read_answer(json.dumps(answer), is_multi=False).responses
        assert isinstance(found, SearchResponse)  # of a single search, what is not usable raises
        return plan, found

    @property
    def weights(self) -> Mapping[str, float]:
        """The fusion weights of the variant."""
        return resolve(self.variant, section_of(self.index, self.settings), self.settings).weights

    @property
    def variant(self) -> str:
        """The variant that it is searched with: the default one, or the first."""
        default = self.settings.default_variant
        return default if default in self.settings.variants else next(iter(self.settings.variants))

    def _ask(self, target: str, body: Mapping[str, Any]) -> Any:
        return ask(self.client, lambda: self.client.perform_request("POST", target, headers=_HEADERS, body=body))


def open_shop(settings: Settings, access: Access, index: str | None, search: Path | None, hits: int) -> Shop:
    """The shop of `index` at the first upstream, searched as in the file `search`, or all its text fields.

    Without an `index` that of the first section. `access`: who asks; whom to trust is what `settings` say.
    Raises ConfigError for an index that no section covers, or a file that is no search.
    """
    index = index or next(iter(settings.indices))
    form = read_form(search) if search else default_form(section_of(index, settings))
    client = connect(settings.upstream.urls[0], access.trusting(settings.upstream))
    return Shop(client, settings, index, form, hits, load_fusions(settings))


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
