"""Making vectors on a cluster that is busy or loses something: what is right is written, and is not removed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from test_bootstrap_parts import FakeCluster
from typer.testing import CliRunner

from middleware.catalog import bootstrap_patience
from middleware.catalog.bootstrap_patience import Patience
from middleware.catalog.client import connect
from middleware.catalog.mapping_files import load_body
from middleware.catalog.product_vectors import TextSource, build_vectors
from middleware.catalog.vector_keeper import VectorKeeper
from middleware.catalog.vector_scan import scan
from middleware.cli import app
from middleware.errors import CommandError, ConfigError
from middleware.rerank.vector_index import vector_index_name
from middleware.search.document import parse_template

NO_FAILURES = {"failed": 0}


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.setattr(bootstrap_patience, "FIRST_PAUSE_S", 0.01)
    cluster = FakeCluster()
    yield cluster
    cluster.server.shutdown()
    cluster.server.server_close()


def page(*names, total=2):
    hits = [{"_id": name, "_source": {"title": name}} for name in names]
    return 200, {"_scroll_id": "s", "_shards": NO_FAILURES, "hits": {"total": {"value": total}, "hits": hits}}


def scanned(cluster):
    with connect(cluster.url) as client:
        return [hit["_id"] for hits in scan(client, "shop", ("title",), Patience(1)) for hit in hits]


def test_a_scan_gives_every_document_once_and_is_patient_with_a_busy_node(cluster):
    cluster.answers = [page("a"), (429, {"error": {"reason": "busy"}}), page("b"), page()]
    assert scanned(cluster) == ["a", "b"]


def test_a_scan_that_missed_a_document_says_so(cluster):
    cluster.answers = [page("a", total=3), page("b", total=3), page(total=3)]
    with pytest.raises(CommandError, match="gave 2 of 3 documents"):
        scanned(cluster)


def test_a_scan_of_which_a_shard_failed_says_so(cluster):
    cluster.answers = [page("a"), (200, {**page("b")[1], "_shards": {"failed": 1}}), page()]
    with pytest.raises(CommandError, match="1 shards failed"):
        scanned(cluster)


def test_a_scan_that_a_restarted_node_forgot_says_so(cluster):
    cluster.answers = [page("a"), (404, {"error": {"reason": "No search context found"}})]
    with pytest.raises(CommandError, match="the scan was lost"):
        scanned(cluster)


class Encoder:
    name, revision = "fake", "r1"

    def encode_documents(self, texts):
        return np.ones((len(texts), 4), dtype=np.float32)


class KeepingCluster:
    """Answers by path, and remembers the lines of every _bulk; `pages` are those of the shop's scan."""

    def __init__(self, cluster, pages, kept=()):
        self.cluster, self.pages, self.kept, self.actions = cluster, list(pages), list(kept), []
        self.statuses = []
        cluster.answers = [(200, self.answer)]

    def answer(self, body):
        path = self.cluster.requests[-1][0].split("?")[0]
        if path.endswith("/_count"):
            return {"count": 2}
        if path.endswith("/_mget"):
            return {"docs": [{"_id": each, "found": each in self.kept} for each in json.loads(body)["ids"]]}
        if path.endswith("/_bulk"):
            return self.bulk([json.loads(line) for line in body.splitlines()])
        if path.startswith("/kept/_search"):
            return page(*self.kept, total=len(self.kept))[1] if self.kept else page(total=0)[1]
        if path.startswith(("/shop/_search", "/_search/scroll")):
            return self.pages.pop(0)[1] if self.pages else page()[1]
        return {"acknowledged": True, "_shards": NO_FAILURES}

    def bulk(self, lines):
        actions = [next(iter(line.items())) for line in lines if set(line) & {"index", "delete"} and len(line) == 1]
        status = self.statuses.pop(0) if self.statuses else 200
        self.actions += [(kind, each["_id"]) for kind, each in actions if status == 200]
        error = {"error": {"type": "t", "reason": "r"}} if status != 200 else {}
        items = [{kind: {"_id": each["_id"], "status": status, **error}} for kind, each in actions]
        return {"errors": status != 200, "items": items}


def build(cluster, **options):
    source = TextSource("shop", parse_template("{title}"), 100)
    with connect(cluster.url) as client:
        return build_vectors(client, source, "kept", Encoder(), patience_s=1, **options)


def test_a_scan_cut_short_removes_nothing(cluster):
    keeping = KeepingCluster(cluster, [page("a", total=2), page(total=2)], kept=["old"])
    with pytest.raises(CommandError, match="gave 1 of 2 documents"):
        build(cluster)
    assert [kind for kind, _ in keeping.actions] == ["index"]


def test_a_whole_scan_removes_what_is_of_no_product_any_more(cluster):
    keeping = KeepingCluster(cluster, [page("a", "b"), page()], kept=["old"])
    report = build(cluster)
    assert (report.encoded, report.removed) == (2, 1)
    assert [kind for kind, _ in keeping.actions] == ["index", "index", "delete"]
    assert keeping.actions[-1] == ("delete", "old")


def test_products_of_one_text_have_one_vector(cluster):
    two = page("a", "b")
    two[1]["hits"]["hits"][1]["_source"]["title"] = "a"
    KeepingCluster(cluster, [two, page()])
    report = build(cluster)
    assert (report.documents, report.encoded) == (2, 1)


def test_what_a_busy_node_turned_away_is_sent_again_and_what_it_refuses_is_an_error(cluster):
    keeping = KeepingCluster(cluster, [page("a", "b"), page()])
    keeping.statuses = [429]
    assert build(cluster).encoded == 2
    assert len(keeping.actions) == 2
    keeping = KeepingCluster(cluster, [page("a", "b"), page()])
    keeping.statuses = [400]
    with pytest.raises(CommandError, match="the cluster answered 400: t: r"):
        build(cluster)


def test_a_dry_run_writes_nothing(cluster):
    keeping = KeepingCluster(cluster, [page("a", "b"), page()], kept=["old"])
    report = build(cluster, dry_run=True)
    assert (report.encoded, report.removed, report.dry_run) == (2, 1, True)
    assert keeping.actions == []


def test_an_index_of_before_gets_the_fields_that_it_lacks(cluster):
    cluster.answers = [(200, {"acknowledged": True})]
    with connect(cluster.url) as client:
        VectorKeeper(client, "kept", Patience(1)).prepare()
    (body,) = cluster.bodies("/kept/_mapping")
    assert json.loads(body)["properties"] == load_body("vectors")["mappings"]["properties"]


@pytest.mark.parametrize(
    ("section", "configured", "name"),
    [
        ("products", None, "es-rerank-vectors-products"),
        ("Shop", None, "es-rerank-vectors-shop"),
        ("products", "mine", "mine"),
    ],
)
def test_vectors_have_an_index_of_their_own(section, configured, name):
    assert vector_index_name(section, configured) == name


def test_an_index_without_vectors_in_the_settings_is_refused(tmp_path):
    (tmp_path / "rerank.yml").write_text("indices: {products: {}}")
    done = CliRunner().invoke(app, ["vectors", "build", "--config", str(tmp_path / "rerank.yml")])
    assert isinstance(done.exception, ConfigError)
    assert "vectors: {encoder: starter}" in str(done.exception)
