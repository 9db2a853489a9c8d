"""Behaviour on disk: sorted runs, buckets of users, the shelf of products, and statistics worked by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.learning.profiles.clusters import NOBODY, Clusters
from middleware.learning.profiles.folding import USE
from middleware.learning.profiles.kmeans import unit_rows
from middleware.learning.profiles.runs import Codec, Runs, id_hash, user_bytes, user_name, users_of
from middleware.learning.profiles.shelf import Shelf, write_shelf
from middleware.learning.profiles.statistics import Counting
from middleware.personalization.fields import HitFields
from middleware.personalization.identity import Identity
from middleware.rerank.vectors import pack

NOW = 1_760_000_000.0
IDENTITY = Identity(b"sixteen bytes or more")


def event(user, action, target, at, **attributes):
    about = {"object": {"object_id": target}, **attributes}
    return {"client_id": user, "action_name": action, "timestamp": int(at * 1000), "event_attributes": about}


def codec():
    return Codec(IDENTITY, ["click", "view"], NOW)


ACTS = st.tuples(st.integers(0, 9), st.sampled_from(["click", "view"]), st.integers(0, 3), st.integers(0, 10**6))


@given(acts=st.lists(ACTS, max_size=60), portion=st.integers(1, 20), per_bucket=st.integers(1, 40))
def test_every_event_is_read_once_with_its_user_in_the_order_of_time(tmp_path_factory, acts, portion, per_bucket):
    runs = Runs(tmp_path_factory.mktemp("work") / "runs")
    raw = [
        (f"e{row}", event(f"user {user}", action, f"p{target}", NOW - age))
        for row, (user, action, target, age) in enumerate(acts)
    ]
    made = codec()
    for start in range(0, len(raw), portion):
        runs.add(made.rows(raw[start : start + portion]), made)
    buckets = runs.buckets(per_bucket)
    found = {}
    for number in range(buckets):
        rows, twice = runs.read(number, buckets)
        assert twice == 0
        for user, start, end in users_of(rows):
            assert user_name(user) not in found
            assert (np.diff(rows["at"][start:end]) >= 0).all()
            found[user_name(user)] = Counter((int(each["object"]), float(each["at"])) for each in rows[start:end])
    wanted = {}
    for user, _, target, age in acts:
        name = IDENTITY.hash(f"user {user}")
        wanted.setdefault(name, Counter())[(id_hash(f"p{target}"), NOW - age)] += 1
    assert found == wanted
    assert runs.events == len(acts)
    assert runs.objects() == sorted({f"p{target}" for _, _, target, _ in acts})


def test_an_event_sent_twice_counts_once_whatever_run_it_is_in(tmp_path):
    runs, made = Runs(tmp_path), codec()
    one = ("same", event("ann", "view", "p1", NOW - 10))
    later = ("same", event("ann", "view", "p1", NOW - 5))
    for portion in ([one, one, ("other", one[1])], [later], [one]):
        runs.add(made.rows(portion), made)
    rows, twice = runs.read(0, 1)
    assert (len(rows), twice) == (2, 3)
    assert rows["at"].tolist() == [NOW - 10, NOW - 10]


def test_what_does_not_count_is_counted_by_its_reason():
    made = codec()
    rows = made.rows([
        ("a", event("ann", "view", "p1", NOW - 1)),
        ("b", event("ann", "scroll", "p1", NOW - 1)),
        ("c", event("ann", "view", "p1", NOW + 60)),
        ("d", event("ann", "view", "p1", 5.0)),
        ("e", event("ann", "view", "p1", NOW - 1, browser="HeadlessChrome")),
        ("f", None),
    ])  # fmt: skip
    assert len(rows) == 1
    assert made.dropped == {
        "of actions without a weight": 1,
        "at an impossible time": 2,
        "of robots by their browser": 1,
        "without a client, an action, an object or a time": 1,
    }


@given(st.binary(min_size=18, max_size=18))
def test_a_user_comes_back_from_its_bytes_zeros_at_the_end_included(raw):
    stored = np.array([raw], dtype="S18")[0]
    assert user_bytes(user_name(bytes(stored))) == raw


def test_products_come_back_from_the_shelf_in_any_order(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    packed = pack(vectors)
    fields = HitFields(("acme",), ("shoes", "running"), 12.5, attributes=("colour=red",))
    pages = [[("a", fields, packed[0]), ("b", HitFields(), None)], [], [("c", HitFields(("x",)), packed[1])]]
    write_shelf(tmp_path / "shelf", iter(pages), "r1")
    shelf = Shelf(tmp_path / "shelf")
    assert (len(shelf), shelf.with_vector, shelf.dimensions, shelf.vector_model) == (3, 2, 6, "r1")
    kept = shelf.get(id_hash("a"))
    assert (kept.object_id, kept.product.fields) == ("a", fields)
    assert kept.product.vector @ unit_rows(vectors[:1])[0] == pytest.approx(1, abs=1e-3)
    assert shelf.get(id_hash("b")).product.vector is None
    assert shelf.get(id_hash("c")).product.vector @ unit_rows(vectors[1:2])[0] == pytest.approx(1, abs=1e-3)
    assert shelf.get(id_hash("gone")) is None
    rows = shelf.rows_of(np.array([id_hash(name) for name in ("c", "gone", "a")], dtype=np.uint64))
    assert rows[1] == -1
    assert [shelf.object_id(row) for row in rows[[0, 2]]] == ["c", "a"]


def test_an_empty_shelf_has_nothing(tmp_path):
    write_shelf(tmp_path / "shelf", iter([]), None)
    shelf = Shelf(tmp_path / "shelf")
    assert len(shelf) == 0
    assert shelf.get(id_hash("a")) is None


def document(weight, brands):
    return {"event_weight": weight, "state": {"brands": brands, "categories": {}, "attributes": {}}}


def test_statistics_are_what_a_hand_makes_of_them(tmp_path):
    # Cluster 0: two users, halves and all of their behaviour on x; one of them does four times as much, and counts 1.
    write_shelf(tmp_path / "shelf", iter([[("p", HitFields(), None), ("q", HitFields(), None)]]), None)
    shelf = Shelf(tmp_path / "shelf")
    p, q = (shelf.get(id_hash(name)).row for name in "pq")
    documents = [document(1.0, {"x": 0.5, "y": 0.5}), document(4.0, {"x": 4.0}), document(2.0, {"y": 2.0})]
    uses = np.array([(0, p, 0.25), (0, q, 0.75), (1, p, 1.0), (2, q, 1.0)], dtype=USE)
    clusters = Clusters(np.eye(2, dtype=np.float32), (0, NOBODY))
    counting = Counting(1, 2)
    counting.add(documents, uses, np.array([0, 0, NOBODY]))
    one, everybody = counting.finish(clusters, shelf, least_users=2)
    assert (one.name, one.users, everybody.name, everybody.users) == ("0", 2, "everybody", 3)
    assert one.brand_affinity == pytest.approx({"x": (0.5 + 1) / 2})  # y is of one user of the cluster alone
    assert one.popularity == pytest.approx({"p": (0.25 + 1) / 2})
    assert everybody.brand_affinity == pytest.approx({"x": 1.5 / 3, "y": 1.5 / 3})
    assert everybody.popularity == pytest.approx({"q": 1.75 / 3, "p": 1.25 / 3})
    assert one.vector.tolist() == [1, 0]
    assert everybody.vector is None


def test_statistics_of_too_few_are_not_made(tmp_path):
    write_shelf(tmp_path / "shelf", iter([]), None)
    counting = Counting(0, 0)
    counting.add([document(1.0, {"x": 1.0})], np.zeros(0, dtype=USE), np.array([NOBODY]))
    assert counting.finish(Clusters(), Shelf(tmp_path / "shelf"), least_users=2) == []
