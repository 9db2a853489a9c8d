#!/usr/bin/env python3
"""What scoring costs: sentence-transformers, FlashRank, infinity and our engine on each backend, in interleaved rounds.

    scripts/bench_engine.py                      # some 12 minutes; prints Markdown; skips what is not installed
    scripts/bench_engine.py --rounds 3 --documents 50 --threads 1
    scripts/bench_engine.py --peer-python PATH   # where FlashRank and infinity are, see bench_engine_peers.py
    scripts/bench_engine.py --model FOLDER       # tau and nDCG@10 with this trained model instead of the demo's

Speed: all-MiniLM-L6-v2 with a head of one label, real product texts, a whole search from texts to scores. Each round
runs everything once, so that a ratio compares neighbours in time; the tables give medians and quartiles of the rounds.
Share: multiplications of the plain model per second (no padding, every row of every layer) over what the matrix product
of the same number format reached in the same round, on as many threads.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

REPO = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPO))

from bench_engine_models import (  # noqa: E402
    CHORUS,
    MAX_TOKENS,
    calibrate,
    complete_for_peers,
    product_texts,
    sentence_transformers,
    start_engine,
    starter_model,
)
from bench_engine_peers import PEERS, Score, start_peer  # noqa: E402
from bench_engine_rates import matrix_rates, processor_name  # noqa: E402

from middleware.config import ModelSettings  # noqa: E402

QUERY = "wireless headphones"
REFERENCE = "sentence-transformers fp32"
OURS = {  # label -> backend, precision, the number format whose matrix rate bounds it
    "torch exact (fp32)": ("torch", "exact", "fp32"),
    "torch balanced (bf16)": ("torch", "balanced", "bf16"),
    "openvino exact (fp32)": ("openvino", "exact", "fp32"),
    "openvino balanced (bf16)": ("openvino", "balanced", "bf16"),
    "openvino fast (int8)": ("openvino", "fast", "int8"),
    "onnx exact (fp32)": ("onnx", "exact", "fp32"),
    "onnx fast (int8)": ("onnx", "fast", "int8"),
}

Timed = Callable[[str, Sequence[str]], tuple[float, Sequence[float]]]
"""(query, document texts) -> seconds, scores."""


@dataclass(frozen=True)
class Contestant:
    """Something that scores; `bound` is the number format of its matrix products, where we know it."""

    name: str
    score: Timed
    bound: str | None = None


@dataclass(frozen=True)
class Rounds:
    """What was measured: by contestant, by number format, and the tokens of each round's pairs without padding."""

    documents: int
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    rates: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    tokens: list[int] = field(default_factory=list)


def main() -> None:
    options = arguments()
    logging.disable(logging.WARNING)
    sys.stdout.reconfigure(line_buffering=True)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    load = os.getloadavg()[0]
    counted = "CPU time" if options.cpu_time else "wall time"
    print(f"Machine: {processor_name()}, {os.cpu_count()} cores, load {load:.1f} at the start; {counted}\n")
    texts = product_texts(options.products)
    if options.rounds:
        with tempfile.TemporaryDirectory() as scratch:
            folder = starter_model(Path(scratch) / "minilm")
            calibrate(folder, texts)
            complete_for_peers(folder)
            for threads in options.threads:
                speed_tables(folder, texts, threads, options)
    if not options.no_quality:
        from bench_engine_quality import quality_table

        quality_table(options, texts, OURS, calibrate)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="0: no speed, only quality")
    parser.add_argument("--documents", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument(
        "--peer-python", type=Path, nargs="+", default=[Path(sys.executable)], help="who runs the peers"
    )
    parser.add_argument("--products", type=Path, default=CHORUS / "products.jsonl.gz")
    parser.add_argument("--judgments", type=Path, default=CHORUS / "judgments_dev.csv")
    parser.add_argument("--model", type=Path, help="a trained cross-encoder; default: the demo's, where it is trained")
    parser.add_argument("--no-quality", action="store_true")
    parser.add_argument("--invented", type=int, default=600, help="searches made from the demo catalogue")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="count the CPU time of each process, not the wall's: for one thread on a machine that others use",
    )
    return parser.parse_args()


def speed_tables(folder: Path, texts: Mapping[str, str], threads: int, options: argparse.Namespace) -> None:
    counted = "process_time" if options.cpu_time else "perf_counter"
    with ExitStack() as processes:
        entries = contestants(folder, threads, counted, options.peer_python, processes)
        print_agreement(entries, texts)
        for documents in options.documents:
            measured = measure(entries, texts, documents, options.rounds, getattr(time, counted))
            print_speed(entries, measured, threads)


def contestants(
    folder: Path, threads: int, counted: str, pythons: Sequence[Path], processes: ExitStack
) -> Sequence[Contestant]:
    clock = getattr(time, counted)

    def peer(name: str) -> Timed:
        started = start_peer(pythons, name, folder, threads, counted)
        processes.callback(started.close)
        return started.score

    loaders: dict[str, Callable[[], Timed]] = {REFERENCE: lambda: timed(sentence_transformers(folder, threads), clock)}
    loaders |= {name: lambda name=name: peer(name) for name in PEERS}
    loaders |= {name: lambda name=name: timed(engine(folder, threads, name), clock) for name in OURS}
    found = []
    for name, load in loaders.items():
        try:
            found.append(Contestant(name, load(), OURS[name][2] if name in OURS else None))
        except Exception as error:  # noqa: BLE001 - whatever is not installed or cannot be loaded is left out
            tell_left_out(name, str(error).strip().splitlines()[0])
    return found


@cache
def tell_left_out(name: str, reason: str) -> None:
    print(f"(left out: {name}: {reason})\n")


def timed(score: Score, clock: Callable[[], float]) -> Timed:
    def run(query: str, texts: Sequence[str]) -> tuple[float, Sequence[float]]:
        start = clock()
        scores = score(query, texts)
        return clock() - start, scores

    return run


def engine(folder: Path, threads: int, name: str) -> Score:
    backend, precision, _ = OURS[name]
    settings = {"backend": backend, "precision": precision, "threads": threads, "max_tokens": MAX_TOKENS}
    running = start_engine(ModelSettings(source=str(folder), device="cpu", **settings))
    return lambda query, texts: running.score(query, texts, budget_ms=600_000)


def print_agreement(entries: Sequence[Contestant], texts: Mapping[str, str]) -> None:
    """Whether all have read the same weights: their order of one search's documents against the first one's."""
    from middleware.learning.export import kendall_tau

    chosen = random.Random(1).sample(list(texts.values()), 100)
    scores = [np.asarray(entry.score(QUERY, chosen)[1], float) for entry in entries]
    taus = (f"{entry.name} {kendall_tau(scores[0], mine):.2f}" for entry, mine in zip(entries, scores, strict=True))
    print(f"(Kendall's tau to {entries[0].name}, random head: {', '.join(taus)})\n")


def measure(
    entries: Sequence[Contestant], texts: Mapping[str, str], documents: int, rounds: int, clock: Callable[[], float]
) -> Rounds:
    from transformers import AutoTokenizer

    from middleware.learning.starter import starter_folder

    tokenizer = AutoTokenizer.from_pretrained(starter_folder())
    rng = random.Random(0)
    measured = Rounds(documents)
    for number in range(rounds + 1):  # the first one warms up
        chosen = rng.sample(list(texts.values()), documents)
        seconds = {entry.name: entry.score(QUERY, chosen)[0] for entry in entries}
        rates = matrix_rates(clock)
        if number:
            pairs = tokenizer([QUERY] * documents, chosen, truncation="only_second", max_length=MAX_TOKENS)
            measured.tokens.append(sum(map(len, pairs["input_ids"])))
            for kept, found in ((measured.seconds, seconds), (measured.rates, rates)):
                for name, value in found.items():
                    kept[name].append(value)
    return measured


def print_speed(entries: Sequence[Contestant], measured: Rounds, threads: int) -> None:
    plain = 6 * 12 * 384 * 384  # multiplications of MiniLM-L6's linear operations, per token
    documents, tokens = measured.documents, np.array(measured.tokens)
    print(
        f"**{documents} documents, {threads} thread(s)**, {tokens.mean() / documents:.0f} tokens a pair without ",
        end="",
    )
    rates = ", ".join(f"{name} {np.median(values):.0f}" for name, values in measured.rates.items())
    print(f"padding; matrix rate of one thread: {rates} billion multiplications a second\n")
    print("| | pairs/s | ms a search | times sentence-transformers (quartiles) | share of the matrix rate |")
    print("|---|---|---|---|---|")
    for entry in entries:
        mine = np.array(measured.seconds[entry.name])
        ratios = np.array(measured.seconds.get(REFERENCE, np.nan)) / mine
        low, middle, high = np.percentile(ratios, (25, 50, 75))
        share = ""
        if entry.bound in measured.rates:
            share = f"{np.median(plain * tokens / mine / 1e9 / threads / measured.rates[entry.bound]):.2f}"
        typical = float(np.median(mine))
        print(
            f"| {entry.name} | {documents / typical:.0f} | {typical * 1000:.0f} "
            f"| {middle:.1f} ({low:.1f} to {high:.1f}) | {share} |"
        )
    print(flush=True)


if __name__ == "__main__":
    main()
