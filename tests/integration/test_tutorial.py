"""The README's tutorial is run as it stands: its commands in order, against a node of its own, and what they print.

In the ordinary run the shop is cut to a part of its products, log and judgments, so that it takes seconds; --slow runs
all of it, as its reader does, and holds it to what it promises. A line that the README shows must be printed but for
its numbers, and where the README has an ellipsis, anything may stand.
"""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from middleware.nodes.launch import find_free_port

REPO = Path(__file__).parents[2]
TITLE = "## From a CSV and a click log to a better ranking"
PORTS = ("9200", "9280")
MARK = "@@ block"
STEPS = 6

# What the ordinary run cuts, and options that make it do less.
PRODUCTS, LOGGED, JUDGED = 500, 8, 8
SMALLER = {"--invent 300": "--invent 12", "train fusion": "train fusion --no-ablate"}

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3000)]
_NUMBER = re.compile(r"(?:< )?[+-]?\d[\d.,:]*")


@dataclass(frozen=True)
class Block:
    """A fenced block of commands, and the lines that the README shows of what they print."""

    commands: str
    shown: tuple[str, ...]


@pytest.fixture
def documents() -> Iterator[Path]:
    """A folder for the node's documents that user nobody may reach, too: pytest's own are closed to others."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "data"


def read_tutorial() -> list[Block]:
    section = (REPO / "README.md").read_text(encoding="utf-8").split(f"{TITLE}\n")[1].split("\n## ")[0]
    blocks: list[Block] = []
    for language, text in re.findall(r"^```(\w+)\n(.*?)^```$", section, re.DOTALL | re.MULTILINE):
        if language == "sh":
            blocks.append(Block(text, ()))
        else:
            shown = tuple(line for line in text.splitlines() if line.strip() not in ("", "…"))
            blocks[-1] = Block(blocks[-1].commands, shown)
    return blocks


def shape(line: str) -> re.Pattern[str]:
    """What the line looks like with other numbers, other widths of columns, and anything for an ellipsis."""
    pieces = [re.escape(piece) for piece in _NUMBER.sub("\0", line.strip()).split("\0")]
    pattern = r"\s*<?\s*[+-]?\d[\d.,:]*".join(pieces)
    return re.compile(re.sub(r"(\\ |\s)+", r"\\s*", pattern.replace("…", ".*")))


def cut(folder: Path) -> None:
    """The shop's files with fewer products, logged searches and judged queries, the first of each."""
    products = (folder / "products.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "products.csv").write_text("".join(products[: PRODUCTS + 1]), encoding="utf-8")
    for name in ("judged.csv", "held_out.csv"):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            header, *rows = list(csv.reader(file))
        kept = list(dict.fromkeys(row[0] for row in rows))[:JUDGED]
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *(row for row in rows if row[0] in kept)])
    log = (folder / "clicks.ndjson").read_text(encoding="utf-8").splitlines(keepends=True)
    texts = dict(re.findall(r'"query_id": "(\w+)".*"user_query": "([^"]+)"', "".join(log)))
    kept_texts = list(dict.fromkeys(texts.values()))[:LOGGED]
    kept_ids = {query_id for query_id, text in texts.items() if text in kept_texts}
    some = [line for line in log if re.search(r'"query_id": "(\w+)"', line)[1] in kept_ids]  # type: ignore[index]
    (folder / "clicks.ndjson").write_text("".join(some), encoding="utf-8")


def run(blocks: list[Block], folder: Path, documents: Path, *, whole: bool) -> list[str]:
    """What each block printed; fails with all of it where a command fails."""
    script = ["set -e", "trap '(kill $!; es-rerank node stop --port 9200) 2>/dev/null || true' EXIT"]
    for number, block in enumerate(blocks):
        script += [f"echo '{MARK} {number}'", block.commands]
        if number == 0 and not whole:
            script.append(f"{sys.executable} -c 'import test_tutorial as t; t.cut(t.Path(\"shop\"))'")
    text = "\n".join(script).replace("--heap 512m", f"--heap 512m --data {documents}")
    for old, new in {} if whole else SMALLER.items():
        assert old in text, f"the tutorial no longer says {old}"
        text = text.replace(old, new)
    for port in PORTS:
        assert port in text
        text = text.replace(port, str(find_free_port()))
    printed = _sh(text, folder)
    return printed.split(MARK)[1 : len(blocks) + 1]


def _sh(text: str, folder: Path) -> str:
    command = folder / "bin" / "es-rerank"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m middleware "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    path = os.pathsep.join((str(REPO), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")))
    environment = {"PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": path}
    environment |= {"COLUMNS": "400", "NO_COLOR": "1"}
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=2900,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def check(blocks: list[Block], printed: list[str], *, whole: bool = True) -> None:
    """Every line that the README shows was printed, in its order; a part of the shop finds other titles."""
    for block, output in zip(blocks, printed, strict=True):
        lines = iter(output.splitlines())
        for line in block.shown:
            shown = line if whole else re.sub(r'("title":").*', r"\1…", line)
            assert any(shape(shown).search(each) for each in lines), f"{shown!r} is not in:\n{output}"


def test_the_tutorial_runs_as_it_stands_on_a_part_of_the_shop(tmp_path, documents):
    pytest.importorskip("torch")
    blocks = read_tutorial()
    assert len(blocks) == STEPS
    check(blocks, run(blocks, tmp_path, documents, whole=False), whole=False)


@pytest.mark.slow
def test_the_whole_tutorial_ends_with_a_better_ranking_than_it_began_with(tmp_path, documents):
    pytest.importorskip("torch")
    blocks = read_tutorial()
    printed = run(blocks, tmp_path, documents, whole=True)
    check(blocks, printed)
    evaluated = next(output for block, output in zip(blocks, printed, strict=True) if "evaluate" in block.commands)
    header = next(line for line in evaluated.splitlines() if "elasticsearch" in line and "bi-encoder" in line)
    figures = next(line for line in evaluated.splitlines() if line.strip().startswith("nDCG@10 "))
    ndcg = dict(zip(header.split(), map(float, figures.split()[1:]), strict=True))
    assert ndcg["default"] > ndcg["elasticsearch"] + 0.03
    assert ndcg["fused"] > max(ndcg["elasticsearch"], ndcg["bi-encoder"]) + 0.03


def test_a_line_that_was_not_printed_is_noticed():
    block = Block("", ("nDCG@10 of 12 queries: Elasticsearch 0.5", "kept in …"))
    check([block], ["nDCG@10 of 3 queries: Elasticsearch 0.123\nkept in model"])
    with pytest.raises(AssertionError, match="kept in"):
        check([block], ["nDCG@10 of 3 queries: Elasticsearch 0.123\n"])
    with pytest.raises(AssertionError, match="nDCG@10"):
        check([block], ["kept in model\nnDCG@10 of 3 queries: Elasticsearch 0.123"])
