"""Which fields of an index are text attributes: by what its mapping says and its documents hold."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from middleware.learning.fusion.fields import Mapped, choose_attributes, read_mappings

NOTHING = Mapped({}, ())
WORDS = ["red", "blue", "green", "cotton", "leather", "round"]


def catalogue(count=200):
    rng = random.Random(0)
    for number in range(count):
        yield {
            "colour": rng.choice(WORDS),
            "material": {"outer": rng.choice(WORDS)} if number % 4 == 0 else None,
            "sku": f"RX-{number}",
            "uuid": f"{rng.getrandbits(64):x}",
            "url": f"https://shop/{number}",
            "image": f"{number}.jpg",
            "since": "2020-01-02T00:00:00Z",
            "price": 5.5,
            "weight": f"{number} - 60",
            "currency": "EUR",
            "description": " ".join(rng.choices(WORDS, k=80)),
            "name_zh": f"红色手机{number}号",
            "attributes": [{"name": "fit", "value": rng.choice(WORDS)}],
            **({"rare": "seldom seen"} if number == 7 else {}),
        }


def test_text_attributes_are_short_texts_and_no_ids_addresses_dates_or_numbers() -> None:
    chosen = choose_attributes(list(catalogue()), NOTHING)
    assert chosen == ["attributes.value", "colour", "name_zh", "material.outer"]


@pytest.mark.parametrize("mapping", [{"type": "date"}, {"type": "keyword", "index": False}, {"type": "ip"}])
def test_what_the_mapping_calls_something_else_is_none(mapping) -> None:
    assert "colour" in choose_attributes(list(catalogue()), Mapped({"colour": {"type": "keyword"}}, ()))
    assert "colour" not in choose_attributes(list(catalogue()), Mapped({"colour": mapping}, ()))


def sparse(count=200):
    rng = random.Random(1)
    for number in range(count):
        kind = number % 8
        yield {f"attr_t_{kind}": rng.choice(WORDS), f"attr_n_{kind}": 5, f"attr_n_{kind}x": 6, "title": "a red thing"}


def test_many_sparse_attributes_become_a_pattern_that_means_no_numbers() -> None:
    documents = list(sparse())
    assert choose_attributes(documents, NOTHING)[0] == "attr_t_*"
    assert len(choose_attributes(documents, NOTHING)) == 1  # all titles are the same
    assert choose_attributes(documents, Mapped({}, ("attr_t_*", "other_*"))) == ["attr_t_*"]


def test_objects_of_attributes_become_a_pattern() -> None:
    documents = [{"attributes": {f"a{name}": f"x {WORDS[place % 6]}"}} for place in range(100) for name in range(8)]
    assert choose_attributes(documents, NOTHING) == ["attributes.*"]
    documents = [document for document in documents if "a7" not in document["attributes"]]
    assert len(choose_attributes(documents, NOTHING)) == 7


def test_without_documents_there_are_none() -> None:
    assert choose_attributes([], NOTHING) == []


TEXT = {"type": "text"}


@pytest.mark.parametrize(
    ("rule", "patterns"),
    [
        ({"match": "attr_t_*", "mapping": TEXT}, ["attr_t_*"]),
        ({"path_match": "attributes.*", "mapping": {"type": "keyword"}}, ["attributes.*"]),
        ({"match": "img_*", "mapping": {"type": "keyword", "index": False}}, []),
        ({"match": "attr_n_*", "mapping": {"type": "double"}}, []),
        ({"match": "*", "mapping": TEXT}, []),
        ({"match": "*_url", "mapping": TEXT}, []),
        ({"match": "^a.*", "match_pattern": "regex", "mapping": TEXT}, []),
        ({"match_mapping_type": "string", "mapping": TEXT}, []),
        ({"match": "ip_*", "runtime": {"type": "ip"}}, []),
    ],
)
def test_name_patterns_that_are_mapped_as_texts_are_taken_from_the_mapping(rule, patterns) -> None:
    mappings = {"dynamic_templates": [{"a": rule}], "properties": {"a": {"properties": {"b": TEXT}}, "c": TEXT}}
    answer = SimpleNamespace(body={"products-1": {"mappings": mappings}, "other": {"mappings": {}}})
    indices = SimpleNamespace(get_mapping=lambda index: answer)
    client = SimpleNamespace(indices=indices, options=lambda **_: client)
    found = read_mappings(SimpleNamespace(client=client, index="products"))
    assert found.text_patterns == patterns
    assert found.fields["a.b"] == found.fields["c"] == TEXT
