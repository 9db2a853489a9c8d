"""FlashRank, infinity and sentence-transformers' ONNX for bench_engine.py, each in a process of its own.

Their versions of numpy and transformers are not ours, and some take their threads from the environment alone; so each
is run by the interpreter of an environment that has it, which need not have this project:

    python -m venv A && A/bin/pip install flashrank 'infinity_emb[torch]' 'transformers<5' pillow
    python -m venv B && B/bin/pip install 'sentence-transformers[onnx]'
    scripts/bench_engine.py --peer-python A/bin/python B/bin/python

All read one folder, so all have the same weights, and those with 8 bits the same file. What FlashRank reads is normally
downloaded, but not where its cache already holds a folder of that name, so it is given ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Score = Callable[[str, Sequence[str]], Sequence[float]]
"""(query, document texts) -> a score of each."""


def start_peer(pythons: Sequence[Path], name: str, folder: Path, threads: int, counted: str) -> Peer:
    """The peer's process, run by the first interpreter that can. Raises RuntimeError with the reasons of all."""
    reasons = []
    for python in pythons:
        try:
            return Peer(python, name, folder, threads, counted)
        except RuntimeError as error:
            reasons.append(str(error).splitlines()[0][:100])
    raise RuntimeError("; ".join(dict.fromkeys(reasons)))


class Peer:
    """A peer's process, loaded. Raises RuntimeError where it cannot be, with the reason in its own words."""

    def __init__(self, python: Path, name: str, folder: Path, threads: int, counted: str) -> None:
        offline = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "TOKENIZERS_PARALLELISM": "false"}
        self._process = subprocess.Popen(
            [python, __file__, name, folder, str(threads), counted],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | offline | {"OMP_NUM_THREADS": str(threads)},
            text=True,
        )
        try:
            self._receive()
        except RuntimeError:
            self.close()
            raise

    def score(self, query: str, texts: Sequence[str]) -> tuple[float, Sequence[float]]:
        """Seconds, as the process itself counted them, and scores."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([query, list(texts)]) + "\n")
        self._process.stdin.flush()
        answer = self._receive()
        return answer["seconds"], answer["scores"]

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline() or '{"error": "its process ended"}')
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def close(self) -> None:
        """It ends when its input does."""
        self._process.communicate()


def serve(name: str, folder: Path, threads: int, counted: str) -> None:
    """Answers each line of JSON on the standard input with one on the standard output, where nothing else may write."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    clock = getattr(time, counted)
    try:
        score = PEERS[name](folder, threads)
        score("a first search", ["to load what is loaded late"] * 2)
    except Exception as error:  # noqa: BLE001 - whatever it is, the benchmark says it and goes on
        print(json.dumps({"error": str(error) or repr(error)}), file=answers)
        return
    print("{}", file=answers)
    for line in sys.stdin:
        query, texts = json.loads(line)
        start = clock()
        scores = score(query, texts)
        print(json.dumps({"seconds": clock() - start, "scores": [float(each) for each in scores]}), file=answers)
    os._exit(0)  # infinity's threads would go on for ever


def flashrank(file: str) -> Callable[[Path, int], Score]:
    def load(folder: Path, threads: int) -> Score:
        from flashrank import Ranker, RerankRequest
        from flashrank.Config import model_file_map

        name = "ms-marco-MiniLM-L-12-v2"
        cache = folder.with_name(f"flashrank-{os.getpid()}")
        (cache / name).mkdir(parents=True)
        for source in (*folder.glob("*.json"), folder / file):
            (cache / name / (model_file_map[name] if source.suffix == ".onnx" else source.name)).symlink_to(source)
        ranker = Ranker(name, cache_dir=str(cache))
        # It has no setting for threads and would take all cores.
        ranker.session = onnx_session(cache / name / model_file_map[name], threads)

        def score(query: str, texts: Sequence[str]) -> Sequence[float]:
            passages = [{"id": place, "text": text} for place, text in enumerate(texts)]
            ranked = ranker.rerank(RerankRequest(query=query, passages=passages))
            return [each["score"] for each in sorted(ranked, key=lambda each: each["id"])]

        return score

    return load


def onnx_session(file: Path, threads: int) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(file), onnx_options(threads), providers=["CPUExecutionProvider"])


def onnx_options(threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return options


def infinity(folder: Path, threads: int) -> Score:
    import asyncio

    import torch
    from infinity_emb import AsyncEmbeddingEngine, EngineArgs

    torch.set_num_threads(threads)
    args = EngineArgs(model_name_or_path=str(folder), engine="torch", device="cpu", model_warmup=False)
    engine = AsyncEmbeddingEngine.from_args(args)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(engine.astart())

    def score(query: str, texts: Sequence[str]) -> Sequence[float]:
        ranked, _ = loop.run_until_complete(engine.rerank(query=query, docs=list(texts)))
        return [each.relevance_score for each in sorted(ranked, key=lambda each: each.index)]

    return score


def sentence_transformers_onnx(folder: Path, threads: int) -> Score:
    from sentence_transformers import CrossEncoder

    kind = {"file_name": "onnx/model_quantized.onnx", "session_options": onnx_options(threads)}
    model = CrossEncoder(str(folder), device="cpu", backend="onnx", model_kwargs=kind)

    def score(query: str, texts: Sequence[str]) -> Sequence[float]:
        return model.predict([(query, text) for text in texts], show_progress_bar=False)

    return score


PEERS: dict[str, Callable[[Path, int], Score]] = {
    "sentence-transformers ONNX int8": sentence_transformers_onnx,
    "FlashRank fp32": flashrank("onnx/model.onnx"),
    "FlashRank int8": flashrank("onnx/model_quantized.onnx"),
    "infinity fp32": infinity,
}

if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
