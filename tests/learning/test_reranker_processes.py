"""Trainings as real processes: one that is killed and resumed, and two that share the work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_model import save_tiny_bert

torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

from reranker_process import train  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from middleware.learning.reranker.train import CHECKPOINTS, TRAINING_FILE  # noqa: E402

PROCESS = Path(__file__).with_name("reranker_process.py")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def recipe(base: Path, **others) -> dict:
    rates = {"learning_rate": 2e-3, "frozen_words": False, "frozen_layers": 0, "precision": "fp32"}
    return {"base": str(base), "batch_size": 16, "epochs": 2, "max_tokens": 32, **rates, **others}


def run(command: list[str], **arguments) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    arguments = {name: str(value) if isinstance(value, Path) else value for name, value in arguments.items()}
    whole = [*command, str(PROCESS), json.dumps(arguments)]
    return subprocess.run(whole, env=environment, capture_output=True, text=True, timeout=100)


def weights(folder: Path) -> dict:
    return load_file(folder / "model.safetensors")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return save_tiny_bert(tmp_path_factory.mktemp("tiny") / "base")


def test_a_killed_training_resumes_to_the_same_weights(base, tmp_path):
    """Within an epoch, with dropout and accumulation, and a checkpoint half written."""
    how = recipe(base, loss="ranknet", dropout=0.1, accumulation=2, patience=100)
    killed = run([sys.executable], recipe=how, output=tmp_path / "killed", kill_at=13)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    checkpoints = sorted(path.name for path in (tmp_path / "killed" / CHECKPOINTS).glob("checkpoint-*"))
    assert checkpoints
    assert not (tmp_path / "killed" / TRAINING_FILE).exists()
    (tmp_path / "killed" / CHECKPOINTS / "checkpoint-99").mkdir()

    train(how, str(tmp_path / "killed"))
    train(how, str(tmp_path / "whole"))

    resumed, whole = weights(tmp_path / "killed"), weights(tmp_path / "whole")
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert any(not torch.equal(whole[name], before) for name, before in weights(base).items())
    reports = [json.loads((tmp_path / name / TRAINING_FILE).read_text()) for name in ("killed", "whole")]
    steps = [[(point["step"], point["loss"], point["ndcg"]) for point in each["curve"]] for each in reports]
    assert steps[0] == steps[1]
    assert reports[0]["ndcg"] == reports[1]["ndcg"]
    assert not (tmp_path / "killed" / CHECKPOINTS).exists()


def test_two_processes_come_to_what_one_comes_to(base, tmp_path):
    how = recipe(base, loss="lambdaloss", batch_size=15, accumulation=2)
    done = run(TORCHRUN, recipe=how, output=tmp_path / "two")
    assert done.returncode == 0, done.stderr[-3000:]
    train(how, str(tmp_path / "one"))
    two, one = weights(tmp_path / "two"), weights(tmp_path / "one")
    # A bias that moves all keys, or all scores of a group, alike has no gradient but rounding's.
    for name in [name for name in one if not name.endswith(("key.bias", "classifier.bias"))]:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=1e-4)
    reports = [json.loads((tmp_path / name / TRAINING_FILE).read_text()) for name in ("two", "one")]
    assert [report["processes"] for report in reports] == [2, 1]
    losses = [[(point["step"], point["loss"]) for point in report["curve"] if point["loss"]] for report in reports]
    assert [step for step, _ in losses[0]] == [step for step, _ in losses[1]]
    assert [loss for _, loss in losses[0]] == pytest.approx([loss for _, loss in losses[1]], rel=1e-3)
    assert len(losses[0]) == len((tmp_path / "two" / "metrics.jsonl").read_text().splitlines()) - len(
        [point for point in reports[0]["curve"] if point["ndcg"]]
    )
