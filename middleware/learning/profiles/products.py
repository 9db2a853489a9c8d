"""Products of the shop as behaviour is counted on them: fields of the profile's features, and the vectors kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch

from middleware.catalog.bootstrap_patience import Patience, fetch
from middleware.config import FeatureFields, IndexSettings, Settings
from middleware.learning.profiles.shelf import Page
from middleware.learning.step_bar import Step
from middleware.personalization.lookup import products_bodies, read_products
from middleware.rerank.bi_encoder import load_chosen
from middleware.rerank.vector_index import read_vectors, vector_index_name, vectors_search
from middleware.rerank.vector_reader import choice_of
from middleware.rerank.vectors import vector_key
from middleware.search.document import Template, parse_template, read_values
from middleware.search.sections import find_sections


@dataclass(frozen=True, slots=True)
class VectorsOf:
    """Where the vectors of products lie and how a product's is found: by the model's revision and its text."""

    index: str
    revision: str
    template: Template
    max_field_chars: int

    def key(self, source: object) -> str:
        """Under what the vector of a document (`_source`) is kept."""
        values = {path: read_values(source, path) for path in self.template.fields}
        return vector_key(self.revision, self.template.render(values, self.max_field_chars))


def vectors_of(settings: Settings) -> VectorsOf | None:
    """The vectors of `profiles.products_index`; None where none are configured. Raises ModelUnavailable."""
    found = section_with_vectors(settings)
    if found is None or found[1].vectors is None:
        return None
    name, section = found
    vectors = found[1].vectors
    return VectorsOf(
        vector_index_name(name, vectors.index),
        load_chosen(choice_of(vectors)).revision,
        parse_template(vectors.template or section.template),
        section.max_field_chars,
    )


def fields_of(settings: Settings) -> FeatureFields:
    """The fields of products that profiles are made of, as the proxy reads them."""
    products = settings.indices.get(settings.profiles.products_index)
    return products.features if products else FeatureFields()


def section_with_vectors(settings: Settings) -> tuple[str, IndexSettings] | None:
    """Name and section of `indices` that covers the products of profiles, where it has vectors."""
    sections = find_sections((settings.profiles.products_index,), settings.indices)
    if sections is None or sections.candidates[0][1].vectors is None:
        return None
    return sections.candidates[0]


def read_shop(
    client: Elasticsearch,
    settings: Settings,
    vectors: VectorsOf | None,
    objects: Sequence[str],
    patience: Patience,
    step: Step,
) -> Iterator[Page]:
    """The products that `objects` name, each searched for once. Raises CommandError."""
    done = 0
    for body in products_bodies(objects, settings.profiles, fields_of(settings)):
        size = body["size"]
        if vectors is not None:
            body["_source"] = [*(body["_source"] or ()), *vectors.template.fields]  # type: ignore[misc]  # a list or False
        answer = _search(client, settings.profiles.products_index, body, patience)
        yield _page(client, settings, vectors, answer, patience)
        done += int(size)  # type: ignore[call-overload]  # a number
        step("reading products", done, len(objects))


def _page(
    client: Elasticsearch, settings: Settings, vectors: VectorsOf | None, answer: Mapping[str, Any], patience: Patience
) -> Page:
    hits = answer["hits"]["hits"]
    keys = [vectors.key(hit.get("_source")) for hit in hits] if vectors is not None else [""] * len(hits)
    packed: Mapping[str, str] = {}
    if vectors is not None and hits:
        packed = read_vectors(_search(client, vectors.index, vectors_search(list(dict.fromkeys(keys))), patience))
    page = []
    for hit, key in zip(hits, keys, strict=True):
        found = read_products({"hits": {"hits": [hit]}}, settings.profiles, fields_of(settings))
        page += [(object_id, fields, packed.get(key)) for object_id, fields in found.items()]
    return page


def _search(client: Elasticsearch, index: str, body: Mapping[str, Any], patience: Patience) -> Any:
    """An index that is not there holds nothing."""
    return fetch(client, lambda: client.search(index=index, ignore_unavailable=True, **body), patience)
