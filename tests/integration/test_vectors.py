"""Vectors on real nodes of both engines: built, killed and resumed, kept up to date, and searched without a trace."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid

import pytest
import yaml
from http_call import call, fill
from tiny_model import WORDS, save_tiny_bert
from typer.testing import CliRunner

from middleware.catalog.client import connect
from middleware.catalog.product_vectors import TextSource, build_vectors
from middleware.cli import app
from middleware.errors import CommandError
from middleware.rerank.bi_encoder import load_bi_encoder
from middleware.search.document import parse_template

pytestmark = pytest.mark.integration

DOCUMENTS = 1300  # three pages of a scan
TEMPLATE = parse_template("{title}[ | {brand}]")


class Slow:
    """An encoder that takes its time over each page, so that a run can be killed between two."""

    def __init__(self, encoder, seconds):
        self._encoder, self._seconds = encoder, seconds
        self.name, self.revision = encoder.name, encoder.revision
        self.encoded = []

    def encode_documents(self, texts):
        time.sleep(self._seconds)
        self.encoded += texts
        return self._encoder.encode_documents(texts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_bert(tmp_path_factory.mktemp("bi-encoder"), head=False)


@pytest.fixture(scope="module")
def encoder(folder):
    return load_bi_encoder(str(folder))


@pytest.fixture
def shop(engine_url):
    """An alias on an index of DOCUMENTS products whose texts all differ, as a bootstrap leaves it."""
    name = f"vectors-{uuid.uuid4().hex[:8]}"
    rng, lines = random.Random(4), []
    for number in range(DOCUMENTS):
        title = " ".join(["phone", *rng.sample(WORDS, rng.randint(1, 5)), str(number)])
        lines += [{"index": {"_id": str(number)}}, {"title": title, "brand": rng.choice(("red", "max"))}]
    fill(engine_url, f"{name}-1", lines)
    call(f"{engine_url}/_aliases", {"actions": [{"add": {"index": f"{name}-1", "alias": name}}]})
    yield name
    call(f"{engine_url}/{name}-1,{name}-2,kept-{name}?ignore_unavailable=true", method="DELETE")


def build(url, shop, encoder, **options):
    return build_vectors(connect(url), TextSource(shop, TEMPLATE, 2000), f"kept-{shop}", encoder, **options)


def counts(report):
    return report.documents, report.encoded, report.current, report.removed


def kept(url, shop):
    call(f"{url}/kept-{shop}/_refresh", method="POST")
    return call(f"{url}/kept-{shop}/_count").json["count"]


def test_each_text_is_encoded_once_and_only_what_changed_since(engine_url, shop, encoder):
    before = call(f"{engine_url}/{shop}/_search?size=1000&version=true&seq_no_primary_term=true").json["hits"]
    assert counts(build(engine_url, shop, encoder)) == (DOCUMENTS, DOCUMENTS, 0, 0)
    assert counts(build(engine_url, shop, encoder)) == (DOCUMENTS, 0, DOCUMENTS, 0)
    after = call(f"{engine_url}/{shop}/_search?size=1000&version=true&seq_no_primary_term=true").json["hits"]
    assert after == before  # documents, versions and all: the shop's index was only read

    call(f"{engine_url}/{shop}-1/_doc/7?refresh=true", {"title": "an entirely new phone", "brand": "red"}, method="PUT")
    rehearsal = build(engine_url, shop, encoder, dry_run=True)
    assert counts(rehearsal) == (DOCUMENTS, 1, DOCUMENTS - 1, 1)
    watching = Slow(encoder, 0)
    assert counts(build(engine_url, shop, watching)) == (DOCUMENTS, 1, DOCUMENTS - 1, 1)
    assert watching.encoded == ["an entirely new phone | red"]
    assert kept(engine_url, shop) == DOCUMENTS


def test_a_price_that_changes_costs_nothing(engine_url, shop, encoder):
    build(engine_url, shop, encoder)
    call(f"{engine_url}/{shop}-1/_update/7?refresh=true", {"doc": {"price": 3}}, method="POST")
    assert counts(build(engine_url, shop, encoder)) == (DOCUMENTS, 0, DOCUMENTS, 0)


def test_a_killed_build_goes_on_where_it_ended(engine_url, shop, folder, encoder):
    code = f"""
import sys; sys.path[:0] = {sys.path!r}
from test_vectors import Slow, build
from middleware.rerank.bi_encoder import load_bi_encoder
build({engine_url!r}, {shop!r}, Slow(load_bi_encoder({str(folder)!r}), 1.0))
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.path.dirname(__file__)}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as running:
        deadline = time.monotonic() + 60
        while (
            call(f"{engine_url}/kept-{shop}/_search?size=0").json.get("hits", {}).get("total", {}).get("value", 0) == 0
        ):
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.send_signal(signal.SIGKILL)
    done = kept(engine_url, shop)
    assert 0 < done < DOCUMENTS
    assert counts(build(engine_url, shop, encoder)) == (DOCUMENTS, DOCUMENTS - done, done, 0)
    assert kept(engine_url, shop) == DOCUMENTS


def test_a_new_version_of_the_index_finds_its_vectors_made(engine_url, shop, encoder):
    build(engine_url, shop, encoder)
    body = {"source": {"index": f"{shop}-1"}, "dest": {"index": f"{shop}-2"}}
    call(f"{engine_url}/_reindex?refresh=true", body, method="POST")
    call(f"{engine_url}/{shop}-2/_doc/1300?refresh=true", {"title": "one more"}, method="PUT")
    moves = [{"remove": {"index": f"{shop}-1", "alias": shop}}, {"add": {"index": f"{shop}-2", "alias": shop}}]
    call(f"{engine_url}/_aliases", {"actions": moves}, method="POST")
    assert counts(build(engine_url, shop, encoder)) == (DOCUMENTS + 1, 1, DOCUMENTS, 0)


def test_vectors_of_another_encoder_stay_until_they_are_dropped(engine_url, shop, encoder, folder):
    build(engine_url, shop, encoder)
    other = load_bi_encoder(str(folder), document_prompt="the ")
    assert counts(build(engine_url, shop, other)) == (DOCUMENTS, DOCUMENTS, 0, 0)
    assert kept(engine_url, shop) == 2 * DOCUMENTS
    assert counts(build(engine_url, shop, other, drop_others=True)) == (DOCUMENTS, 0, DOCUMENTS, DOCUMENTS)
    assert kept(engine_url, shop) == DOCUMENTS


def test_vectors_are_found_by_no_search_of_everything(engine_url, shop, encoder):
    build(engine_url, shop, encoder)
    found = call(f"{engine_url}/*/_search?size=0&track_total_hits=true", {"query": {"exists": {"field": "encoder"}}})
    assert found.json["hits"]["total"]["value"] == 0


def test_products_without_a_text_are_counted_and_an_index_that_is_not_there_is_an_error(engine_url, shop, encoder):
    call(f"{engine_url}/{shop}-1/_doc/x?refresh=true", {"price": 3}, method="PUT")
    report = build(engine_url, shop, encoder, dry_run=True)
    assert (report.documents, report.without_text) == (DOCUMENTS + 1, 1)
    with pytest.raises(CommandError, match="no such index"):
        build(engine_url, f"{shop}-none", encoder)


def settings_of(url, shop, folder, tiny_model_folder):
    return {
        "upstream": {"urls": [url]},
        "models": {"tiny": {"source": str(tiny_model_folder)}},
        "variants": {
            "default": {"window": 50},
            "vectors": {"window": 50, "weights": {"cross_encoder": 0, "first_stage": 0, "vector_cosine": 1}},
        },
        "indices": {
            "shop": {
                "patterns": [shop],
                "template": "{title}[ | {brand}]",
                "vectors": {"encoder": str(folder), "index": f"kept-{shop}"},
            }
        },
        "rankings": {"ttl_s": 0},
        "budget_ms": 60_000,
    }


def test_the_commands_build_and_count_and_a_search_shows_no_trace(
    engine_url, shop, folder, encoder, tiny_model_folder, start_proxy_process, tmp_path
):
    settings = settings_of(engine_url, shop, folder, tiny_model_folder)
    settings["indices"]["shop"]["vectors"]["budget_ms"] = 30_000
    (tmp_path / "rerank.yml").write_text(yaml.safe_dump(settings))

    def command(*words):
        options = ["--config", str(tmp_path / "rerank.yml"), "--index", shop]
        done = CliRunner().invoke(app, ["vectors", *words, *options])
        assert done.exit_code == 0, done.output
        return done.output

    assert f"{DOCUMENTS} texts to encode, 0 had their vector" in command("build", "--dry-run")
    assert f"{DOCUMENTS} texts encoded" in command("build")
    assert f"{DOCUMENTS} vectors of {folder}" in command("status")

    proxy = start_proxy_process(settings, wait_for="ready")
    metrics = f"{proxy.url}/_rerank/metrics"
    body = {"query": {"match": {"title": "phone case"}}, "size": 50}
    plain = call(f"{engine_url}/{shop}/_search", body).json["hits"]["hits"]
    for extra in (
        {},
        {"_source": False},
        {"_source": ["brand"]},
        {"fields": ["title"]},
        {"highlight": {"fields": {"title": {}}}},
    ):
        hits = {hit["_id"]: hit for hit in call(f"{engine_url}/{shop}/_search", {**body, **extra}).json["hits"]["hits"]}
        answer = wait_for_cosines(proxy, shop, {**body, **extra})
        assert answer.headers["X-Rerank"] == "applied"
        ours = answer.json["hits"]["hits"]
        assert len(ours) == len(hits) == 50
        for hit in ours:
            assert {**hit, "_score": 0} == {**hits[hit["_id"]], "_score": 0}
        assert [hit["_id"] for hit in ours] == by_cosine(encoder, "phone case", plain)
    counted = call(metrics).body.decode()
    assert f'es_rerank_vectors_total{{fate="fetched",index="kept-{shop}"}} 50.0' in counted
    assert f'es_rerank_vector_seconds_count{{index="kept-{shop}",stage="encode"}} 1.0' in counted


def wait_for_cosines(proxy, shop, body):
    """The search, once the encoder is loaded: until then it is answered without cosines."""
    for _ in range(100):
        explained = call(f"{proxy.url}/{shop}/_rerank/explain", body, {"X-Rerank": "vectors"}).json
        if "vector_cosine" in json.dumps(explained):
            break
        time.sleep(0.1)
    return call(f"{proxy.url}/{shop}/_search", body, {"X-Rerank": "vectors"})


def by_cosine(encoder, query, hits):
    """Ids in the order of the cosines of vectors as they are kept, ties in Elasticsearch's order."""
    from middleware.rerank.vectors import cosines, pack

    texts = [f"{hit['_source']['title']} | {hit['_source']['brand']}" for hit in hits]
    found = cosines(encoder.encode_queries([query])[0], pack(encoder.encode_documents(texts)))
    return [hits[place]["_id"] for place in sorted(range(len(hits)), key=lambda place: -found[place])]
