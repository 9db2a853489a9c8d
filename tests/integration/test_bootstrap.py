"""Bootstraps against a real node: nothing lost, nothing doubled, and no search that notices."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest

from middleware.catalog import bootstrap, bootstrap_load
from middleware.catalog.bootstrap import BootstrapOptions, bootstrap_products, rollback_products
from middleware.catalog.bootstrap_records import RecordsOptions, bootstrap_records
from middleware.catalog.client import connect, describe_cluster
from middleware.catalog.prepare import PrepareOptions
from middleware.errors import CommandError

pytestmark = pytest.mark.integration
SCRIPT = Path(__file__).parents[2] / "scripts" / "bootstrap_index.py"


def delete_family(client, name):
    for index in client.indices.get(index=f"{name}*").body:
        client.indices.delete(index=index)


@pytest.fixture
def client(upstream_url):
    with connect(upstream_url) as client:
        yield client


@pytest.fixture
def alias(client):
    name = f"test{uuid.uuid4().hex[:12]}"
    yield name
    delete_family(client, name)


def product(number, **more):
    return {"id": str(number), "title": f"Product {number}", "price": number, "brand": "Acme", **more}


def write_jsonl(path, documents):
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    return path


def ids(client, alias):
    client.indices.refresh(index=alias)
    answer = client.search(index=alias, size=10_000, source=False, track_total_hits=True)
    return sorted(hit["_id"] for hit in answer["hits"]["hits"])


def read_rejects(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_catalogue_becomes_searchable_behind_its_alias(client, alias, tmp_path):
    attributes = [{"name": "colour", "value": "Red"}]
    source = write_jsonl(tmp_path / "a.jsonl", [product(n, attr_t_x="Blue", attributes=attributes) for n in range(5)])
    report = bootstrap_products(client, source, alias)
    assert ids(client, alias) == ["0", "1", "2", "3", "4"]
    assert report.index.startswith(f"{alias}-")
    assert list(client.indices.get_alias(name=alias).body) == [report.index]
    for query in ({"match": {"title": "product"}}, {"term": {"brand.keyword": "Acme"}}, {"term": {"id": "3"}}):
        assert client.count(index=alias, query=query)["count"] >= 1
    assert client.count(index=alias, query={"match": {"attributes_text": "red"}})["count"] == 5
    assert client.count(index=alias, query={"match": {"attributes_text": "blue"}})["count"] == 5


def test_bad_records_go_to_the_rejects_file_with_line_and_reason(client, alias, tmp_path):
    source = tmp_path / "a.jsonl"
    lines = [
        json.dumps(product(1)),
        "nonsense",
        json.dumps(product(2, date_released="not a date")),
        json.dumps({"id": "3"}),
        json.dumps(product(1, title="again")),
        json.dumps(product(4)),
    ]
    source.write_text("\n".join(lines))
    rejects = tmp_path / "rejects.jsonl"
    report = bootstrap_products(client, source, alias, BootstrapOptions(rejects=rejects))
    assert ids(client, alias) == ["1", "4"]
    found = sorted((row["line"], row["reason"], row["raw"]) for row in read_rejects(rejects))
    assert found == [
        (2, "not_json", lines[1]),
        (3, "refused", lines[2]),
        (4, "no_title", lines[3]),
        (5, "duplicate", lines[4]),
    ]
    assert sum(report.rejects.values()) + report.documents == report.records == 6
    assert "date_released" in next(row["detail"] for row in read_rejects(rejects) if row["reason"] == "refused")


def test_a_dry_run_writes_nothing_to_the_cluster(client, alias, tmp_path):
    source = write_jsonl(tmp_path / "a.jsonl", [product(1), {"id": "2"}])
    report = bootstrap_products(client, source, alias, BootstrapOptions(dry_run=True))
    assert (report.documents, report.index, report.rejects) == (1, None, {"no_title": 1})
    assert not client.indices.get(index=f"{alias}*").body


def test_the_previous_version_is_kept_for_rollback_and_older_ones_go(client, alias, tmp_path):
    versions = [
        bootstrap_products(client, write_jsonl(tmp_path / f"{n}.jsonl", [product(n)]), alias).index for n in range(3)
    ]
    assert sorted(client.indices.get(index=f"{alias}-*").body) == versions[1:]
    done = rollback_products(client, alias)
    assert (done.left, done.now) == ((versions[2],), (versions[1],))
    assert ids(client, alias) == ["1"]
    with pytest.raises(CommandError, match="nothing to roll back to"):
        rollback_products(client, alias)


def test_an_input_without_one_good_record_leaves_the_alias_alone(client, alias, tmp_path):
    bootstrap_products(client, write_jsonl(tmp_path / "a.jsonl", [product(1)]), alias)
    with pytest.raises(CommandError, match="not one of 2 records got in"):
        bootstrap_products(client, write_jsonl(tmp_path / "b.jsonl", [{"id": "2"}, {}]), alias)
    assert ids(client, alias) == ["1"]
    assert len(client.indices.get(index=f"{alias}-*").body) == 1


def test_an_index_with_the_name_of_the_alias_is_an_error_with_the_remedy(client, alias, tmp_path):
    client.indices.create(index=alias)
    with pytest.raises(CommandError, match=f"DELETE /{alias}"):
        bootstrap_products(client, write_jsonl(tmp_path / "a.jsonl", [product(1)]), alias)
    client.indices.delete(index=alias)


def test_an_alias_on_a_foreign_index_moves_and_rolls_back(client, alias, tmp_path):
    foreign = f"{alias}_by_hand"
    client.index(index=foreign, id="x", document={"title": "old"}, refresh=True)
    client.indices.put_alias(index=foreign, name=alias)
    report = bootstrap_products(client, write_jsonl(tmp_path / "a.jsonl", [product(1)]), alias)
    assert report.previous == (foreign,)
    assert ids(client, alias) == ["1"]
    assert rollback_products(client, alias).now == (foreign,)
    assert ids(client, alias) == ["x"]


def test_searches_never_fail_and_are_never_empty_while_versions_change(client, alias, tmp_path, upstream_url):
    sources = [write_jsonl(tmp_path / f"{n}.jsonl", [product(i, run=n) for i in range(1500)]) for n in range(3)]
    bootstrap_products(client, sources[0], alias)
    stop, faults, answers = threading.Event(), [], Counter()

    def search():
        with connect(upstream_url) as searcher:
            while not stop.is_set():
                try:
                    hits = searcher.search(index=alias, query={"match": {"title": "product"}}, size=1)["hits"]
                except Exception as error:  # noqa: BLE001 - whatever it is, the test fails on it
                    faults.append(repr(error))
                    continue
                answers[hits["total"]["value"], hits["hits"][0]["_source"]["run"] if hits["hits"] else None] += 1

    searchers = [threading.Thread(target=search) for _ in range(2)]
    for thread in searchers:
        thread.start()
    try:
        bootstrap_products(client, sources[1], alias)
        bootstrap_products(client, sources[2], alias)
        rollback_products(client, alias)
    finally:
        stop.set()
        for thread in searchers:
            thread.join()
    assert not faults
    assert {total for total, _ in answers} == {1500}
    assert {run for _, run in answers} >= {0, 1}


def run_script(alias, source, url, **options):
    arguments = [sys.executable, SCRIPT, "products", "--input", source, "--alias", alias, "--url", url]
    arguments += ["--rejects", source.with_suffix(".rejects"), "--report", source.with_suffix(".report")]
    return subprocess.Popen([str(argument) for argument in arguments], **options)


def sent_so_far(client, alias):
    stats = client.indices.stats(index=f"{alias}-*", metric="indexing", expand_wildcards="all").body
    return stats["_all"]["primaries"].get("indexing", {}).get("index_total", 0)


def test_a_killed_run_goes_on_and_nothing_is_lost_or_doubled(client, alias, tmp_path, upstream_url):
    total = 30_000
    source = write_jsonl(tmp_path / "a.jsonl", (product(n) for n in range(total)))
    process = run_script(alias, source, upstream_url, stderr=subprocess.DEVNULL)
    while process.poll() is None and not sent_so_far(client, alias) >= 1000:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run was over before it could be killed"
    assert not client.indices.exists_alias(name=alias)
    (unfinished,) = client.indices.get(index=f"{alias}-*").body
    again = run_script(alias, source, upstream_url, stdout=subprocess.PIPE, text=True)
    output, _ = again.communicate(timeout=200)
    assert again.returncode == 0, output
    assert list(client.indices.get_alias(name=alias).body) == [unfinished]
    assert client.count(index=alias)["count"] == total
    assert json.loads(source.with_suffix(".report").read_text())["documents"] == total


class Interruption(Exception):
    """Stands for whatever ends a run in the middle."""


def test_a_continued_run_sends_only_the_rest_and_keeps_every_reject(client, alias, tmp_path, monkeypatch):
    monkeypatch.setattr(bootstrap, "CHECKPOINT_EVERY_S", 0.0)
    monkeypatch.setattr(bootstrap_load, "BATCH_DOCUMENTS", 50)
    monkeypatch.setattr(bootstrap_load, "AHEAD_BATCHES", 2)
    bad = {7: "not a date", 933: "nor this"}
    documents = [product(n, **({"date_released": bad[n]} if n in bad else {})) for n in range(1000)] + [product(3)]
    source, rejects = write_jsonl(tmp_path / "a.jsonl", documents), tmp_path / "rejects.jsonl"
    options = BootstrapOptions(rejects=rejects)

    def interrupt(progress):
        if progress.documents >= 500:
            raise Interruption

    with pytest.raises(Interruption):
        bootstrap_products(client, source, alias, options, interrupt)
    report = bootstrap_products(client, source, alias, options)
    assert 400 <= report.resumed < 900
    assert report.documents == client.count(index=alias)["count"] == 998
    assert sorted((row["line"], row["reason"]) for row in read_rejects(rejects)) == [
        (8, "refused"),
        (934, "refused"),
        (1001, "duplicate"),
    ]


def test_an_unfinished_build_of_another_input_is_thrown_away(client, alias, tmp_path):
    def interrupt(progress):
        raise Interruption

    with pytest.raises(Interruption):
        bootstrap_products(client, write_jsonl(tmp_path / "a.jsonl", [product(1)]), alias, on_progress=interrupt)
    report = bootstrap_products(client, write_jsonl(tmp_path / "b.jsonl", [product(2)]), alias)
    assert report.resumed == 0
    assert list(client.indices.get(index=f"{alias}-*").body) == [report.index]
    assert ids(client, alias) == ["2"]


def test_a_build_by_a_living_process_is_left_alone(client, alias, tmp_path):
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    try:
        bootstrap_products(client, write_jsonl(tmp_path / "a.jsonl", [product(1)]), alias)
        (index,) = client.indices.get_alias(name=alias).body
        meta = client.indices.get_mapping(index=index)[index]["mappings"]["_meta"]
        meta["es_rerank"] |= {"state": "building", "pid": sleeper.pid}
        client.indices.put_mapping(index=index, meta=meta)
        with pytest.raises(CommandError, match=f"process {sleeper.pid} is building"):
            bootstrap_products(client, write_jsonl(tmp_path / "b.jsonl", [product(2)]), alias)
    finally:
        sleeper.kill()
        sleeper.wait()


def test_without_dropping_duplicates_the_last_of_one_id_wins(client, alias, tmp_path):
    source = write_jsonl(tmp_path / "a.jsonl", [product(1, run=n, title=f"Run {n}") for n in range(1200)])
    options = BootstrapOptions(prepare=PrepareOptions(drop_duplicates=False))
    report = bootstrap_products(client, source, alias, options)
    assert report.documents == 1200
    assert client.count(index=alias)["count"] == 1
    assert client.get(index=alias, id="1")["_source"]["run"] == 1199


def test_standard_input_csv_and_gzip_all_arrive(alias, client, tmp_path, upstream_url):
    content = gzip.compress(b'id,name,price\n1,Mouse,"12,50"\n2,Keyboard,20\n')
    command = [sys.executable, str(SCRIPT), "products", "--input", "-", "--format", "csv", "--alias", alias]
    done = subprocess.run([*command, "--url", upstream_url], input=content, capture_output=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert client.get(index=alias, id="1")["_source"]["price"] == 12.5
    assert ids(client, alias) == ["1", "2"]


def test_a_node_that_restarts_meanwhile_costs_nothing_but_time(tmp_path):
    from middleware.nodes.launch import start_node

    folder = Path("/var/tmp") / f"es-rerank-test-{uuid.uuid4().hex[:12]}"
    total = 30_000
    source = write_jsonl(tmp_path / "a.jsonl", (product(n) for n in range(total)))
    node = start_node("elasticsearch", data_dir=folder, heap="512m", die_with_us=True, quiet=True)
    try:
        with connect(node.url) as client:
            process = run_script("restarted", source, node.url, stderr=subprocess.DEVNULL)
            while process.poll() is None and not sent_so_far(client, "restarted") >= 1000:
                time.sleep(0.05)
            os.kill(node.pid, signal.SIGKILL)
            assert process.poll() is None, "the run was over before the node went down"
            node.stop()
            node = start_node("elasticsearch", node.port, data_dir=folder, heap="512m", die_with_us=True, quiet=True)
            assert process.wait(timeout=200) == 0
            assert client.count(index="restarted")["count"] == total
    finally:
        node.stop()
        subprocess.run(["rm", "-rf", str(folder)], check=False)


def test_the_real_catalogue_is_indexed_whole(client, alias, shared_data, tmp_path):
    rejects = tmp_path / "rejects.jsonl"
    report = bootstrap_products(
        client, shared_data / "chorus" / "products.jsonl.gz", alias, BootstrapOptions(rejects=rejects)
    )
    assert report.records == 19_406
    assert report.documents == client.count(index=alias)["count"]
    assert set(report.rejects) <= {"near_duplicate"}
    assert report.documents > 19_300
    print(f"\nchorus: {report.seconds:.1f} s, {report.documents_per_second:,.0f} documents a second")


@pytest.mark.parametrize(
    ("titles", "language"), [(["USB cable"], "en"), (["无线鼠标"], "zh"), (["USB cable", "无线鼠标 USB"], "mixed")]
)
def test_auto_takes_a_profile_that_the_cluster_serves(client, alias, tmp_path, titles, language):
    documents = [product(n, title=title) for n, title in enumerate(titles)]
    report = bootstrap_products(client, write_jsonl(tmp_path / "a.jsonl", documents), alias)
    assert report.language == language
    assert client.count(index=alias, query={"match": {"title": titles[-1]}})["count"] >= 1
    assert all("/" in label for label in report.analysis)


def test_the_same_client_bootstraps_opensearch_with_its_better_analysis(opensearch_url, tmp_path):
    name = f"test{uuid.uuid4().hex[:12]}"
    with connect(opensearch_url) as client:
        assert describe_cluster(client).distribution == "opensearch"
        documents = [product(1, title="The runner's shoes"), product(2, title="无线鼠标")]
        report = bootstrap_products(client, write_jsonl(tmp_path / "a.jsonl", documents), name)
        assert set(report.analysis) == {"en/english", "zh/cjk"}
        assert client.count(index=name, query={"match": {"title": "shoe"}})["count"] == 1
        assert client.count(index=name, query={"match": {"title.zh": "鼠标"}})["count"] == 1
        delete_family(client, name)


@pytest.mark.parametrize("kind", ["ubi", "profiles", "exposures"])
def test_the_other_indices_are_made_once_and_then_left_alone(client, alias, kind):
    options = RecordsOptions(prefix=f"{alias}_")
    first = bootstrap_records(client, kind, options=options)
    second = bootstrap_records(client, kind, options=options)
    assert all(what == f"created {name}-000001" for name, what in first.indices.items())
    assert all(what == f"was there: {name}-000001" for name, what in second.indices.items())
    for name in first.indices:
        mapping = client.indices.get_mapping(index=name)[f"{name}-000001"]["mappings"]
        assert mapping["properties"]["timestamp" if kind != "profiles" else "updated_at"]["type"] == "date"


def test_a_log_loaded_twice_is_there_once_and_bad_lines_are_rejected(client, alias, tmp_path):
    log = tmp_path / "log.tsv"
    log.write_text(
        'ubi_events\t{"action_name":"click","timestamp":1717527762025,"event_attributes":{"object":{"object_id":"1"}}}\n'
        'ubi_queries\t{"user_query":"tv","timestamp":"2024-12-10T00:01:29.378Z"}\n'
        'ubi_events\t{"action_name":"click","timestamp":"yesterday"}\n'
    )
    options = RecordsOptions(prefix=f"{alias}_", rejects=tmp_path / "rejects.jsonl")
    for _ in range(2):
        report = bootstrap_records(client, "ubi", log, options)
        assert report.documents == {f"{alias}_ubi_events": 1, f"{alias}_ubi_queries": 1}
    assert client.count(index=f"{alias}_ubi_events")["count"] == 1
    assert [(row["line"], row["reason"]) for row in read_rejects(tmp_path / "rejects.jsonl")] == [(3, "refused")]
    query = {"term": {"event_attributes.object.object_id": "1"}}
    assert client.count(index=f"{alias}_ubi_events", query=query)["count"] == 1
