"""Profiles made in batch on real nodes: what is written, what is left out, and builds that are killed."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from elasticsearch.helpers import bulk
from profiles_build_process import (
    DAY_S,
    IDENTITY,
    LEAST_USERS,
    NOW,
    behaviour,
    build,
    event,
    names,
    products,
    settings_of,
    vector_documents,
    write_log,
)
from typer.testing import CliRunner

from middleware.catalog.client import connect
from middleware.catalog.mapping_files import load_body
from middleware.config import FeatureFields
from middleware.personalization.documents import from_document, statistics_from_document
from middleware.personalization.events import Event
from middleware.personalization.fields import HitFields
from middleware.personalization.state import EMPTY, Product, fold
from middleware.personalization.store import ProfileReader

pytestmark = pytest.mark.integration


class Node:
    """A node with a shop of its own."""

    def __init__(self, url: str) -> None:
        self.url, self.prefix = url, f"pb{uuid.uuid4().hex[:8]}"
        self.client, self.index = connect(url), names(self.prefix)
        self.client.indices.create(index=self.index["events"], **load_body("ubi_events"))
        self.client.indices.create(index=self.index["vectors"], **load_body("vectors"))
        self.put("products", products(self.prefix))
        self.put("vectors", vector_documents())

    def put(self, kind: str, documents: dict[str, dict]) -> None:
        actions = [{"_index": self.index[kind], "_id": name, "_source": each} for name, each in documents.items()]
        bulk(self.client, actions, refresh=True)

    def profiles(self) -> dict[str, dict]:
        self.client.indices.refresh(index=self.index["profiles"])
        hits = self.client.search(index=self.index["profiles"], size=10_000)["hits"]["hits"]
        return {hit["_id"]: hit["_source"] for hit in hits}

    def close(self) -> None:
        for index in self.index.values():
            self.client.options(ignore_status=404).indices.delete(index=index)


@pytest.fixture
def shop(engine_url):
    node = Node(engine_url)
    yield node
    node.close()


def statistics(documents, name):
    return statistics_from_document(documents[name])


def test_all_events_become_profiles_clusters_and_statistics(shop, tmp_path):
    shop.put("events", behaviour())
    report = build(shop.url, shop.prefix, tmp_path / "work")
    documents = shop.profiles()
    assert (report.events, report.users, report.products, report.products_with_vector) == (480, 60, 20, 20)
    assert len(documents) == 63
    assert not (tmp_path / "work").exists()
    assert "shopper" not in json.dumps(documents)
    assert max(report.silhouettes, key=report.silhouettes.get) == 2
    clusters = {IDENTITY.hash(f"shopper {number}"): number % 2 for number in range(60)}
    found = {(number, documents[name]["cluster"]) for name, number in clusters.items()}
    assert len(found) == 2
    assert {cluster for _, cluster in found} == {"0", "1"}
    for taste, cluster in found:
        one = statistics(documents, f"cluster:{cluster}")
        likes, other = ("shoes", "phones")[taste], ("phones", "shoes")[taste]
        assert one.users == 30
        assert one.category_affinity[likes] > 0.8
        assert one.category_affinity.get(other, 0) < 0.2
        assert next(iter(one.popularity)).startswith(likes)
        assert one.vector_model == "r1"
        assert one.vector[taste] > 0.9
    everybody = statistics(documents, "everybody")
    assert everybody.users == 60
    assert sum(everybody.popularity.values()) == pytest.approx(1, abs=0.1)


def test_a_profile_is_what_folding_its_events_gives(shop, tmp_path):
    events = {f"e{number}": event("ann", "click", f"shoes-{number}", number * 3.0) for number in range(1, 6)}
    shop.put("events", events)
    build(shop.url, shop.prefix, tmp_path / "work")
    found = from_document(shop.profiles()[IDENTITY.hash("ann")])
    acts = [Event("ann", "click", f"shoes-{number}", NOW - number * 3.0 * DAY_S) for number in range(1, 6)]
    shelf = {f"shoes-{number}": Product(HitFields(("runner",), ("shoes",), 10.0 + number)) for number in range(1, 6)}
    wanted = fold(EMPTY, acts, shelf, settings_of(shop.url, shop.prefix).profiles, NOW)
    assert found.weight == pytest.approx(wanted.weight)
    assert found.brands == pytest.approx(wanted.brands)
    assert found.price_sum == pytest.approx(wanted.price_sum)
    assert (found.events, found.last_event_s) == (5, pytest.approx(wanted.last_event_s))
    assert found.vector_weight == pytest.approx(found.weight)


def test_a_search_reads_what_a_build_wrote_and_knows_those_who_are_new_by_everybody(shop, tmp_path):
    shop.put("events", behaviour())
    build(shop.url, shop.prefix, tmp_path / "work")
    settings = settings_of(shop.url, shop.prefix)

    def fetch(index, body, _headers):
        return shop.client.search(index=index, **body).body

    reader = ProfileReader(settings.profiles, FeatureFields(), fetch, identity=IDENTITY)
    known, new = reader.read("shopper 1", {}, now=NOW), reader.read("somebody new", {}, now=NOW)
    reader.close()
    assert max(known.category_affinity, key=known.category_affinity.get) == "phones"
    assert known.cluster == shop.profiles()[IDENTITY.hash("shopper 1")]["cluster"]
    assert known.weight == pytest.approx(shop.profiles()[IDENTITY.hash("shopper 1")]["event_weight"])
    assert new is not None
    assert new.weight == 0


def test_what_is_no_behaviour_of_a_person_is_left_out_and_counted(shop, tmp_path):
    robot = {f"r{number}": event("tireless", "view", "shoes-1", 1 + number / 1000) for number in range(101)}
    agent = {"object": {"object_id": "shoes-1"}, "browser": "Googlebot/2.1"}
    odd = {
        "a": event("bob", "view", "shoes-1", 1),
        "b": event("bob", "view", "gone", 1),
        "c": event("bob", "scroll", "shoes-1", 1),
        "d": {**event("bob", "view", "shoes-1", 1), "event_attributes": agent},
        "e": {"client_id": "bob", "action_name": "view", "timestamp": int(NOW * 1000) - 5},
        "late": event("bob", "view", "shoes-1", -1),
    }
    shop.put("events", {**robot, **odd})
    report = build(shop.url, shop.prefix, tmp_path / "work")
    assert report.dropped == {
        "of robots by their number": 101,
        "robots": 1,
        "of robots by their browser": 1,
        "of actions without a weight": 1,
        "without a client, an action, an object or a time": 1,
        "on products that are not there": 1,
    }
    assert set(shop.profiles()) == {IDENTITY.hash("bob")}


def test_a_user_named_plainly_by_the_shop_and_by_our_hash_is_one(shop, tmp_path):
    shop.put("events", {
        "a": event("ann", "click", "shoes-1", 2),
        "b": event(IDENTITY.hash("ann"), "click", "shoes-2", 1),
    })  # fmt: skip
    build(shop.url, shop.prefix, tmp_path / "work")
    documents = shop.profiles()
    assert list(documents) == [IDENTITY.hash("ann")]
    assert documents[IDENTITY.hash("ann")]["event_count"] == 2


def test_what_fewer_users_share_than_the_floor_is_not_kept(shop, tmp_path):
    few = {
        f"{user}-{target}": event(f"u{user}", "click", f"phones-{target}", 1) for user in range(9) for target in (1, 2)
    }
    shop.put("events", few)
    build(shop.url, shop.prefix, tmp_path / "work")
    assert "everybody" not in shop.profiles()
    shop.put("events", {"more": event("u10", "click", "phones-1", 1)})
    build(shop.url, shop.prefix, tmp_path / "work")
    everybody = statistics(shop.profiles(), "everybody")
    assert everybody.users == LEAST_USERS
    assert list(everybody.popularity) == ["phones-1"]
    assert everybody.popularity["phones-1"] == pytest.approx((9 * 0.5 + 1) / 10)


def test_a_build_leaves_nothing_of_those_before(shop, tmp_path):
    shop.put("events", behaviour())
    build(shop.url, shop.prefix, tmp_path / "work")
    gone = {f"e0-{act}" for act in range(8)}
    for name in gone:
        shop.client.delete(index=shop.index["events"], id=name, refresh=True)
    shop.put("profiles", {"cluster:9": {"kind": "cluster", "updated_at": 1}})
    report = build(shop.url, shop.prefix, tmp_path / "work", now=NOW - 0.5)
    documents = shop.profiles()
    assert report.removed == 2
    assert IDENTITY.hash("shopper 0") not in documents
    assert "cluster:9" not in documents


def test_a_log_gives_what_the_index_gives_and_sent_twice_it_counts_once(shop, tmp_path):
    shop.put("events", behaviour())
    build(shop.url, shop.prefix, tmp_path / "work")
    from_index = shop.profiles()
    log = write_log(tmp_path / "log.ndjson", behaviour())
    log.write_text(log.read_text() * 2 + "no event\n")
    report = build(shop.url, shop.prefix, tmp_path / "work", events=log)
    assert shop.profiles() == from_index
    assert report.dropped["sent twice"] == 480
    assert report.dropped["without a client, an action, an object or a time"] == 1


def test_who_is_erased_while_a_build_is_at_work_does_not_come_back(shop, tmp_path):
    shop.put("events", behaviour())
    erased = IDENTITY.hash("shopper 3")

    def step(what, done, steps):
        if what == "writing profiles" and done == 1:
            query = {"term": {"client_id": "shopper 3"}}
            shop.client.delete_by_query(index=shop.index["events"], query=query, refresh=True)
            shop.client.options(ignore_status=404).delete(index=shop.index["profiles"], id=erased)

    report = build(shop.url, shop.prefix, tmp_path / "work", step)
    assert report.users == 60
    assert len(shop.profiles()) == 59 + 3
    assert erased not in shop.profiles()


@pytest.fixture
def one_shop(upstream_url):
    node = Node(upstream_url)
    yield node
    node.close()


def test_killed_anywhere_a_build_goes_on_to_the_same_documents(one_shop, tmp_path):
    shop = one_shop
    shop.put("events", behaviour())
    build(shop.url, shop.prefix, tmp_path / "whole")
    wanted = shop.profiles()
    shop.client.indices.delete(index=shop.index["profiles"])
    kills = 0
    while (output := run(shop, tmp_path / "work", 8 + 41 * kills)) is None:
        kills += 1
    assert kills >= 5
    assert output["resumed"]
    assert shop.profiles() == wanted


def run(shop, work, kill_at):
    """What a build in a process of its own says; None where it killed itself."""
    script = Path(__file__).with_name("profiles_build_process.py")
    command = [sys.executable, str(script), shop.url, shop.prefix, str(work), str(kill_at)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode == -9:
        return None
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_commands_show_what_was_built(shop, tmp_path, monkeypatch):
    from middleware.cli import app

    shop.put("events", behaviour())
    build(shop.url, shop.prefix, tmp_path / "work")
    config = tmp_path / "rerank.yml"
    config.write_text(
        json.dumps({
            "upstream": {"urls": [shop.url]},
            "privacy": {"key": "a key of sixteen bytes or more", "least_users": LEAST_USERS},
            "profiles": {
                "index": shop.index["profiles"],
                "events_index": shop.index["events"],
                "products_index": shop.index["products"],
            },
        })
    )  # fmt: skip
    shown = CliRunner().invoke(app, ["profiles", "show", "shopper 1", "--config", str(config)])
    assert shown.exit_code == 0, shown.output
    assert IDENTITY.hash("shopper 1")[:20] in shown.output.replace("\n", "")
    assert "phones" in shown.output
    for name in ("clusters.html", "clusters.png"):
        drawn = CliRunner().invoke(
            app, ["profiles", "clusters", "--config", str(config), "--picture", str(tmp_path / name)]
        )
        assert drawn.exit_code == 0, drawn.output
    page = (tmp_path / "clusters.html").read_text()
    assert "<svg" in page
    assert "mean silhouette" in page
    assert "30 users" in page
    built = CliRunner().invoke(app, ["profiles", "build", "--config", str(config), "--work", str(tmp_path / "w")])
    assert built.exit_code == 0, built.output
    assert "480 events of 60 users" in built.output
    assert "no product has a vector" in built.output
