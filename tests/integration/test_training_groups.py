"""Training groups end to end: a catalogue bootstrapped into a real node, its judgments, its log and its own words."""

from __future__ import annotations

import json
import uuid

import pytest

from middleware.catalog.bootstrap import BootstrapOptions, bootstrap_products
from middleware.catalog.bootstrap_records import RecordsOptions, bootstrap_records
from middleware.catalog.client import Access, connect
from middleware.catalog.demo import generate
from middleware.config import Settings
from middleware.errors import CommandError
from middleware.learning.demo.pairs import TEMPLATE
from middleware.learning.groups.group import read_groups, split, write_groups
from middleware.learning.groups.make import GroupOptions, Sources, make_groups
from middleware.learning.groups.shop_documents import draw_documents, find_documents
from middleware.learning.groups.teachers import MixedTeacher
from middleware.learning.shop import open_shop

pytestmark = pytest.mark.integration
PRODUCTS = 400
INVENTED = 40
T0 = 1_717_527_761_000


def letters(texts):
    """A bi-encoder in a line: counts of letter pairs, so that the test loads no model."""
    import numpy as np

    vectors = np.zeros((len(texts), 256))
    for row, text in enumerate(texts):
        for first, second in zip(text.casefold(), text.casefold()[1:], strict=False):
            vectors[row, (ord(first) * 31 + ord(second)) % 256] += 1
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


@pytest.fixture(scope="module")
def shop(upstream_url, tmp_path_factory):
    """400 products of the demo, and a log in which people click what stands second."""
    folder, name = tmp_path_factory.mktemp("groups"), f"groups{uuid.uuid4().hex[:12]}"
    catalog, products, log = generate(), folder / "products.jsonl", folder / "log.tsv"
    lines = [json.dumps({**product, "sku": f"S{product['id']}"}) for product in catalog.products[:PRODUCTS]]
    products.write_text("\n".join(lines))
    log.write_text("\n".join(log_lines(catalog.products)))
    with connect(upstream_url) as client:
        bootstrap_products(client, products, name, BootstrapOptions(rejects=folder / "rejects.jsonl"))
        bootstrap_records(client, "ubi", log, RecordsOptions(prefix=f"{name}_", rejects=folder / "log-rejects.jsonl"))
        client.indices.refresh(index=f"{name}*")
        settings = Settings(
            upstream={"urls": [upstream_url]},
            indices={name: {"template": TEMPLATE}},
            variants={"default": {}},
            profiles={"id_field": "sku", "events_index": f"{name}_ubi_events"},
        )
        yield open_shop(settings, Access(), name, None, 30)
        for index in client.indices.get(index=f"{name}*").body:
            client.indices.delete(index=index)


def log_lines(products):
    for number in range(60):
        user, listed = f"c{number}", [f"S{product['id']}" for product in products[:5]]
        listed = listed if number % 2 else listed[::-1]
        query = {"query_id": f"q{number}", "user_query": "running shoes", "client_id": user, "timestamp": T0}
        yield "ubi_queries\t" + json.dumps({**query, "query_response_object_ids": listed})
        act = {"action_name": "click", "query_id": f"q{number}", "client_id": user, "timestamp": T0 + 5000}
        target = {"object": {"object_id": listed[1]}, "position": {"ordinal": 2}}
        yield "ubi_events\t" + json.dumps({**act, "event_attributes": target})


@pytest.fixture(scope="module")
def made(shop):
    products = generate().products[:PRODUCTS]
    judgments = {"running shoes": {products[1]["id"]: 3, products[2]["id"]: 0, "gone": 2}, "void": {"gone": 1}}
    sources = Sources(
        judgments=judgments,
        behaviour=shop.settings.profiles.events_index,
        queries=["leather wallet", "qqqqqq"],
        invented=INVENTED,
        teacher=MixedTeacher(letters),
    )
    return make_groups(shop, sources, GroupOptions(seed=5), lambda *_: None)


def test_every_source_gives_its_groups_and_what_is_missing_is_counted(made):
    assert made.used["judged queries"] == made.used["behaviour queries"] == made.used["unlabelled queries"] == 1
    senseless = made.dropped.get("invented queries that their product does not answer", 0)
    assert made.used["invented queries"] == INVENTED - senseless > INVENTED / 2
    assert made.dropped["judged documents that the index lacks"] == 2
    assert made.dropped["judged queries without a document in the index"] == 1
    assert made.dropped["unlabelled queries that find nothing"] == 1
    assert "60 searches of the log counted" in made.notes[0]


def test_texts_are_those_of_the_template_and_scores_those_of_the_node(shop, made):
    group = next(group for group in made.groups if group.origin == "unlabelled")
    window = shop.window(group.query_text)
    texts = dict(zip(window.document_texts, window.first_stage_scores, strict=True))
    found = [(text, score) for text, score in zip(group.document_texts, group.first_stage, strict=True) if score]
    assert found
    assert all(texts[text] == pytest.approx(score) for text, score in found)
    known = find_documents(shop, group.document_ids)
    assert [known[each].text for each in group.document_ids] == list(group.document_texts)


def test_what_people_clicked_is_on_top_and_found_by_its_own_name(shop, made):
    group = next(group for group in made.groups if group.origin == "behaviour")
    clicked = {document.document_id for document in find_documents(shop, ["Sp0002", "Sp0004"], "sku").values()}
    assert len(clicked) == 2
    targets = dict(zip(group.document_ids, group.targets, strict=True))
    assert min(targets[each] for each in clicked) > 0.5
    assert sum(group.given) == 5


def test_every_group_can_be_learned_from_written_and_split(made, tmp_path):
    for group in made.groups:
        assert len(set(group.document_ids)) == len(group.document_ids) >= 2
        assert all(group.document_texts)
        assert 0 <= min(group.targets) < max(group.targets) <= 1
    write_groups(tmp_path / "groups.jsonl", made.groups)
    assert read_groups(tmp_path / "groups.jsonl") == list(made.groups)
    training, held_out = split(made.groups, 0.2, seed=1)
    assert len(training) + len(held_out) == len(made.groups)
    assert held_out


def test_the_same_call_gives_the_same_groups(shop):
    sources = Sources(invented=10, teacher=MixedTeacher(letters))
    first, again = (make_groups(shop, sources, GroupOptions(seed=2), lambda *_: None) for _ in range(2))
    assert first == again


def test_documents_are_drawn_by_chance_with_their_texts(shop):
    drawn = draw_documents(shop, 50, seed=1)
    assert len({each.document_id for each in drawn}) == 50
    assert drawn == draw_documents(shop, 50, seed=1)
    assert drawn != draw_documents(shop, 50, seed=2)


def test_a_missing_index_of_events_is_said_in_one_line(shop):
    with pytest.raises(CommandError, match="no such index"):
        make_groups(shop, Sources(behaviour="no_such_events"), GroupOptions(), lambda *_: None)
