"""The benchmarks of whole searches, with a tiny model and few searches: that they run and measure every row."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.integration
SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def run(script: str, upstream_url: str, model: Path, *options: object) -> list[list[str]]:
    """The cells of every row of the tables that it prints, heads left out."""
    port = urlsplit(upstream_url).port
    command = [sys.executable, SCRIPTS / script, "--elasticsearch", port, "--model", model, *options]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.strip("| \n").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    return [cells for cells in rows if any(re.match(r"\d", cell) for cell in cells)]


def test_searches_are_measured_cold_and_warm_for_every_variant(upstream_url, tiny_model_folder, tmp_path) -> None:
    few = ("--window", 10, "--cold", 2, "--requests", 6, "--pool", 2, "--data", tmp_path / "none", "--variants", "fast")
    cold, remembering, forgetting = run("bench_search.py", upstream_url, tiny_model_folder, *few)
    assert cold[0] == remembering[0] == forgetting[0] == "fast"
    assert [remembering[1], forgetting[1]] == ["60", "0"]
    assert remembering[-2] == forgetting[-2] != "0.0%"


def test_cost_is_measured_against_one_variable_at_a_time(upstream_url, tiny_model_folder) -> None:
    few = ("--only", "concurrency", "--base", "size=500,window=10", "--seconds", 0)
    rows = run("bench_scale.py", upstream_url, tiny_model_folder, *few)
    assert [cells[0] for cells in rows] == ["1", "2", "4", "8", "16"]
    assert rows[0][2] == "1.00 (1.00 to 1.00)"
    assert all(float(cells[3]) > 0 for cells in rows)
