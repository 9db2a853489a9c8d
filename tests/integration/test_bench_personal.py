"""The simulation of scripts/bench_personal.py end to end on a real node, with a small catalogue and few shoppers."""

from __future__ import annotations

import csv
import gzip
import json
import random
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.integration
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench_personal.py"
KINDS, BRANDS, COLOURS = ("laptop", "mouse", "cable", "printer"), ("Acme", "Bolt", "Core"), ("Red", "Blue,Black")
OF_EACH = 40


def write_shop(folder: Path) -> None:
    """A catalogue in the form of Chorus, and what people search for in it."""
    draw = random.Random(3)
    with gzip.open(folder / "products.jsonl.gz", "wt") as file:
        for number in range(OF_EACH * len(KINDS)):
            kind, brand = KINDS[number % len(KINDS)], draw.choice(BRANDS)
            product = {
                "id": str(number),
                "title": f"{brand} {kind} {number}",
                "supplier": brand,
                "price": draw.randint(500, 9000),
                "attr_t_product_colour": draw.choice(COLOURS),
            }
            file.write(json.dumps(product) + "\n")
    with (folder / "judgments_dev.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["query", "doc_id", "rating"])
        rows.writerows([kind, "0", 1] for kind in KINDS)


@pytest.mark.timeout(120)
def test_profiles_of_simulated_shoppers_gain_on_a_real_node(opensearch_url, tiny_model_folder, tmp_path) -> None:
    write_shop(tmp_path)
    output = tmp_path / "rows.json"
    few = ("--users", 60, "--seeds", 1, "--quick", "--data", tmp_path, "--output", output)
    command = [
        sys.executable,
        SCRIPT,
        "--opensearch",
        urlsplit(opensearch_url).port,
        "--model",
        tiny_model_folder,
        *few,
    ]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| **10 or more events** |" in done.stdout
    rows = json.loads(output.read_text())["main"]
    known = [row for row in rows if row["events"] >= 10 and row["tastes"]]
    assert sum(row["after"] for row in known) > 1.05 * sum(row["before"] for row in known)
