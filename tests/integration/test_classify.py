"""`es-rerank classify` as a shop uses it: train on a real catalogue, fill in what lacks, index with it."""

from __future__ import annotations

import csv
import json
import uuid

import pytest
import urllib3
from typer.testing import CliRunner

from middleware.catalog.demo.generator import generate
from middleware.cli import app

pytestmark = pytest.mark.integration

KNOWN = ("Headphones & Earphones", "Bicycles", "Shoes", "Ink, Toner & Paper")


@pytest.fixture(scope="module")
def catalogue():
    return [each for each in generate().products if each["category"] in KNOWN][:220]


@pytest.fixture(scope="module")
def classifier(catalogue, tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    path = folder / "products.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in catalogue))
    told = run("classify", "train", "--input", path, "--output", folder / "made")
    assert "head, cross-validated: accuracy 0.9" in told or "accuracy 1.000" in told
    return folder / "made"


def run(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def test_the_report_is_a_page_with_its_pictures(classifier):
    page = (classifier / "report.html").read_text()
    assert page.count("<svg") == 2
    assert "Bicycles" in page
    assert json.loads((classifier / "classifier.json").read_text())["about"]["accuracy"] > 0.9


def test_products_without_a_category_get_one_or_are_listed(classifier, catalogue, tmp_path):
    rows = [{"id": "a", "title": "Mountain Bike 29 inch, 21 gears"}, {"id": "b", "title": "Zorbulon"}]
    rows.append({"id": "c", "title": "Mountain Bike 26 inch, disc brakes", "category": "Shoes"})
    path = tmp_path / "new.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    run("classify", "run", "--input", path, "--classifier", classifier, "--output", tmp_path / "out.jsonl", "--all")
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [each["category"] for each in found if each["id"] != "b"] == ["Bicycles", "Bicycles"]
    with (tmp_path / "out-review.csv").open() as file:
        listed = {row["id"]: row["why"] for row in csv.DictReader(file)}
    assert listed["b"] == "low confidence"
    assert "a" not in listed


def test_bootstrap_fills_in_missing_categories(classifier, engine_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    alias = f"classified-{uuid.uuid4().hex[:8]}"
    rows = [{"id": "a", "title": "Mountain Bike 29 inch, 21 gears"}, {"id": "b", "title": "Zorbulon"}]
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    words = ("--alias", alias, "--url", engine_url, "--classifier", classifier)
    told = run("bootstrap", "products", "--input", tmp_path / "new.jsonl", *words)
    assert "classify.filled" in told
    hits = urllib3.request("GET", f"{engine_url}/{alias}/_search").json()["hits"]["hits"]
    assert {hit["_id"]: hit["_source"].get("category") for hit in hits} == {"a": "Bicycles", "b": None}
    assert (tmp_path / f"{alias}-review.csv").read_text().splitlines()[1].startswith("b,Zorbulon,low confidence")
    urllib3.request("DELETE", f"{engine_url}/{alias}-*")
