#!/usr/bin/env python3
"""What scoring costs: sentence-transformers, FlashRank, infinity and our engine on each backend, in interleaved rounds.

    scripts/bench_engine.py                      # some 5 minutes; prints Markdown; skips what is not installed
    scripts/bench_engine.py --rounds 3 --documents 50 --threads 1
    scripts/bench_engine.py --model FOLDER       # tau and nDCG@10 with this trained model instead of the demo's

Speed: all-MiniLM-L6-v2 with a head of one label, real product texts, a whole search from texts to scores. Each round
runs everything once, so that a ratio compares neighbours in time; the tables give medians and quartiles of the rounds.
Share: multiplications of the plain model per second (no padding, every row of every layer) over what the matrix product
of the same number format reached in the same round, on as many threads.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import os
import platform
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

REPO = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPO))

from middleware.config import ModelSettings  # noqa: E402

CHORUS = REPO.parent / "shared" / "data" / "chorus"
QUERY = "wireless headphones"
MAX_TOKENS = 128
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

Score = Callable[[str, Sequence[str]], Any]

clock = time.perf_counter


@dataclass(frozen=True)
class Contestant:
    """Something that scores; `bound` is the number format of its matrix products, where we know it."""

    name: str
    score: Score
    bound: str | None = None


def main() -> None:
    options = arguments()
    if options.cpu_time:
        global clock
        clock = time.process_time
    logging.disable(logging.WARNING)
    sys.stdout.reconfigure(line_buffering=True)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    counted = "CPU time" if options.cpu_time else "wall time"
    load = os.getloadavg()[0]
    print(f"Machine: {processor_name()}, {os.cpu_count()} cores, load {load:.1f} at the start; {counted}\n")
    with tempfile.TemporaryDirectory() as scratch:
        texts = product_texts(options.products)
        folder = starter_model(Path(scratch) / "minilm")
        calibrate(folder, texts)
        for threads in options.threads if options.rounds else ():
            speed_table(contestants(folder, threads), texts, threads, options)
    if not options.no_quality:
        from bench_engine_quality import quality_table

        quality_table(options, texts, OURS, calibrate)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="0: no speed, only quality")
    parser.add_argument("--documents", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--products", type=Path, default=CHORUS / "products.jsonl.gz")
    parser.add_argument("--judgments", type=Path, default=CHORUS / "judgments_dev.csv")
    parser.add_argument("--model", type=Path, help="a trained cross-encoder; default: the demo's, where it is trained")
    parser.add_argument("--no-quality", action="store_true")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="count the CPU time of this process, not the wall's: for one thread on a machine that others use",
    )
    return parser.parse_args()


def processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def product_texts(path: Path) -> dict[str, str]:
    """Texts by product id: the Chorus catalogue's, or the demo's where that is not there."""
    if path.is_file():
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return {p["id"]: text_of(p, "name", "short_description") for p in map(json.loads, lines)}
    print(f"({path} is not there: texts of the demo catalogue)\n")
    from middleware.catalog.demo import generate

    return {p["id"]: text_of(p, "title", "brand", "description") for p in generate().products}


def text_of(product: Mapping[str, Any], *fields: str) -> str:
    return " | ".join(str(product[field]) for field in fields if product.get(field))


def starter_model(folder: Path) -> Path:
    """all-MiniLM-L6-v2 with a head of random weights: what a model says does not change what it costs."""
    import torch
    import transformers

    from middleware.learning.starter import starter_folder

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(starter_folder(), num_labels=1)
    torch.nn.init.normal_(model.classifier.weight, std=0.05)
    model.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(starter_folder()).save_pretrained(folder)
    return folder


def calibrate(folder: Path, texts: Mapping[str, str]) -> None:
    """What `es-rerank models export` does, kept beside the weights."""
    from middleware.errors import ModelUnavailable
    from middleware.learning.export import observe_ranges
    from middleware.learning.export_texts import CatalogTexts
    from middleware.rerank.backends.calibration import CALIBRATION_FILE, save_ranges

    settings = ModelSettings(source=str(folder), max_tokens=MAX_TOKENS, device="cpu")
    try:
        ranges = observe_ranges(settings, CatalogTexts(texts, ""), lambda *_: None)
    except ModelUnavailable as error:
        print(f"(not calibrated: {error.reason})\n")
        return
    save_ranges(ranges, folder / CALIBRATION_FILE)


def contestants(folder: Path, threads: int) -> list[Contestant]:
    found = []
    for name, load in {
        REFERENCE: lambda: sentence_transformers(folder, threads, "torch"),
        "sentence-transformers ONNX int8": lambda: sentence_transformers(folder, threads, "onnx"),
        "FlashRank": lambda: flashrank(threads),
        "infinity": lambda: infinity(folder, threads),
    }.items():
        try:
            found.append(Contestant(name, load()))
        except Exception as error:  # noqa: BLE001 - whatever is not installed or cannot be loaded is left out
            print(f"(left out: {name}: {str(error).strip().splitlines()[0][:100]})")
    for name, (backend, precision, bound) in OURS.items():
        settings = ModelSettings(
            source=str(folder),
            backend=backend,
            precision=precision,
            threads=threads,
            max_tokens=MAX_TOKENS,
            device="cpu",
        )
        try:
            found.append(Contestant(name, engine(settings), bound))
        except Exception as error:  # noqa: BLE001
            print(f"(left out: {name}: {str(error).strip().splitlines()[0][:100]})")
    print()
    return found


def sentence_transformers(folder: Path, threads: int, runtime: str) -> Score:
    import torch
    from sentence_transformers import CrossEncoder

    kind: dict[str, Any] = {}
    if runtime == "onnx":
        import onnxruntime
        from sentence_transformers import export_dynamic_quantized_onnx_model

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        exported = CrossEncoder(str(folder), backend="onnx", device="cpu", model_kwargs={"export": True})
        quantised = folder.parent / "st-onnx"
        exported.save_pretrained(str(quantised))
        export_dynamic_quantized_onnx_model(exported, "avx512_vnni", str(quantised))
        file = "onnx/model_qint8_avx512_vnni.onnx"
        folder, kind = quantised, {"backend": "onnx", "model_kwargs": {"file_name": file, "session_options": options}}
    model = CrossEncoder(str(folder), device="cpu", max_length=MAX_TOKENS, **kind)

    def score(query: str, texts: Sequence[str]) -> Any:
        torch.set_num_threads(threads)
        return model.predict([(query, text) for text in texts], show_progress_bar=False)

    return score


def flashrank(threads: int) -> Score:
    os.environ["OMP_NUM_THREADS"] = str(threads)
    from flashrank import Ranker, RerankRequest

    ranker = Ranker(max_length=MAX_TOKENS)

    def score(query: str, texts: Sequence[str]) -> Any:
        return ranker.rerank(RerankRequest(query=query, passages=[{"text": text} for text in texts]))

    return score


def infinity(folder: Path, threads: int) -> Score:
    import torch
    from infinity_emb import EngineArgs, SyncEngineArray

    array = SyncEngineArray.from_args([EngineArgs(model_name_or_path=str(folder), engine="torch", device="cpu")])

    def score(query: str, texts: Sequence[str]) -> Any:
        torch.set_num_threads(threads)
        return array.rerank(model=str(folder), query=query, docs=list(texts)).result()

    return score


def engine(settings: ModelSettings) -> Score:
    """Our whole engine: queue, workers, batches."""
    from middleware.rerank.engine import Engine

    running = Engine(settings)
    running.start()
    while not running.ready:
        if running.error:
            raise RuntimeError(running.error)
        time.sleep(0.02)
    return lambda query, texts: running.score(query, texts, budget_ms=600_000)


def speed_table(
    entries: Sequence[Contestant], texts: Mapping[str, str], threads: int, options: argparse.Namespace
) -> None:
    from transformers import AutoTokenizer

    from middleware.learning.starter import starter_folder

    tokenizer = AutoTokenizer.from_pretrained(starter_folder())
    rng = random.Random(0)
    for documents in options.documents:
        seconds: dict[str, list[float]] = defaultdict(list)
        rates: dict[str, list[float]] = defaultdict(list)
        tokens: list[int] = []
        for number in range(options.rounds + 1):  # the first one warms up
            chosen = rng.sample(list(texts.values()), documents)
            if number:
                ids = tokenizer([QUERY] * documents, chosen, truncation="only_second", max_length=MAX_TOKENS)[
                    "input_ids"
                ]
                tokens.append(sum(map(len, ids)))
            for entry in entries:
                start = clock()
                entry.score(QUERY, chosen)
                if number:
                    seconds[entry.name].append(clock() - start)
            for name, rate in matrix_rates().items():
                rates[name].append(rate)
        print_speed(entries, seconds, rates, tokens, documents, threads)


def print_speed(
    entries: Sequence[Contestant],
    seconds: Mapping[str, Sequence[float]],
    rates: Mapping[str, Sequence[float]],
    tokens: Sequence[int],
    documents: int,
    threads: int,
) -> None:
    plain = 6 * 12 * 384 * 384  # multiplications of MiniLM-L6's linear operations, per token
    per_pair = np.mean(tokens) / documents
    print(f"**{documents} documents, {threads} thread(s)**, {per_pair:.0f} tokens a pair without padding; ", end="")
    medians = {name: float(np.median(values)) for name, values in rates.items()}
    print("matrix rate of one thread: " + ", ".join(f"{name} {rate:.0f}" for name, rate in medians.items()), end="")
    print(" billion multiplications a second\n")
    print("| | pairs/s | ms a search | times sentence-transformers (quartiles) | share of the matrix rate |")
    print("|---|---|---|---|---|")
    for entry in entries:
        mine = np.array(seconds[entry.name])
        ratios = np.array(seconds[REFERENCE]) / mine if REFERENCE in seconds else np.full(len(mine), np.nan)
        low, middle, high = np.percentile(ratios, (25, 50, 75))
        share = ""
        if entry.bound and entry.bound in medians:
            per_round = plain * np.array(tokens) / mine / 1e9 / threads / np.array(rates[entry.bound][1:])
            share = f"{np.median(per_round):.2f}"
        typical = float(np.median(mine))
        print(
            f"| {entry.name} | {documents / typical:.0f} | {typical * 1000:.0f} "
            f"| {middle:.1f} ({low:.1f} to {high:.1f}) | {share} |"
        )
    print(flush=True)


_PRODUCTS: dict[str, Callable[[], Any]] = {}


def matrix_rates(rows: int = 1024, inner: int = 384, columns: int = 1536) -> dict[str, float]:
    """Billion multiplications a second of one thread in a product of the model's own shape, by number format.

    fp32 and int8: ONNX Runtime's, bf16: oneDNN's, which OpenVINO uses too; the best of five.
    """
    if not _PRODUCTS:
        prepare_products(rows, inner, columns)
    found = {}
    for name, run in _PRODUCTS.items():
        times = []
        for _ in range(5):
            start = clock()
            run()
            times.append(clock() - start)
        found[name] = rows * inner * columns / min(times) / 1e9
    return found


def prepare_products(rows: int, inner: int, columns: int) -> None:
    import torch

    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((rows, inner), "f"), rng.standard_normal((inner, columns), "f")
    bf16 = torch.from_numpy(left).bfloat16(), torch.from_numpy(right.T.copy()).bfloat16()

    def in_bf16() -> None:
        torch.set_num_threads(1)
        with torch.inference_mode():
            torch.nn.functional.linear(*bf16)

    _PRODUCTS["bf16"] = in_bf16
    try:
        _PRODUCTS["fp32"] = onnx_product("MatMul", left, right)
        codes = np.clip(left * 40 + 128, 0, 255).astype(np.uint8), np.clip(right * 40, -127, 127).astype(np.int8)
        _PRODUCTS["int8"] = onnx_product("MatMulInteger", *codes)
    except ImportError:
        print("(no matrix rates of fp32 and int8: onnxruntime is not installed)")


def onnx_product(kind: str, left: Any, right: Any) -> Callable[[], Any]:
    import onnxruntime
    from onnx import helper, numpy_helper
    from onnx.helper import np_dtype_to_tensor_dtype as type_of

    out = np.dtype(np.int32 if kind == "MatMulInteger" else np.float32)
    graph = helper.make_graph(
        [helper.make_node(kind, ["left", "right"], ["product"])],
        "product",
        [helper.make_tensor_value_info("left", type_of(left.dtype), left.shape)],
        [helper.make_tensor_value_info("product", type_of(out), [left.shape[0], right.shape[1]])],
        [numpy_helper.from_array(right, "right")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"left": left})


if __name__ == "__main__":
    main()
