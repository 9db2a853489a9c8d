"""`es-rerank models export`: calibrated on a catalogue, compared with fp32, found again by what serves the model."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from tiny_model import WORDS, save_tiny_bert
from typer.testing import CliRunner

from middleware.cli import app
from middleware.config import ModelSettings
from middleware.errors import CommandError, ConfigError
from middleware.learning.export_texts import read_catalog, read_judged
from middleware.rerank.score_keys import make_keys

TEMPLATE = "{title}[ | {brand}]"


@pytest.fixture
def catalog(tmp_path):
    rng = random.Random(0)
    path = tmp_path / "products.jsonl"
    products = [
        {"id": f"p{n}", "title": " ".join(rng.choices(WORDS, k=rng.randint(2, 9))), "brand": "red"} for n in range(120)
    ]
    path.write_text("\n".join(json.dumps(product) for product in products))
    return path


@pytest.fixture
def qrels(tmp_path):
    path = tmp_path / "judged.csv"
    rows = [f"red phone,p{n},{n % 4}" for n in range(30)] + [f"blue shoe,p{n},{n % 3}" for n in range(40, 70)]
    path.write_text("\n".join(["query,doc_id,rating", *rows, "red phone,gone,3"]))
    return path


@pytest.fixture
def model(tmp_path, monkeypatch):
    for module in ("torch", "onnx", "onnxruntime", "ir_measures"):
        pytest.importorskip(module)
    monkeypatch.setenv("ES_RERANK_CACHE", str(tmp_path / "cache"))
    return save_tiny_bert(tmp_path / "model")


def run(*arguments):
    return CliRunner().invoke(app, ["models", "export", *map(str, arguments)])


def load(folder):
    from middleware.rerank.backends.onnx import OnnxBackend

    return OnnxBackend(ModelSettings(source=str(folder), precision="fast", device="cpu"), int8=True)


def test_an_export_is_reported_and_then_used_by_whoever_serves_the_model(model, catalog, qrels):
    assert not load(model).calibrated
    done = run(model, "--catalog", catalog, "--template", TEMPLATE, "--qrels", qrels)
    assert done.exit_code == 0, done.output
    assert "onnx int8" in done.output
    assert "on 2 judged queries" in done.output
    served = load(model)
    assert served.calibrated
    exact = load_exact(model)
    texts = list(read_catalog(catalog, TEMPLATE, "id").texts.values())[:40]
    scores = [each.score(each.encode("red phone", texts)) for each in (served, exact)]
    assert np.abs(scores[0] - scores[1]).mean() < 0.2 * scores[1].std()


def test_scores_of_another_calibration_have_other_keys(model, catalog):
    settings = ModelSettings(source=str(model), precision="fast", device="cpu")
    before = make_keys(settings, load(model))
    assert run(model, "--catalog", catalog, "--template", TEMPLATE).exit_code == 0
    after = make_keys(settings, load(model))
    assert before.revision != after.revision
    assert make_keys(settings, load(model)).revision == after.revision


def load_exact(folder):
    from middleware.rerank.backends.onnx import OnnxBackend

    return OnnxBackend(ModelSettings(source=str(folder), device="cpu"))


def test_a_second_export_of_the_same_is_read_from_the_cache(model, catalog, monkeypatch):
    first = run(model, "--catalog", catalog, "--template", TEMPLATE)
    monkeypatch.setattr("middleware.learning.export._compare", lambda *_: pytest.fail("compared again"))
    second = run(model, "--catalog", catalog, "--template", TEMPLATE)
    assert second.exit_code == 0, second.output
    assert first.stdout.splitlines()[-1] == second.stdout.splitlines()[-1]


def test_the_output_folder_serves_on_a_machine_without_the_cache(model, catalog, tmp_path, monkeypatch):
    target = tmp_path / "to-go"
    assert run(model, "--catalog", catalog, "--template", TEMPLATE, "--output", target).exit_code == 0
    monkeypatch.setenv("ES_RERANK_CACHE", str(tmp_path / "other-cache"))
    assert load(target).calibrated
    assert not load(model).calibrated


def test_a_template_that_no_record_fits_is_refused(catalog):
    with pytest.raises(CommandError, match="--template"):
        read_catalog(catalog, "{name}", "id")


def test_judgments_of_unknown_documents_are_left_out(catalog, qrels):
    judged = read_judged(qrels, read_catalog(catalog, TEMPLATE, "id").texts)
    assert set(judged) == {"red phone", "blue shoe"}
    assert "gone" not in judged["red phone"]


def test_a_file_that_holds_no_judgments_is_refused(catalog):
    with pytest.raises(ConfigError, match="query, doc_id, rating"):
        read_judged(catalog, ["p1"])


def test_searches_are_made_of_words_of_the_catalogue(catalog):
    texts = read_catalog(catalog, TEMPLATE, "id")
    searches = texts.searches(5, 4)
    assert searches == texts.searches(5, 4)
    for query, documents in searches:
        assert len(documents) == 4
        assert set(query.split()) <= set(documents[0].split())
