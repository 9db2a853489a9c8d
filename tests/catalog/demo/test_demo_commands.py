"""The command that writes the demo catalogue: files others can read, and one line where they cannot be written."""

from __future__ import annotations

import csv
import json

import pytest
from typer.testing import CliRunner

from middleware.catalog.demo.commands import app
from middleware.errors import CommandError


def test_the_files_hold_what_was_generated(tmp_path):
    result = CliRunner().invoke(app, ["--out", str(tmp_path / "demo"), "--now", "2025-01-15T12:00:00"])
    assert result.exit_code == 0, result.output
    products = [json.loads(line) for line in (tmp_path / "demo" / "products.jsonl").read_text("utf-8").splitlines()]
    events = [json.loads(line) for line in (tmp_path / "demo" / "events.ndjson").read_text("utf-8").splitlines()]
    with (tmp_path / "demo" / "queries.tsv").open(encoding="utf-8", newline="") as file:
        queries = list(csv.DictReader(file, delimiter="\t"))
    qrels = [line.split(" ") for line in (tmp_path / "demo" / "qrels.txt").read_text("utf-8").splitlines()]
    assert {query["split"] for query in queries} == {"train", "held_out"}
    assert {query_id for query_id, *_ in qrels} == {query["query_id"] for query in queries}
    assert {product_id for _, _, product_id, _ in qrels} <= {product["id"] for product in products}
    assert max(event["timestamp"] for event in events) <= "2025-01-15T12:00:00+00:00"
    assert f"{len(products)} products" in result.output


def test_a_folder_that_cannot_be_made_is_named_in_one_line(tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")
    result = CliRunner().invoke(app, ["--out", str(tmp_path / "taken")])
    assert isinstance(result.exception, CommandError)
    assert "--out" in str(result.exception)
    assert "\n" not in str(result.exception)


def test_a_time_that_is_none_is_refused(tmp_path):
    result = CliRunner().invoke(app, ["--out", str(tmp_path), "--now", "yesterday"])
    assert result.exit_code == 2
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("missing", [[], ["--now", "2025-01-15T12:00:00"]])
def test_the_folder_must_be_named(missing):
    assert CliRunner().invoke(app, missing).exit_code == 2
