"""`es-rerank train fusion` on a real index, and the proxy that serves what came out, with the very same features."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import subprocess
import sys
import uuid

import numpy as np
import pytest
import yaml
from http_call import call, fill
from tiny_model import WORDS

from middleware.catalog.client import Access
from middleware.config import load_settings
from middleware.fusion_file import read_fusion_model
from middleware.learning.fusion.windows import open_source
from middleware.learning.shop import open_shop

pytestmark = pytest.mark.integration

DOCUMENTS, WINDOW = 120, 40
QUERIES = [f"{first} {second}" for first in WORDS[:5] for second in ("phone", "case")]


def documents():
    """What shoppers see, and fields that only the fusion model reads."""
    rng = random.Random(4)
    for number in range(DOCUMENTS):
        yield {
            "title": " ".join([*rng.sample(WORDS, 5), rng.choice(("phone", "case"))]),
            "brand": rng.choice(("red", "max")),
            "notes": " ".join(rng.sample(WORDS, 4)),
            "price": {"shop": rng.randint(1, 500)},
            "sold": rng.randint(0, 1000),
            "since": f"20{rng.randint(10, 25)}-0{rng.randint(1, 9)}-11",
            f"attr_t_{number % 7}": rng.choice(WORDS),
            f"attr_t_{number % 5}_more": [rng.choice(WORDS), "phone"],
            f"attr_n_{number % 20}": number,
        } | ({"sku": f"RX-{number}"} if number % 2 else {})


@pytest.fixture(scope="module")
def index(upstream_url):
    name = f"fusion-{uuid.uuid4().hex[:8]}"
    lines = []
    for number, document in enumerate(documents()):
        lines += [{"index": {"_id": str(number)}}, document]
    fill(upstream_url, name, lines)
    yield name
    call(f"{upstream_url}/{name}", method="DELETE")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fusion")


@pytest.fixture(scope="module")
def configuration(upstream_url, tiny_model_folder):
    features = {"price": "price.shop", "popularity": "sold", "date": "since", "half_life_days": 900}
    return {
        "upstream": {"urls": [upstream_url]},
        "models": {"tiny": {"source": str(tiny_model_folder)}},
        "variants": {"default": {"model": "tiny", "window": WINDOW}},
        "indices": {"shop": {"patterns": ["fusion-*"], "template": "{title}[ | {brand}]", "features": features}},
        "profiles": {"enabled": False},
        "budget_ms": 60_000,
    }


@pytest.fixture(scope="module")
def qrels(folder):
    """Whoever judged wanted both words in the title, and cheap things."""
    path = folder / "judged.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("query", "doc_id", "rating"))
        for query in QUERIES:
            for number, document in enumerate(documents()):
                found = sum(word in document["title"].split() for word in query.split())
                if found and number % 3:
                    writer.writerow((query, number, found + (document["price"]["shop"] < 100)))
        writer.writerow((QUERIES[0], "gone", 3))
    return path


def run(folder, configuration, index, qrels, *more):
    path = folder / "rerank.yml"
    path.write_text(yaml.safe_dump(configuration))
    command = [sys.executable, "-m", "middleware", "train", "fusion", "--config", str(path), "--index", index]
    command += ["--qrels", str(qrels), *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment)


@pytest.fixture(scope="module")
def trained(configuration, index, folder, qrels):
    output = folder / "fusion.json"
    done = run(
        folder,
        configuration,
        index,
        qrels,
        "--output",
        str(output),
        "--folds",
        "2",
        "--model",
        "average",
        "--no-ablate",
        *("--feature", "all", "--feature", "match.notes", "--feature", "coverage.notes"),
    )
    assert done.returncode == 0, done.stderr
    return done, output


@pytest.fixture(scope="module")
def proxy(trained, configuration, start_proxy_process):
    variants = {
        "default": {**configuration["variants"]["default"], "fusion": str(trained[1])},
        "plain": {"weights": {"first_stage": 0.25}},
    }
    return start_proxy_process({**configuration, "variants": variants}, wait_for="ready")


def test_the_command_counts_compares_and_writes(trained, index) -> None:
    done, output = trained
    assert "judgments dropped: 1, the document is not in the index" in done.stderr
    assert re.search(r"\d+ of \d+ judged documents are in their windows", done.stderr)
    assert str(output) in done.stderr
    rows = {line.split("  ")[0]: line for line in done.stdout.splitlines() if line and not line.startswith(" ")}
    assert {"Elasticsearch's order", "hand-set weights", "linear", "network", "trees", "average"} <= set(rows)
    number = r"\d\.\d{3}"
    pattern = rf"average +{number}, [+-]{number} \([+-]{number} to [+-]{number}\) +{number}, [+-]{number} .*"
    assert re.fullmatch(pattern, rows["average"])
    document = json.loads(output.read_text())
    assert document["kind"] == "average"
    assert document["made_of"]["index"] == index
    assert {"popularity", "freshness", "price_level", "match.notes", "cross_encoder"} <= set(document["features"])
    assert document["fields"] == ["title", "brand", "attr_t_*", "notes"]
    assert "words are looked for in title, brand, attr_t_*, notes" in done.stderr
    assert document["made_of"]["cross_validation, 2 folds"].keys() == rows.keys() - {
        "what sets the hits of a search apart"
    }


def explain(proxy, index, text, variant="default"):
    body = {"query": {"match": {"title": text}}, "size": WINDOW, "_source": ["title"]}
    return call(f"{proxy.url}/{index}/_rerank/explain", body, {"X-Rerank": variant}).json


def columns(told):
    hits = sorted(told["hits"], key=lambda hit: hit["first_stage_rank"])
    return hits, {name: np.array([hit["features"][name] for hit in hits]) for name in hits[0]["features"]}


@pytest.mark.parametrize("text", [QUERIES[0], "red leather rx-7 phone", "手机 case"])
def test_logged_features_replayed_offline_give_the_served_order_and_scores(proxy, trained, index, text) -> None:
    told = explain(proxy, index, text)
    model = read_fusion_model(trained[1])
    hits, logged = columns(told)
    assert len(hits) == told["window"] == told["depth"] > 5
    assert set(logged) == set(model.columns)  # nobody has a profile
    fused = model.fuse(logged)
    assert fused == pytest.approx([hit["fused_score"] for hit in hits], abs=1e-9, rel=0)
    served = [hit["_id"] for hit in told["hits"]]
    assert [hits[place]["_id"] for place in np.argsort(-fused, kind="stable")] == served
    body = {"query": {"match": {"title": text}}, "size": WINDOW}
    answer = call(f"{proxy.url}/{index}/_search", body)
    assert answer.headers["X-Rerank"] == "applied"
    assert [hit["_id"] for hit in answer.json["hits"]["hits"]] == served
    scores = [hit["_score"] for hit in answer.json["hits"]["hits"]]
    steps = np.diff(sorted(fused)[::-1])
    assert np.diff(scores) == pytest.approx(steps, abs=2e-6)


def test_features_made_offline_are_those_that_were_served(proxy, trained, configuration, index, folder) -> None:
    path = folder / "offline.yml"
    path.write_text(yaml.safe_dump(configuration))
    form = folder / "search.json"
    form.write_text(json.dumps({"query": {"match": {"title": "{{query}}"}}, "_source": ["title"]}))
    shop = open_shop(load_settings(path), Access(), index, form, WINDOW)
    model = read_fusion_model(trained[1])
    with open_source(shop, model.columns, model.fields, "_id") as source:
        for text in (QUERIES[3], "red phone rx-7"):
            window = source.window("q", text, {})
            hits, logged = columns(explain(proxy, index, text))
            assert list(window.document_ids) == [hit["_id"] for hit in hits]
            assert set(window.features) == set(logged)
            for name, values in window.features.items():
                assert values == pytest.approx(logged[name], abs=1e-9, rel=0), name
    varied = {name for name, values in logged.items() if np.ptp(values) > 0}
    assert {"cross_encoder", "first_stage", "match.title", "coverage.notes", "popularity", "freshness"} <= varied
    assert (window.features["match"] > np.maximum(window.features["match.title"], window.features["match.notes"])).any()


@pytest.mark.parametrize("more", [{}, {"size": WINDOW}, {"profile": True}, {"fields": ["attr_t_1*"]}])
def test_clients_get_nothing_of_what_only_the_model_reads(proxy, upstream_url, index, more) -> None:
    body = {"query": {"match": {"title": QUERIES[0]}}, "size": 5, "_source": ["title"], **more}
    answer = call(f"{proxy.url}/{index}/_search", body)
    assert answer.headers["X-Rerank"] == "applied"
    direct = call(f"{upstream_url}/{index}/_search", {**body, "size": 2 * WINDOW}).json["hits"]["hits"]
    as_asked = {hit["_id"]: {**hit, "_score": None} for hit in direct}
    for hit in answer.json["hits"]["hits"]:
        assert {**hit, "_score": None} == as_asked[hit["_id"]]
    whole = call(f"{proxy.url}/{index}/_search", {"query": body["query"], "size": body["size"]}).json["hits"]["hits"]
    assert [hit["_id"] for hit in answer.json["hits"]["hits"]] == [hit["_id"] for hit in whole]


def test_the_default_is_a_linear_model_of_few_features(configuration, index, folder, qrels) -> None:
    output = folder / "default.json"
    done = run(folder, configuration, index, qrels, "--output", str(output), "--folds", "2", "--no-ablate")
    assert done.returncode == 0, done.stderr
    document = json.loads(output.read_text())
    assert document["kind"] == "linear"
    assert document["features"] == ["cross_encoder", "first_stage", "match", "coverage.title", "coverage.brand"]
    narrow = run(folder, configuration, index, qrels, "--output", str(output), "--field", "attr_t_*", "--no-ablate")
    assert narrow.returncode == 0, narrow.stderr
    assert json.loads(output.read_text())["fields"] == ["attr_t_*"]


def test_a_variant_with_weights_of_its_own_is_fused_by_them(proxy, index) -> None:
    told = explain(proxy, index, QUERIES[0], "plain")
    assert told["fusion"]["kind"] == "weights"
    assert set(told["hits"][0]["features"]) == {"cross_encoder", "first_stage"}


def test_judgments_of_another_shop_are_an_error_with_counts(configuration, index, folder) -> None:
    path = folder / "elsewhere.csv"
    path.write_text("query,doc_id,rating\nred phone,x1,3\nred phone,x2,0\n")
    done = run(folder, configuration, index, path, "--output", str(folder / "none.json"))
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "none of its 2 judgments is left" in last
    assert not (folder / "none.json").exists()


def test_judgments_of_one_grade_are_an_error_with_counts(configuration, index, folder) -> None:
    path = folder / "flat.csv"
    path.write_text("query,doc_id,rating\n" + "".join(f"red phone,{number},2\n" for number in range(DOCUMENTS)))
    done = run(folder, configuration, index, path, "--output", str(folder / "none.json"), "--unjudged", "skip")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert re.search(r"in each of 1 searches all of the \d+ judged hits that were found are of one grade", last)


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("--feature", "colour", "no feature 'colour'"),
        ("--monotone", "colour", "--monotone"),
        ("--unjudged", "5", "zero"),
    ],
)
def test_an_option_that_does_not_fit_is_named(configuration, index, folder, qrels, option, value, named) -> None:
    done = run(folder, configuration, index, qrels, "--output", str(folder / "none.json"), option, value)
    assert done.returncode == 2
    assert named in done.stderr.strip().splitlines()[-1]
