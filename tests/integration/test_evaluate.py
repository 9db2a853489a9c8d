"""`es-rerank evaluate` on a real index: in process and through a real proxy it finds the same."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import uuid

import pytest
import yaml
from http_call import call, fill
from tiny_model import WORDS

from middleware.catalog.client import Access
from middleware.config import Settings
from middleware.errors import CommandError, ConfigError
from middleware.learning.evaluation.evaluate import Options, evaluate_index

pytestmark = pytest.mark.integration

DOCUMENTS, WINDOW, HITS = 60, 20, 40
QUERIES = ("red phone", "usb cable 12", "leather shoe", "blue case", "green pro max", "iphone13 case", "nothingthere")


@pytest.fixture(scope="module")
def index(upstream_url):
    name, rng, lines = f"evaluate-{uuid.uuid4().hex[:8]}", random.Random(4), []
    for number in range(DOCUMENTS):
        product = {"title": " ".join(rng.sample(WORDS, rng.randint(3, 9))), "brand": rng.choice(("red", "max"))}
        lines += [{"index": {"_id": str(number)}}, {**product, "sku": f"S-{number}"}]
    fill(upstream_url, name, lines)
    for number in (3, 5, 8, 11):  # of one brand, so that anna's profile prefers it
        event = {"client_id": "anna", "action_name": "purchase", "timestamp": "2099-01-01T00:00:00Z"}
        detail = {"event_attributes": {"object": {"object_id": str(number)}}}
        fill(upstream_url, f"{name}-events", [{"index": {}}, {**event, **detail}])
    yield name
    call(f"{upstream_url}/{name},{name}-events", method="DELETE")


@pytest.fixture(scope="module")
def configuration(upstream_url, tiny_model_folder, index):
    return {
        "upstream": {"urls": [upstream_url]},
        "models": {"tiny": {"source": str(tiny_model_folder), "threads": 1}},
        "variants": {
            "small": {"model": "tiny", "window": WINDOW, "cascade": {"enabled": False}},
            "large": {"model": "tiny", "window": HITS, "weights": {"first_stage": 2.0}, "cascade": {"enabled": False}},
        },
        "default_variant": "small",
        "indices": {index: {"patterns": [index], "template": "{title}[ | {brand}]"}},
        "profiles": {"events_index": f"{index}-events", "products_index": index, "budget_ms": 30_000},
        "budget_ms": 60_000,
    }


@pytest.fixture(scope="module")
def files(configuration, tmp_path_factory):
    """rerank.yml and judgments: at random, one of a document that the index lacks, one query of nothing but 0."""
    folder, rng = tmp_path_factory.mktemp("evaluate"), random.Random(5)
    (folder / "rerank.yml").write_text(yaml.safe_dump(configuration))
    rows = [
        (query, number, rng.choice((0, 1, 2, 3))) for query in QUERIES for number in rng.sample(range(DOCUMENTS), 25)
    ]
    rows += [("red phone", 999, 3), ("zeros", 1, 0)]
    for name, prefix in (("judged.csv", ""), ("by_sku.csv", "S-")):
        lines = [f"{query},{prefix}{number},{grade}" for query, number, grade in rows]
        (folder / name).write_text("\n".join(["query,doc_id,rating", *lines]) + "\n")
    return folder


@pytest.fixture(scope="module")
def evaluated(configuration, files, index):
    """An evaluation with these options, in process unless a proxy is named."""

    def evaluate(qrels="judged.csv", **options):
        chosen = Options(index=index, qrels=files / qrels, hits=HITS, measures=("nDCG@10", "AP", "F1@10"), **options)
        return evaluate_index(chosen, Settings.model_validate(configuration), Access(), lambda *_: None)

    return evaluate


@pytest.fixture(scope="module")
def in_process(evaluated):
    return evaluated(windows=(10,))


@pytest.fixture(scope="module")
def proxy(configuration, start_proxy_process):
    return start_proxy_process(configuration, wait_for="ready")


def runs(results):
    return {name: {query: list(hits) for query, hits in each.run.items()} for name, each in results.systems.items()}


def test_in_process_and_through_the_proxy_the_numbers_are_the_same(in_process, evaluated, proxy):
    through = evaluated(proxy=proxy.url)
    assert runs(through) == runs(in_process)
    for name, system in in_process.systems.items():
        assert through.systems[name].whole == system.whole
        assert through.systems[name].judged_only == system.judged_only
        assert through.systems[name].window == system.window
        assert through.systems[name].outcomes == system.outcomes
    assert through.comparisons == in_process.comparisons


def test_the_runs_are_those_of_the_proxy_and_of_elasticsearch(in_process, proxy, upstream_url, index):
    body = {"query": {"multi_match": {"query": QUERIES[0], "fields": ["title^3", "brand"]}}, "size": HITS}
    plain = call(f"{upstream_url}/{index}/_search", body).json["hits"]["hits"]
    assert [hit["_id"] for hit in plain] == in_process.systems["elasticsearch"].run[QUERIES[0]]
    for variant in ("small", "large"):
        answer = call(f"{proxy.url}/{index}/_search", body, {"X-Rerank": variant})
        assert answer.headers["X-Rerank"] == "applied"
        assert [hit["_id"] for hit in answer.json["hits"]["hits"]] == in_process.systems[variant].run[QUERIES[0]]


def test_every_variant_has_its_own_window(in_process):
    first, small = (in_process.systems[name].run[QUERIES[0]] for name in ("elasticsearch", "small"))
    longest = max(len(hits) for hits in in_process.systems["elasticsearch"].run.values())
    assert (in_process.systems["small"].window, in_process.systems["large"].window) == (WINDOW, min(HITS, longest))
    assert small[:WINDOW] != first[:WINDOW]
    assert sorted(small[:WINDOW]) == sorted(first[:WINDOW])
    assert small[WINDOW:] == first[WINDOW:]
    assert set(in_process.systems["small"].curve) == {10, WINDOW}
    assert set(in_process.systems["bi-encoder"].curve) == set(in_process.ceiling) == {10, WINDOW, HITS}
    assert all(value <= 1 for value in in_process.ceiling.values())


def test_a_query_without_hits_counts_0_and_is_said(in_process):
    assert in_process.systems["small"].whole.by_query["nothingthere"]["nDCG@10"] == 0
    assert in_process.systems["small"].outcomes == {"applied": len(QUERIES) - 1, "no_hits": 1}
    assert in_process.without_relevant == 1
    assert dict(in_process.judgments.dropped) == {"the document is not in the index": 1}


def test_documents_may_be_judged_by_a_field(in_process, evaluated):
    by_field = evaluated("by_sku.csv", id_field="sku")
    for name, system in in_process.systems.items():
        assert by_field.systems[name].whole == system.whole
    assert by_field.systems["small"].run[QUERIES[0]][0].startswith("S-")


def test_a_profile_joins_the_ranking_both_ways(in_process, evaluated, proxy):
    here, there = evaluated(profile_user="anna"), evaluated(profile_user="anna", proxy=proxy.url)
    assert runs(here) == runs(there)
    assert runs(here)["small"] != runs(in_process)["small"]
    assert runs(here)["elasticsearch"] == runs(in_process)["elasticsearch"]


def run_command(files, *arguments):
    command = [sys.executable, "-m", "middleware", "evaluate", "--config", str(files / "rerank.yml"), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


def test_the_command_prints_a_table_and_writes_a_report(files, tmp_path):
    (tmp_path / "searches.csv").write_text("query,count\nred phone,90\nblue case,5\n")
    (tmp_path / "groups.jsonl").write_text('{"query_text": "Red phone"}\n{"query_text": "leather shoe"}\n')
    arguments = ("--qrels", str(files / "judged.csv"), "--hits", str(HITS), "--output", str(tmp_path / "out"))
    arguments += ("--log", str(tmp_path / "searches.csv"), "--trained-on", str(tmp_path / "groups.jsonl"))
    done = run_command(files, *arguments, "--windows", "10", "--measures", "nDCG@10,P@5")
    assert done.returncode == 0, done.stderr
    for words in ("elasticsearch", "random", "bi-encoder", "small", "large", "judgments dropped: 1", "training: seen",
                  "frequency: head", "generalisation of small"):  # fmt: skip
        assert words in done.stdout
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    shown = re.search(r"nDCG@10 +([\d.]+) +([\d.]+)", done.stdout)
    names = ("elasticsearch", "large")
    assert [float(each) for each in shown.groups()] == pytest.approx(
        [found["systems"][name]["unjudged_as_0"]["nDCG@10"] for name in names], abs=6e-4
    )
    assert (tmp_path / "out" / "report.html").read_text().count("<svg") == 4
    assert {each.name for each in (tmp_path / "out" / "runs").iterdir()} == {
        "elasticsearch.run", "random.run", "bi-encoder.run", "small.run", "large.run"}  # fmt: skip


def test_what_is_wrong_is_one_line_and_exit_2(files):
    done = run_command(files, "--qrels", str(files / "judged.csv"), "--variant", "new")
    assert done.returncode == 2
    assert done.stderr.strip() == "es-rerank: --variant: 'new': name some of ['large', 'small']"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baseline": "new"}, "--baseline: 'new'"),
        ({"slices": ["colour"]}, "--slices: 'colour'"),
        ({"id_field": "ean"}, "none of its 177 judgments is left: the document is not in the index; see --id-field"),
        ({"profile_user": "nobody"}, "--profile: nobody has no usable event"),
        ({"budget_ms": 0}, "reranked none of 7 searches: 6 x deadline_exceeded, 1 x no_hits"),
        ({"variants": ["control"]}, "control is always a baseline"),
    ],
)
def test_what_is_wrong_is_said_with_counts_and_the_remedy(evaluated, options, message):
    with pytest.raises((CommandError, ConfigError), match=re.escape(message)):
        evaluated(**options)


def test_an_address_without_a_proxy_is_said(evaluated, upstream_url):
    with pytest.raises(CommandError, match="no es-rerank answers there"):
        evaluated(proxy=upstream_url)
