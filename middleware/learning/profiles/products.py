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
from middleware.personalization.lookup import PRODUCTS_PER_SEARCH, products_bodies, read_products
from middleware.rerank.bi_encoder import load_chosen
from middleware.rerank.vector_index import read_vectors, vector_index_name, vectors_search
from middleware.rerank.vector_reader import choice_of
from middleware.rerank.vectors import vector_key
from middleware.search.document import Template, parse_template
from middleware.search.sections import find_sections


@dataclass(frozen=True, slots=True)
class VectorsOf:
    """Where the vectors of products lie, and what they are kept under: the model's revision and a product's text."""

    index: str
    revision: str
    template: Template
    max_field_chars: int


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
    done, fields = 0, fields_of(settings)
    for body in products_bodies(objects, settings.profiles, fields, vectors.template if vectors else None):
        answer = _search(client, settings.profiles.products_index, body, patience)
        found = read_products(answer, settings.profiles, fields, vectors)
        packed = _vectors(client, vectors, [text for _, text in found.values()], patience) if vectors else {}
        yield [(object_id, of_product, packed.get(text)) for object_id, (of_product, text) in found.items()]
        done = min(done + PRODUCTS_PER_SEARCH, len(objects))
        step("reading products", done, len(objects))


def _vectors(
    client: Elasticsearch, vectors: VectorsOf, texts: Sequence[str], patience: Patience
) -> Mapping[str, str | None]:
    """text -> packed vector, of those that have one."""
    keys = {text: vector_key(vectors.revision, text) for text in texts if text}
    if not keys:
        return {}
    found = read_vectors(_search(client, vectors.index, vectors_search(list(keys.values())), patience))
    return {text: found.get(key) for text, key in keys.items()}


def _search(client: Elasticsearch, index: str, body: Mapping[str, Any], patience: Patience) -> Any:
    """An index that is not there holds nothing."""
    return fetch(client, lambda: client.search(index=index, ignore_unavailable=True, **body), patience)
