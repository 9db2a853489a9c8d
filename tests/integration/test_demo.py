"""The README's first command as a user runs it: everything real, from the node to the trained model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from middleware.catalog.demo import DEMO_QUERIES

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
REPO = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def printed() -> str:
    """What `es-rerank demo --once` prints; trains the model where the cache has none."""
    command = [sys.executable, "-m", "middleware", "demo", "--once", "--evaluate"]
    environment = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, timeout=1700)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def block(printed: str, query: str) -> list[str]:
    """The lines of one query, its title line first."""
    lines = printed.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"{query}  "))
    end = next(number for number in range(start + 1, len(lines)) if not lines[number].strip())
    return lines[start:end]


def test_it_shows_every_demo_query(printed):
    for query in DEMO_QUERIES:
        assert block(printed, query.text)


def test_the_phone_comes_above_its_cases_and_cables(printed):
    rows = block(printed, "iPhone 12")[2:7]
    ours = [re.split(r"#\d+ +", row)[1] for row in rows]
    assert ours[0].startswith("Apple iPhone 12")
    assert not re.search(r"case|cable|charger", ours[0], re.IGNORECASE)


def test_a_search_without_a_hit_says_so(printed):
    assert any("no hit; X-Rerank: skipped, no_hits" in line for line in printed.splitlines())


def test_two_users_see_the_same_query_in_different_orders(printed):
    lines = printed.splitlines()
    start = next(number for number, line in enumerate(lines) if "X-Rerank-User: anna" in line)
    column = lines[start].index("X-Rerank-User: ben")
    rows = lines[start + 1 : start + 6]
    assert [row[:column].strip() for row in rows] != [row[column:].strip() for row in rows]
    assert any(re.match(r"anna: \d+ events counted; bought \d+ products? of brand", line.strip()) for line in lines)


def test_the_reranked_order_is_clearly_better_on_held_out_queries(printed):
    found = re.search(r"nDCG@10 (\d\.\d+) -> (\d\.\d+), .*p [=<] (\d\.\d+)", printed)
    assert found, printed
    before, after, p_value = (float(value) for value in found.groups())
    assert after - before > 0.05
    assert p_value < 0.05


def test_nothing_keeps_running_after_once(printed):
    ports = re.findall(r"http://127\.0\.0\.1:(\d+)", printed)
    listening = Path("/proc/net/tcp").read_text()
    assert ports
    assert not any(f"0100007F:{int(port):04X} 00000000:0000 0A" in listening for port in ports)
