"""`es-rerank models cascade` on a real index, and the proxy that finds what was made: less is read."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import uuid

import pytest
import yaml
from http_call import call, fill
from tiny_model import WORDS

from middleware.config import ModelSettings
from middleware.rerank.estimator_choice import estimator_path
from middleware.rerank.estimator_file import read_estimator

pytestmark = pytest.mark.integration

DOCUMENTS, WINDOW, DEPTH = 150, 80, 20


@pytest.fixture(scope="module")
def index(upstream_url):
    """Named as no section is: a section's pattern covers it."""
    name, rng = f"cascade-{uuid.uuid4().hex[:8]}", random.Random(2)
    lines = []
    for number in range(DOCUMENTS):
        title = " ".join(["phone", *rng.sample(WORDS, rng.randint(3, 9))])
        lines += [{"index": {"_id": str(number)}}, {"title": title, "brand": rng.choice(("red", "max"))}]
    fill(upstream_url, name, lines)
    yield name
    call(f"{upstream_url}/{name}", method="DELETE")


@pytest.fixture(scope="module")
def configuration(upstream_url, tiny_model_folder, tmp_path_factory):
    """With a model of its own, and a cache of its own: elsewhere the tiny model has no estimator."""
    model = shutil.copytree(tiny_model_folder, tmp_path_factory.mktemp("cascade") / "model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ES_RERANK_CACHE", str(model.parent / "cache"))
        yield {
            "upstream": {"urls": [upstream_url]},
            "models": {"tiny": {"source": str(model)}},
            "variants": {
                "default": {"model": "tiny", "window": WINDOW, "cascade": {"depth": DEPTH}},
                "found": {"cascade": {}},
                "whole": {"cascade": {"enabled": False}},
            },
            "indices": {"shop": {"patterns": ["cascade-*"], "template": "{title}[ | {brand}]"}},
            "scores": {"max_bytes": 0},  # so that no score is an old one
            "budget_ms": 60_000,
        }


@pytest.fixture(scope="module")
def made(configuration, index, tmp_path_factory):
    """What the command printed."""
    path = tmp_path_factory.mktemp("cascade-config") / "rerank.yml"
    path.write_text(yaml.safe_dump(configuration))
    command = [sys.executable, "-m", "middleware", "models", "cascade", "--config", str(path), "--index", index]
    command += ["--windows", "20", "--hits", "40"]
    # One thread: those of so small a model only wait for each other.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def proxy(made, configuration, start_proxy_process):
    return start_proxy_process(configuration, wait_for="ready")


def search(proxy, index, variant, text="phone case", **page):
    return call(f"{proxy.url}/{index}/_search", {"query": {"match": {"title": text}}, **page}, {"X-Rerank": variant})


def extent(answer):
    assert answer.headers["X-Rerank"] == "applied"
    return int(answer.headers["X-Rerank-Depth"]), int(answer.headers["X-Rerank-Window"])


def test_the_command_says_what_each_depth_keeps_and_where_it_lies(made, configuration) -> None:
    path = estimator_path(ModelSettings.model_validate(configuration["models"]["tiny"]))
    assert f"kept in {path}" in made.stderr
    assert str(path).startswith(os.environ["ES_RERANK_CACHE"])
    lines = made.stdout.splitlines()
    pattern = re.compile(r"depth +(\d+): +[\d.]+% of the first 10, +[\d.]+% of their gain(  enough)?")
    read = [pattern.fullmatch(line) for line in lines]
    assert [int(line[1]) for line in read] == [10, 15, 20, 25, 30, 35, 40]
    assert [int(line[1]) for line in read if line[2]] == [read_estimator(path).depth]
    assert lines[-1].count("100.0%") == 2  # of all that was found nothing is lost


def test_the_proxy_finds_it_and_reads_a_part_of_the_window(proxy, index) -> None:
    read, window = extent(search(proxy, index, "default"))
    assert window == WINDOW
    assert 10 <= read <= DEPTH
    assert "has an estimator" in proxy.log.read_text()


def test_without_a_depth_of_its_own_a_variant_reads_as_deep_as_was_measured(proxy, index, configuration) -> None:
    depth = read_estimator(estimator_path(ModelSettings.model_validate(configuration["models"]["tiny"]))).depth
    assert 10 <= extent(search(proxy, index, "found"))[0] <= depth < WINDOW


def test_switched_off_by_the_variant_all_is_read(proxy, index) -> None:
    assert extent(search(proxy, index, "whole")) == (WINDOW, WINDOW)


@pytest.mark.parametrize("size", [7, 50])
def test_pages_agree_and_hold_each_hit_once(proxy, index, upstream_url, size) -> None:
    text = f"phone red leather size{size}"
    whole = call(f"{upstream_url}/{index}/_search", {"query": {"match": {"title": text}}, "size": DOCUMENTS})
    expected = [hit["_id"] for hit in whole.json["hits"]["hits"]]
    assert len(expected) == DOCUMENTS
    pages = [search(proxy, index, "default", text, size=size, **{"from": start}) for start in range(0, DOCUMENTS, size)]
    within = [page for number, page in enumerate(pages) if number * size < WINDOW]
    assert len({extent(page) for page in within}) == 1
    hits = [hit for page in pages for hit in page.json["hits"]["hits"]]
    assert {hit["_id"] for hit in hits[:WINDOW]} == set(expected[:WINDOW])
    assert [hit["_id"] for hit in hits[WINDOW:]] == expected[WINDOW:]
    scores = [hit["_score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)


def explain(proxy, index, variant):
    body = {"query": {"match": {"title": "red phone cable"}}, "size": WINDOW}
    told = call(f"{proxy.url}/{index}/_rerank/explain", body, {"X-Rerank": variant}).json
    return told, {hit["_id"]: hit["features"] for hit in told["hits"] if hit["read"]}


def test_what_was_read_has_the_scores_that_it_has_without_the_cascade(proxy, index) -> None:
    (part, read), (whole, everything) = (explain(proxy, index, variant) for variant in ("default", "whole"))
    assert len(everything) == whole["depth"] == whole["window"] == WINDOW
    assert 10 <= len(read) == part["depth"] <= DEPTH
    assert len(part["hits"]) == WINDOW
    assert [hit["read"] for hit in part["hits"]] == [True] * len(read) + [False] * (WINDOW - len(read))
    assert len({round(features["cross_encoder"], 4) for features in read.values()}) > 5
    for name, features in read.items():
        assert features == pytest.approx(everything[name], abs=2e-6)


def test_the_command_names_the_option_that_is_wrong(configuration, tmp_path) -> None:
    path = tmp_path / "rerank.yml"
    path.write_text(yaml.safe_dump(configuration))
    command = [sys.executable, "-m", "middleware", "models", "cascade", "--config", str(path), "--index", "elsewhere"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.strip().startswith("es-rerank: --index: 'elsewhere'")
    assert done.stderr.strip().count("\n") == 0
