"""`es-rerank tune` from the command line to the proxy: a real node, and the lines for rerank.yml served as measured."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import yaml
from http_call import call, fill

from middleware.learning.evaluation.judgments import read_judgments
from middleware.learning.evaluation.rankings import evaluate
from middleware.learning.tuning.parts import cut

sys.path.insert(0, str(Path(__file__).parents[1] / "learning"))
from tuning_shop import TEMPLATE, documents, make_judgments

pytestmark = pytest.mark.integration
FIELDS = ["title^3", "brand", "description"]
TRIALS = 8


@pytest.fixture(scope="module")
def index(upstream_url):
    name = f"tune{uuid.uuid4().hex[:12]}"
    lines = []
    for identity, document in documents().items():
        lines += [{"index": {"_id": identity}}, document]
    fill(upstream_url, name, lines)
    yield name
    call(f"{upstream_url}/{name}", method="DELETE")


@pytest.fixture(scope="module")
def configuration(upstream_url, index, tiny_model_folder):
    return {
        "upstream": {"urls": [upstream_url]},
        "models": {"tiny": {"source": str(tiny_model_folder), "device": "cpu"}},
        "variants": {"default": {"window": 30}},
        "indices": {index: {"template": TEMPLATE}},
    }


@pytest.fixture(scope="module")
def folder(configuration, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tune")
    (folder / "rerank.yml").write_text(yaml.safe_dump(configuration))
    judgments = make_judgments()
    with (folder / "judged.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["query", "doc_id", "rating"])
        for query, judged in judgments.qrels.items():
            writer.writerows([judgments.queries[query], document, grade] for document, grade in judged.items())
    return folder


def tune(folder, *more):
    command = [sys.executable, "-m", "middleware", "tune", "--config", "rerank.yml", "--qrels", "judged.csv"]
    command += ["--study", "tune.db", "--folds", "2", "--hits", "60", *more]
    paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "160", "PYTHONPATH": paths}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=250, env=environment)


@pytest.fixture(scope="module")
def tuned(folder):
    done = tune(folder, "--trials", str(TRIALS), "--output", "best.yml", "--plot", "tune.html")
    assert done.returncode == 0, done.stderr
    return done


def test_the_command_says_what_it_found_and_what_that_is_worth(tuned, folder):
    assert f"{TRIALS} trials, " in tuned.stdout
    assert "0 (as now)" in tuned.stdout
    assert re.search(r"rerank\.yml +0\.\d{3} \(0\.\d{3} to [01]\.\d{3}\)", tuned.stdout)
    assert re.search(r"18 queries, \d+ judgments", tuned.stderr)
    assert "paste the lines into rerank.yml" in tuned.stderr
    assert "best so far" in (folder / "tune.html").read_text()


def test_the_same_command_goes_on_where_it_was(tuned, folder):
    again = tune(folder, "--trials", str(TRIALS))
    assert again.returncode == 0, again.stderr
    assert again.stdout == tuned.stdout


def test_other_judgments_are_refused_in_one_line(tuned, folder):
    text = (folder / "judged.csv").read_text()
    (folder / "judged.csv").write_text(text.replace(",2\n", ",1\n", 1))
    refused = tune(folder)
    (folder / "judged.csv").write_text(text)
    assert refused.returncode == 1
    last = refused.stderr.strip().splitlines()[-1]
    assert last.startswith("es-rerank: --study: tune.db: was begun with another judgments")


def test_the_proxy_serves_the_pasted_lines_with_the_quality_that_was_measured(
    tuned, folder, configuration, index, start_proxy_process
):
    found = yaml.safe_load((folder / "best.yml").read_text())
    served = json.loads(json.dumps(configuration))
    for section, each in found.items():
        for name, settings in each.items():
            served[section][name] = {**served[section][name], **settings}
    # All is read: the tiny model has no estimator.
    proxy = start_proxy_process(served, wait_for="ready")
    judgments = read_judgments(folder / "judged.csv")
    held_out = cut(judgments.queries, 2, 0.25, 0).held_out
    run = {}
    for query in held_out:
        words = judgments.queries[query]
        body = {"query": {"multi_match": {"query": words, "fields": FIELDS}}, "size": 30}
        answer = call(f"{proxy.url}/{index}/_search", body, {"X-Rerank-Budget-Ms": "60000"})
        assert answer.headers["X-Rerank"] == "applied"
        run[query] = [hit["_id"] for hit in answer.json["hits"]["hits"]]
    value = evaluate(run, {query: judgments.qrels[query] for query in held_out}).mean["nDCG@10"]
    printed = re.search(r"trial \d+ +([01]\.\d{3}) \(", tuned.stdout)
    assert f"{value:.3f}" == printed[1]
