"""The graph of our own: RoBERTa as well as BERT, 8-bit arithmetic near fp32, many threads at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tiny_model import WORDS

from middleware.config import ModelSettings
from middleware.rerank.backends import load_backend
from middleware.rerank.backends.calibration import CALIBRATION_FILE, find_ranges, save_ranges

torch = pytest.importorskip("torch")

LOSSY = [("onnx", "fast"), ("openvino", "fast"), ("openvino", "balanced"), ("torch", "balanced")]
QUERY = "red phone case"
RNG = np.random.default_rng(3)
DOCUMENTS = [" ".join(RNG.choice(WORDS, size=size)) for size in RNG.integers(1, 40, size=60)]


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("ES_RERANK_CACHE", str(tmp_path / "cache"))


def load(folder, backend, precision="exact", **settings):
    pytest.importorskip({"onnx": "onnxruntime"}.get(backend, backend))
    settings = {"device": "cpu", "max_tokens": 64, **settings}
    return load_backend(ModelSettings(source=str(folder), backend=backend, precision=precision, **settings))


def score(backend):
    return backend.score(backend.encode(QUERY, DOCUMENTS))


def tau(left, right):
    """Kendall's tau-a."""
    signs = [np.sign(scores[:, None] - scores[None, :]) for scores in (left, right)]
    return float((signs[0] * signs[1]).sum() / (len(left) * (len(left) - 1)))


@pytest.mark.parametrize(("backend", "precision"), LOSSY)
def test_lossy_arithmetic_keeps_the_order_all_but_a_little(tiny_model, backend, precision):
    folder = tiny_model()
    exact, lossy = score(load(folder, "torch")), score(load(folder, backend, precision))
    assert tau(exact, lossy) > 0.8  # weights as large as these are harder than any trained ones
    assert np.abs(lossy - exact).mean() < 0.2 * exact.std()
    assert not np.array_equal(lossy, exact)


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_roberta_scores_as_transformers_does(tmp_path, tiny_model, backend):
    from transformers import RobertaConfig, RobertaForSequenceClassification

    folder = tiny_model()
    config = RobertaConfig(
        vocab_size=200,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=130,
        type_vocab_size=1,
        num_labels=1,
        initializer_range=0.4,
        pad_token_id=1,
    )
    torch.manual_seed(1)
    RobertaForSequenceClassification(config).save_pretrained(folder)
    ours = load(folder, backend)
    pairs = [{"input_ids": [2, *RNG.integers(5, 200, size=size), 3]} for size in (3, 9, 30, 9)]
    model = RobertaForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        expected = [model(torch.tensor([pair["input_ids"]])).logits.sigmoid().item() for pair in pairs]
    np.testing.assert_allclose(ours.score(pairs), expected, atol=1e-5)


@pytest.mark.parametrize(("backend", "precision"), [("onnx", "exact"), ("torch", "exact"), *LOSSY])
def test_many_threads_at_once_get_what_one_gets(tiny_model, backend, precision):
    loaded = load(tiny_model(), backend, precision, threads=2)
    pairs = [loaded.encode(QUERY, DOCUMENTS[start : start + 10]) for start in range(0, 60, 10)]
    alone = [loaded.score(each) for each in pairs]
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(loaded.score, pairs))
    np.testing.assert_allclose(np.concatenate(together), np.concatenate(alone), atol=1e-6)


def test_a_calibration_is_found_by_the_weights_wherever_they_lie(tiny_model, tmp_path, monkeypatch):
    from middleware.rerank.backends.calibration import export_folder

    weights = [tiny_model() / "model.safetensors"]
    assert find_ranges(weights) is None
    save_ranges({"0.qkv": np.ones(3, np.float32)}, export_folder(weights) / CALIBRATION_FILE)
    copy = tmp_path / "elsewhere" / "model.safetensors"
    copy.parent.mkdir()
    copy.write_bytes(weights[0].read_bytes())
    assert set(find_ranges([copy])) == {"0.qkv"}
    copy.write_bytes(weights[0].read_bytes() + b" ")
    assert find_ranges([copy]) is None


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_pairs_as_long_as_the_model_has_positions_are_scored(tiny_model, backend):
    """125 is no multiple of what a runtime may round lengths to."""
    from transformers import BertConfig, BertForSequenceClassification

    folder = tiny_model()
    config = BertConfig.from_pretrained(folder, max_position_embeddings=125)
    torch.manual_seed(2)
    BertForSequenceClassification(config).save_pretrained(folder)
    loaded, reference = load(folder, backend, max_tokens=512), load(folder, "torch", max_tokens=512)
    texts = ["red phone " * 80, "blue", *["case " * 123] * 3]
    scores = [each.score(each.encode(QUERY, texts)) for each in (loaded, reference)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)


def test_a_pair_longer_than_one_pass_is_still_scored(tiny_model):
    loaded, reference = load(tiny_model(), "onnx", max_tokens=128), load(tiny_model(), "torch", max_tokens=128)
    texts = ["red phone " * 80, "blue", *["case " * 70] * 9]
    scores = [each.score(each.encode(QUERY, texts)) for each in (loaded, reference)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_pass_of_many_lengths_scores_each_pair_as_if_alone(tiny_model, backend):
    loaded, reference = load(tiny_model(), backend), load(tiny_model(), "torch")
    pairs = reference.encode(QUERY, [" ".join(["phone", "red"] * size) for size in range(1, 21)])
    assert len({len(pair["input_ids"]) for pair in pairs}) == 20
    np.testing.assert_allclose(loaded.score(pairs), reference.score(pairs), atol=1e-5)


def test_folding_leaves_the_scores_as_they_were(tiny_model):
    """In fp32, where nothing hides it; that 8 bits lose no more is what the order of the scores shows above."""
    from dataclasses import replace

    from middleware.rerank.backends.folding import fold
    from middleware.rerank.backends.graph import LOGITS, build_graph
    from middleware.rerank.backends.passes import one_pass
    from middleware.rerank.backends.recipe import Recipe

    onnxruntime = pytest.importorskip("onnxruntime")
    encoder, ranges, pairs = _observed(tiny_model())
    folded, folded_ranges = fold(encoder, ranges, 0.85)
    logits = [
        onnxruntime.InferenceSession(build_graph(each, Recipe())).run([LOGITS], one_pass(pairs))[0]
        for each in (encoder, folded, replace(encoder, layers=encoder.layers[::-1]))
    ]
    np.testing.assert_allclose(logits[1], logits[0], atol=1e-4)
    assert np.abs(logits[2] - logits[0]).max() > 0.01
    assert not np.allclose(folded_ranges["0.attended"], ranges["0.attended"], rtol=0.1)


def test_calibrated_8_bits_keep_the_order_all_but_a_little(tiny_model):
    folder = tiny_model()
    _, ranges, _ = _observed(folder)
    save_ranges(ranges, folder / CALIBRATION_FILE)
    exact, fast = load(folder, "torch"), load(folder, "onnx", "fast")
    assert "calibration" in fast.name
    assert tau(score(exact), score(fast)) > 0.8


def test_a_folded_encoder_needs_no_smoothing_of_what_attention_gives(tiny_model):
    from middleware.rerank.backends.folding import fold, smoothing_factors

    encoder, ranges, _ = _observed(tiny_model())
    assert np.ptp(smoothing_factors(ranges["0.attended"], encoder.layers[0].attended.weight, 0.85)) > 0.1
    folded, folded_ranges = fold(encoder, ranges, 0.85)
    factors = smoothing_factors(folded_ranges["0.attended"], folded.layers[0].attended.weight, 0.85)
    np.testing.assert_allclose(factors, 1.0, rtol=1e-4)
    assert all(not layer.down.bias.any() for layer in folded.layers)


def _observed(folder):
    """Encoder, ranges and pairs of a model that has biases."""
    from transformers import AutoModelForSequenceClassification

    from middleware.learning.export import observe_ranges
    from middleware.learning.export_texts import CatalogTexts
    from middleware.rerank.backends.encoder import read_encoder
    from middleware.rerank.backends.source import open_source

    model = AutoModelForSequenceClassification.from_pretrained(folder)
    torch.manual_seed(5)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    settings = ModelSettings(source=str(folder), max_tokens=64, device="cpu")
    source = open_source(settings, "onnx")
    ranges = observe_ranges(settings, CatalogTexts(dict(enumerate(DOCUMENTS)), ""), lambda *_: None)
    return read_encoder(source.config, source.weight_files), ranges, source.tokenizer.encode(QUERY, DOCUMENTS)


@pytest.mark.parametrize("packed", [True, False])
def test_passes_are_cut_within_their_bound_and_cover_all(packed):
    from middleware.rerank.backends.passes import ROWS_PER_PASS, Layout, _cuts

    layout = Layout(packed=packed, step=1)
    assert _cuts([ROWS_PER_PASS * 2], layout) == [(0, 1)]
    lengths = sorted(RNG.integers(5, 100, size=80).tolist())
    passes = _cuts(lengths, layout)
    assert [row for start, end in passes for row in range(start, end)] == list(range(80))
    rows = [sum(lengths[start:end]) if packed else (end - start) * lengths[end - 1] for start, end in passes]
    assert max(rows) <= ROWS_PER_PASS
    assert len(passes) < (1.5 if packed else 2.5) * sum(lengths) / ROWS_PER_PASS


def test_passes_without_packing_are_cut_where_lengths_jump():
    from middleware.rerank.backends.passes import Layout, _cuts

    layout = Layout(packed=False, step=1)
    assert _cuts([10, 10, 11, 60, 60], layout) == [(0, 3), (3, 5)]
    lengths = sorted(RNG.integers(5, 100, size=80).tolist())
    assert sum((end - start) * lengths[end - 1] for start, end in _cuts(lengths, layout)) < 1.1 * sum(lengths)


def test_a_packed_pass_has_a_row_for_each_token_and_no_other():
    from middleware.rerank.backends.graph import IDS, PLACES, POSITIONS, SLOTS
    from middleware.rerank.backends.passes import PACKED, one_pass

    arrays = one_pass([{"input_ids": [7, 8, 9]}, {"input_ids": list(range(20, 37))}], PACKED)
    assert arrays[IDS].tolist() == [7, 8, 9, *range(20, 37)]
    assert arrays[POSITIONS].tolist() == [*range(3), *range(17)]
    assert arrays[PLACES].shape == (2, 32)
    assert arrays[PLACES].ravel()[arrays[SLOTS]].tolist() == list(range(20))
