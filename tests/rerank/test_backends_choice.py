"""Which runtime is taken: by the precision, what is installed and what the processor can do."""

from __future__ import annotations

import numpy as np
import pytest

from middleware.config import ModelSettings
from middleware.errors import ModelUnavailable
from middleware.rerank.backends import choice
from middleware.rerank.backends.choice import Candidate, candidates
from middleware.rerank.backends.processor import Processor, read_flags

MODERN, OLD = Processor(int8=True, bf16=True), Processor(int8=False, bf16=False)


def names(
    precision="auto", backend="auto", processor=MODERN, installed=("torch", "onnxruntime", "openvino"), gpu=False
):
    settings = ModelSettings(source="org/model", precision=precision, backend=backend)
    found = candidates(settings, processor, installed.__contains__, gpu)
    return [f"{each.backend} {each.arithmetic}" for each in found]


def test_exact_is_fp32_on_whatever_is_installed():
    assert names("exact") == ["onnx fp32", "openvino fp32", "torch fp32"]
    assert names("exact", installed=("torch",)) == ["torch fp32"]


def test_auto_is_exact_on_a_cpu_and_bf16_on_a_gpu():
    assert names("auto") == names("exact")
    assert names("auto", gpu="cuda") == ["torch bf16"]
    assert names("exact", gpu="cuda") == ["torch fp32"]
    assert names("auto", gpu="mps") == ["torch fp32"]


def test_fast_is_8_bit_and_falls_back_to_more_exact_ones():
    assert names("fast")[:3] == ["onnx int8", "openvino int8", "openvino bf16"]
    assert names("fast", installed=("torch",)) == ["torch bf16", "torch fp32"]


def test_balanced_on_a_processor_without_bf16_is_exact():
    assert names("balanced")[0] == "openvino bf16"
    assert names("balanced", processor=OLD) == names("exact")


def test_a_named_backend_is_kept_to():
    assert names("fast", backend="openvino")[0] == "openvino int8"
    assert all(name.startswith("torch") for name in names("fast", backend="torch"))


def test_nothing_installed_names_the_extra_to_install(monkeypatch):
    monkeypatch.setitem(choice.__dict__, "_is_installed", lambda module: False)
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(ModelUnavailable, match=r"pip install 'es-rerank\[torch\]'"):
        choice.choose_backend(ModelSettings(source="org/model"))


@pytest.mark.parametrize(("backend", "module"), [("onnx", "onnxruntime"), ("openvino", "openvino"), ("torch", "torch")])
def test_a_backend_that_is_not_installed_names_its_extra(monkeypatch, backend, module):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(ModelUnavailable, match=rf"pip install 'es-rerank\[{backend}\]'"):
        Candidate(backend, "fp32").load(ModelSettings(source="org/model"))


def test_a_model_without_a_graph_of_ours_runs_on_torch(tiny_model, caplog):
    pytest.importorskip("torch")
    folder = tiny_model(config={"hidden_act": "relu"})
    with caplog.at_level("INFO"):
        backend = choice.choose_backend(ModelSettings(source=str(folder), precision="fast", device="cpu"))
    assert backend.name.startswith("torch")
    if choice._is_installed("onnxruntime"):
        assert "its activation is relu, not gelu" in caplog.text


def test_measured_candidates_are_timed_and_the_fastest_is_taken(monkeypatch):
    class Timed:
        def __init__(self, name, seconds):
            self.name, self.seconds = name, seconds

    seconds = {"onnx": 3.0, "openvino": 1.0, "torch": 2.0}
    monkeypatch.setattr(Candidate, "load", lambda self, settings: Timed(self.backend, seconds[self.backend]))
    monkeypatch.setattr(choice, "_seconds", lambda backend: backend.seconds)
    monkeypatch.setattr(choice, "_is_installed", lambda module: True)
    settings = ModelSettings(source="org/model", precision="exact", device="cpu", measure=True)
    assert choice.choose_backend(settings).name == "openvino"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("flags\t\t: fpu avx2 avx512_vnni avx512_bf16", MODERN),
        ("flags\t\t: fpu avx2 fma", OLD),
        ("processor\t: 0\nFeatures\t: fp asimd i8mm bf16", MODERN),
        ("", OLD),
    ],
)
def test_the_processor_is_read_from_its_flags(flags, expected):
    assert read_flags(flags) == expected


def test_threads_bound_the_workers(tiny_model):
    pytest.importorskip("torch")
    settings = ModelSettings(source=str(tiny_model()), device="cpu", threads=3)
    backend = choice.choose_backend(settings)
    assert (backend.workers, backend.threads) == (3, 1)
    assert np.isfinite(backend.score(backend.encode("red", ["red shoe"]))).all()
