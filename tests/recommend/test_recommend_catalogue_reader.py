"""The catalogue as it is read from what builds left: a text of many products, products that no build knows, limits."""

from __future__ import annotations

import numpy as np
import pytest

from middleware.errors import UpstreamError
from middleware.recommend.catalogue_reader import CatalogueReader
from middleware.recommend.index import read_together, recommend_index_name, together_document
from middleware.recommend.popularity import PopularityReader
from middleware.rerank.vectors import pack

RIGHT, UP = pack(np.array([[1, 0], [0, 1]], dtype=np.float32))


class Node:
    """Answers as a cluster with two indices does: every search gets all that lies there, scrolls end after a page."""

    def __init__(self, vectors, built):
        self.indices = {"vectors": vectors, "built": built}
        self.asked = []
        self.fails = False

    def __call__(self, method, path, body):
        self.asked.append(f"{method} {path}")
        if self.fails:
            raise UpstreamError("away")
        if path == "/_search/scroll":
            return {"_scroll_id": "s", "hits": {"hits": []}}
        index = path.split("/")[1]
        if "aggs" in body:
            return {"aggregations": {"encoders": {"buckets": [{"key": "e"}] if self.indices[index] else []}}}
        hits = [{"_id": name, "_source": source} for name, source in self.indices[index].items()]
        return {"_scroll_id": "s", "hits": {"hits": hits}}


def vector(packed, product):
    return {"vector": packed, "product": product, "encoder": "e"}


def read(node, most=100):
    reader = CatalogueReader("vectors", "built", most, 600.0, node)
    reader.load()
    return reader.catalogue


def nearest(catalogue):
    return [name for name, _ in catalogue.nearest(np.array([1, 0], dtype=np.float32), 9)]


def test_products_that_share_a_text_share_its_vector():
    built = {name: {"vector_key": key, "encoder": "e"} for name, key in (("a", "k1"), ("a2", "k1"), ("b", "k2"))}
    found = read(Node({"k1": vector(RIGHT, "a"), "k2": vector(UP, "b")}, built))
    assert nearest(found) == ["a", "a2", "b"]
    assert found.encoder == "e"


def test_before_any_build_each_vector_stands_for_the_product_that_it_names():
    assert nearest(read(Node({"k1": vector(RIGHT, "a"), "k2": vector(UP, "b")}, {}))) == ["a", "b"]


def test_what_is_damaged_or_of_another_size_is_left_out():
    other = pack(np.ones((1, 3), dtype=np.float32))[0]
    vectors = {"k1": vector(RIGHT, "a"), "k2": vector(other, "b"), "k3": {"product": "c"}, "k4": vector("!", "d")}
    assert nearest(read(Node(vectors, {}))) == ["a"]


def test_no_more_products_are_held_than_configured():
    vectors = {f"k{number}": vector(RIGHT, str(number)) for number in range(5)}
    assert len(read(Node(vectors, {}), most=3)) == 3


def test_a_scan_is_closed_and_a_shop_without_vectors_has_none():
    node = Node({"k1": vector(RIGHT, "a")}, {})
    read(node)
    assert node.asked.count("DELETE /_search/scroll") == 2
    assert len(read(Node({}, {}))) == 0


def test_what_was_read_stays_while_the_cluster_is_away():
    node = Node({"k1": vector(RIGHT, "a")}, {})
    reader = CatalogueReader("vectors", "built", 10, 600.0, node)
    reader.load()
    node.fails = True
    with pytest.raises(UpstreamError):
        reader.load()
    assert nearest(reader.catalogue) == ["a"]


def everybody(popularity):
    shares = {"brands": {}, "categories": {}, "attributes": {}, "popularity": popularity}
    return {"everybody": {"kind": "everybody", "cluster": "everybody", "users": 50, "state": shares}}


def popularity(profiles, built, clock=lambda: 0.0):
    node = Node({}, built)
    node.indices["profiles"] = profiles
    return PopularityReader("profiles", "built", node, most=2, ttl_s=60.0, clock=clock), node


def test_popular_is_what_everybody_likes_and_else_what_most_bought():
    reader, _ = popularity(everybody({"x": 0.1, "y": 0.5, "z": 0.2}), {"a": {}})
    assert (reader.read().object_ids, reader.read().products) == (["y", "z"], ())
    reader, _ = popularity({}, {"a": {}, "b": {}})
    assert (reader.read().object_ids, reader.read().products) == ((), ["a", "b"])


def test_popularity_is_remembered_for_its_time_and_a_failure_for_less():
    now = [0.0]
    reader, node = popularity({}, {"a": {}}, clock=lambda: now[0])
    reader.read()
    asked = len(node.asked)
    now[0] = 59.0
    reader.read()
    assert len(node.asked) == asked
    now[0], node.fails = 61.0, True
    assert reader.read().products == ["a"]  # what was known stays
    node.fails, now[0] = False, 67.0
    reader.read()
    assert len(node.asked) > asked + 1


def test_what_goes_together_is_read_as_it_was_written():
    answer = {"hits": {"hits": [{"_source": {"together": together_document(["a", "b"], [2.0, 1.0])}}, {"_source": {}}]}}
    assert read_together(answer) == [{"a": 2.0, "b": 1.0}]


def test_the_index_is_named_after_the_section():
    assert recommend_index_name("Shop-*") == "es-rerank-recommend-shop-"
