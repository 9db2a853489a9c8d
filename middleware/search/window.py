"""What the second stage reads of a window: the text and the feature fields of each hit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from middleware.config import IndexSettings
from middleware.features.dates import today
from middleware.features.evidence import Evidence
from middleware.personalization.fields import HitFields, read_hit_fields
from middleware.search.chunks import best_chunks, split_chunks
from middleware.search.document import Template, parse_template, template_of
from middleware.search.hits import Hit, SearchResponse
from middleware.search.plan import Plan
from middleware.search.reasons import Reason

# A text to be cut into chunks may be long; no more of it is looked at.
_MAX_CHUNKED_CHARS = 200_000


@dataclass(frozen=True, slots=True)
class Window:
    """The first n hits, in first-stage order: document texts, feature fields and scores.

    `passages` are what the model reads: the document texts, or of long ones their best chunks, one after the other;
    `owners` holds for each passage the position of its document. `values` are of each hit what its text and its
    features read: field path -> its values. `titles` are the first field of each document text, `object_ids` what
    events call the documents; both are empty where no profile may join the ranking.
    """

    document_texts: Sequence[str]
    hit_fields: Sequence[HitFields]
    first_stage_scores: NDArray[np.float64]
    passages: Sequence[str]
    owners: NDArray[np.intp]
    values: Sequence[Mapping[str, Sequence[object]]] = ()
    titles: Sequence[str] = ()
    object_ids: Sequence[str] = ()

    def evidence(self, query_text: str, vector_cosines: NDArray[np.float64] | None = None) -> Evidence:
        """What features are made of."""
        return Evidence(query_text, self.first_stage_scores, self.values, self.hit_fields, vector_cosines)

    def best_of_passages(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """The score of each of the first documents, shape (k,): its best passage's.

        `scores` are those of the first passages; a document of which a passage is missing ends what is known.
        """
        known = len(self.document_texts) if len(scores) == len(self.owners) else int(self.owners[len(scores)])
        best = np.zeros(known)
        complete = int(np.searchsorted(self.owners, known))
        np.maximum.at(best, self.owners[:complete], scores[:complete])
        return best


def read_window(
    plan: Plan,
    response: SearchResponse,
    *,
    has_profile: bool = True,
    id_field: str | None = None,
    day: int | None = None,
) -> Window | Reason:
    """Texts and fields of the hits to rerank, or why there is nothing to rerank.

    `has_profile`: whether a profile may join the ranking. `hit_fields` is empty where neither that nor the fusion
    model reads it. `id_field`: of the object_ids; default: _id. `day`: the present one, in days since 1970; default:
    today's.
    """
    hits = response.hits[: plan.variant.window]
    if not hits:
        return Reason.NO_HITS
    kinds = plan.variant.trained.maker.hit_fields if plan.variant.trained else ()
    if day is None and {"popularity", "date"} & set(kinds):
        day = today()
    read = _read_hits(plan, hits, has_profile, reads_fields=has_profile or bool(kinds), day=day)
    if read is None:
        return Reason.INDEX_NOT_CONFIGURED
    texts, titles, fields, values = read
    if not any(texts):
        return Reason.NO_DOCUMENT_TEXT
    first_stage_scores = np.array([hit.first_stage_score for hit in hits], dtype=np.float64)
    passages, owners = _passages(plan, texts)
    object_ids = [_object_id(hit, id_field) for hit in hits] if has_profile else ()
    return Window(texts, fields, first_stage_scores, passages, owners, values, titles, object_ids)


def _object_id(hit: Hit, id_field: str | None) -> str:
    """Empty for a hit without one."""
    return hit.name[1] if id_field is None else str(next(iter(hit.values(id_field)), ""))


def _read_hits(
    plan: Plan, hits: Sequence[Hit], has_profile: bool, *, reads_fields: bool, day: int | None
) -> tuple[Sequence[str], Sequence[str], Sequence[HitFields], Sequence[Mapping[str, Sequence[object]]]] | None:
    """Of each hit its text, its title and its feature fields where they are read, and its values.

    None where one is not for us.
    """
    texts, titles, fields, values, last = [], [], [], [], None
    own = template_of(plan.wish.fields)
    for hit in hits:
        section = plan.sections.of_hit(hit.index)
        if section is None:
            return None
        if section is not last:  # most searches have one for all of their hits
            template, last = own or parse_template(section.template), section
            paths = _paths(plan, section, template, has_profile)
            max_chars = section.max_field_chars if plan.wish.chunks is None else _MAX_CHUNKED_CHARS
        found = {path: hit.values(path) for path in paths}
        texts.append(template.render(found, max_chars))
        if has_profile:
            titles.append(" ".join(map(str, found.get(template.fields[0], ()))) if template.fields else "")
        values.append(found)
        if reads_fields:
            fields.append(read_hit_fields(found, section.features, day=day))
    return texts, titles, fields, values


def _paths(plan: Plan, section: IndexSettings, template: Template, has_profile: bool) -> tuple[str, ...]:
    """What is read of a hit: its text's fields, and those of the features that someone wants."""
    paths = (*template.fields, *section.features.names) if has_profile else template.fields
    trained = plan.variant.trained
    if trained is None:
        return paths
    return tuple(dict.fromkeys((*paths, *trained.maker.text_fields, *section.features.of(trained.maker.hit_fields))))


def vector_texts(plan: Plan, response: SearchResponse, window: Window) -> tuple[str, Sequence[str]] | None:
    """The section that keeps the vectors of a window's documents, and the text that each was made of.

    None where there are none, or the search is on several sections: their cosines cannot be compared.
    """
    if len(plan.sections.candidates) != 1 or not plan.variant.wants_vectors:
        return None
    ((name, section),) = plan.sections.candidates
    if section.vectors is None:
        return None
    text = section.vectors.template or section.template
    if text == section.template and not plan.wish.fields and plan.wish.chunks is None:
        return name, window.document_texts
    template = parse_template(text)
    return name, [
        template.render({path: hit.values(path) for path in template.fields}, section.max_field_chars)
        for hit in response.hits[: len(window.document_texts)]
    ]


def _passages(plan: Plan, texts: Sequence[str]) -> tuple[Sequence[str], NDArray[np.intp]]:
    chunking = plan.wish.chunks
    if chunking is None:
        return texts, np.arange(len(texts))
    chosen = [best_chunks(plan.query_text, split_chunks(text, chunking), chunking.size) or [""] for text in texts]
    owners = np.repeat(np.arange(len(texts)), [len(chunks) for chunks in chosen])
    return [chunk for chunks in chosen for chunk in chunks], owners
