"""The decision on one search: rerank it, how, or why not. Pure: a search in, a Plan or a Skip out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from middleware.config import IndexSettings, Settings
from middleware.errors import RequestError
from middleware.experiments.assign import ResolvedVariant, resolve
from middleware.fusions import Fusion
from middleware.search.added_fields import choose_added_fields
from middleware.search.deferral import Deferral, choose_deferral
from middleware.search.document import parse_template
from middleware.search.json_text import Unreadable, replace_lone_surrogates
from middleware.search.own_syntax import Wish, check_size, read_wish
from middleware.search.query_string import MAX_CHARS, read_query_string
from middleware.search.query_text import find_query_text, find_retriever_text
from middleware.search.reasons import Reason
from middleware.search.request import Search
from middleware.search.retrievers import settle_retriever
from middleware.search.sections import Sections, find_sections

_DEFAULT_SIZE = 10
_COUNT_DIGITS = 10
_ORDER_OF_THE_MODEL = {"cross_encoder": 1.0}


@dataclass(frozen=True, slots=True)
class Skip:
    """Not reranked; a page beyond the window has the `preference` of those inside, so that all pages agree."""

    reason: Reason
    preference: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """The slice of the ranking that the client asked for."""

    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class Plan:
    """How one search is reranked. `body` goes upstream: the client's without what only we understand.

    `preference` keeps all pages of the search on the same copies of its shards, where the client has none of its own;
    copies may order equal scores differently.
    """

    search: Search
    body: Mapping[str, Any]
    query_text: str
    page: Page
    variant: ResolvedVariant
    sections: Sections
    wish: Wish
    added_fields: tuple[str, ...]
    deferral: Deferral | None
    preference: str | None

    @property
    def first_stage_size(self) -> int:
        """Hits asked of Elasticsearch: the window, or up to the page's end where that lies beyond it."""
        return self.variant.window if self.wish.limits_hits else max(self.variant.window, self.page.end)


def make_plan(
    search: Search,
    variant: str,
    settings: Settings,
    *,
    has_retrievers: bool = False,
    fusions: Mapping[str, Fusion | None] = MappingProxyType({}),
) -> Plan | Skip:
    """Plan one search for `variant`; `has_retrievers`: the cluster knows `retriever`; `fusions`: see assign.resolve.

    Raises RequestError where our own syntax (`ext.rerank`), or a `text_similarity_reranker`, is wrong.
    """
    planned = _plan(search, variant, settings, has_retrievers, fusions)
    return Skip(planned) if isinstance(planned, Reason) else planned


def _plan(
    search: Search, variant: str, settings: Settings, has_retrievers: bool, fusions: Mapping[str, Fusion | None]
) -> Plan | Skip | Reason:
    sections = find_sections(search.indices, settings.indices)
    if sections is None:
        return Reason.INDEX_NOT_CONFIGURED
    if not search.is_rendered:
        return Reason.NOT_RENDERED
    section = sections.candidates[0][1]
    body, given = read_wish(search.body)
    wish = given or Wish()
    settled = settle_retriever(body, has_retrievers=has_retrievers)
    if settled is None:
        return Reason.RETRIEVER
    body, limit = settled
    try:
        page = _read_page(body, search.parameters)
    except Unreadable:
        return Reason.MALFORMED
    check_size(wish, page.size)
    resolved = _resolve(resolve(variant, section, settings, fusions), settings, wish, limit)
    text = _query_text(search, body, wish, section)
    reason = _unfit_search(body, search.parameters, wish) or _unfit_page(page, limit) or _unfit_text(text)
    if reason:
        return reason
    if page.start >= resolved.window and not wish.limits_hits:
        return Skip(Reason.BEYOND_WINDOW, choose_preference(search, text))
    if wish.limits_hits and "sort" in body:
        body["track_scores"] = True  # the sort of the retriever inside: it chooses the window, whose scores we read
    wanted = _wanted_fields(sections, wish, settings, resolved)
    deferral = choose_deferral(body, search.parameters, wanted, page.size, max(resolved.window, page.end))
    if isinstance(deferral, Reason):
        return deferral
    return Plan(
        search=search,
        body=body,
        query_text=text,
        page=page,
        variant=resolved,
        sections=sections,
        wish=wish,
        added_fields=() if deferral else choose_added_fields(wanted, body, search.parameters),
        deferral=deferral,
        preference=choose_preference(search, text),
    )


def choose_preference(search: Search, query_text: str) -> str | None:
    """The same for every page of a search, whoever asks; None where the client chose, or a route leaves no choice."""
    if any(name in place for place in (search.parameters, search.header) for name in ("preference", "routing")):
        return None
    digest = hashlib.blake2b(
        "\0".join((*search.indices, "", query_text)).encode("utf-8", "surrogatepass"), digest_size=8
    )
    return f"rerank-{digest.hexdigest()}"


def _resolve(resolved: ResolvedVariant, settings: Settings, wish: Wish, limit: int | None) -> ResolvedVariant:
    """The variant as the request itself bends it: its window, its model, the model's order alone."""
    if wish.window is not None:
        resolved = replace(resolved, window=wish.window)
    if limit is not None:
        resolved = replace(resolved, window=min(resolved.window, limit))
    if wish.inference_id in settings.models:
        resolved = replace(resolved, model=wish.inference_id)
    return replace(resolved, weights=_ORDER_OF_THE_MODEL, trained=None) if wish.model_only else resolved


def _unfit_search(body: Mapping[str, Any], parameters: Mapping[str, str], wish: Wish) -> Reason | None:
    by_score = _sorts_by_score(parameters.get("sort")) and (wish.limits_hits or _sorts_by_score(body.get("sort")))
    checks = (
        (Reason.MALFORMED, not isinstance(body.get("fields", []), list)),
        (Reason.SCROLL, "scroll" in parameters),
        (Reason.POINT_IN_TIME, "pit" in body),
        (Reason.SLICE, "slice" in body),
        (Reason.SEARCH_AFTER, "search_after" in body),
        (Reason.SORT, not by_score),
    )
    return next((reason for reason, applies in checks if applies), None)


def _unfit_page(page: Page, limit: int | None) -> Reason | None:
    if page.size == 0:
        return Reason.SIZE_0
    return Reason.RETRIEVER if limit is not None and page.end > limit else None


def _unfit_text(text: str) -> Reason | None:
    return None if text else Reason.NO_QUERY_TEXT


def _sorts_by_score(sort: Any) -> bool:
    """Whether `sort` is Elasticsearch's default: absent, or `_score` descending and nothing else."""
    if isinstance(sort, list):
        return len(sort) == 0 or (len(sort) == 1 and _sorts_by_score(sort[0]))
    if isinstance(sort, dict):
        order = sort.get("_score")
        return len(sort) == 1 and (order == "desc" or order in ({}, {"order": "desc"}))
    return sort in (None, "", "_score", "_score:desc")


def _read_page(body: Mapping[str, Any], parameters: Mapping[str, str]) -> Page:
    """The page, the parameters before the body; both must be sound, since the first-stage request has neither."""
    start, size = _read_count(body.get("from", 0)), _read_count(body.get("size", _DEFAULT_SIZE))
    return Page(_read_count(parameters.get("from", start)), _read_count(parameters.get("size", size)))


def _read_count(value: Any) -> int:
    """A `from` or `size`; what Elasticsearch itself might refuse raises Unreadable, so that it can say so."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _COUNT_DIGITS:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise Unreadable("not a number of hits")
    return value


def query_text_of(search: Search, indices: Mapping[str, IndexSettings]) -> str:
    """What a search's words are, reranked or not; empty where it has none, or where our syntax in it is wrong."""
    sections = find_sections(search.indices, indices)
    section = sections.candidates[0][1] if sections else IndexSettings()
    try:
        body, wish = read_wish(search.body)
    except RequestError:
        return ""
    return _query_text(search, body, wish or Wish(), section)


def _query_text(search: Search, body: Mapping[str, Any], wish: Wish, section: IndexSettings) -> str:
    """What the cross-encoder reads, from the most explicit place there is (DESIGN, section 4)."""
    text = wish.query_text or _template_text(search, section)
    if not text and "q" in search.parameters:
        text = read_query_string(search.parameters["q"])
    elif not text:
        text = find_query_text(body.get("query"), section.query_text_fields)
        text = text or find_retriever_text(body.get("retriever"), section.query_text_fields)
    return replace_lone_surrogates(text[:MAX_CHARS])


def _template_text(search: Search, section: IndexSettings) -> str:
    """The text in the template's parameter that the configuration names, the first that has one."""
    given = (search.template or {}).get("params")
    values = [given.get(name) for name in section.template_parameters] if isinstance(given, dict) else []
    return next((value.strip() for value in values if isinstance(value, str) and value.strip()), "")


def _wanted_fields(sections: Sections, wish: Wish, settings: Settings, variant: ResolvedVariant) -> tuple[str, ...]:
    names: list[str] = []
    for _, section in sections.candidates:
        names += wish.fields or parse_template(section.template).fields
        if section.vectors is not None and variant.wants_vectors:
            names += parse_template(section.vectors.template or section.template).fields
        names += section.features.names if settings.profiles.enabled else ()
        names += [settings.profiles.id_field] if settings.profiles.id_field and variant.wants_profile else ()
        if variant.trained:
            names += (*variant.trained.maker.text_fields, *section.features.of(variant.trained.maker.hit_fields))
    return tuple(dict.fromkeys(names))
