"""The contract of every backend: the same folder gives the same scores as sentence-transformers, in any batch."""

from __future__ import annotations

import numpy as np
import pytest

from middleware.config import ModelSettings
from middleware.errors import ModelUnavailable
from middleware.rerank.backends import load_backend
from middleware.rerank.backends.torch import TorchBackend

torch = pytest.importorskip("torch")

MODULES = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}
QUERY = "iphone 12 手机壳"
DOCUMENTS = (
    "iphone 12 pro max red",
    "case for iphone 12",
    "",
    "red leather running shoe " * 6,
    "usb c cable",
    "红 手机壳",
    "\u0000 markup <b>&amp;</b>",
)
IDENTITY = {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}


@pytest.fixture(params=MODULES)
def load(request):
    pytest.importorskip(MODULES[request.param])

    def build(folder, **settings):
        settings = {"device": "cpu", "backend": request.param, "precision": "exact", **settings}
        return load_backend(ModelSettings(source=str(folder), **settings))

    return build


def score(backend, query=QUERY, documents=DOCUMENTS):
    return backend.score(backend.encode(query, documents))


def reference(folder, activation=None):
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(folder), device="cpu", activation_fn=activation, max_length=64)
    return np.asarray(model.predict([(QUERY, document) for document in DOCUMENTS]), dtype=np.float64)


def test_a_single_label_model_scores_as_sentence_transformers_does(load, tiny_model):
    folder = tiny_model(labels=1)
    scores = score(load(folder, max_tokens=64))
    assert np.ptp(scores) > 0.01
    np.testing.assert_allclose(scores, reference(folder), atol=1e-5)


def test_a_sigmoid_in_the_configuration_scores_as_sentence_transformers_does(load, tiny_model):
    folder = tiny_model(config={"sbert_ce_default_activation_function": "torch.nn.modules.activation.Sigmoid"})
    np.testing.assert_allclose(score(load(folder, max_tokens=64)), reference(folder), atol=1e-5)


def test_an_identity_model_keeps_its_order_within_zero_to_one(load, tiny_model):
    folder = tiny_model(config=IDENTITY)
    scores, raw = score(load(folder, max_tokens=64)), reference(folder)
    assert raw.min() < 0 or raw.max() > 1
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-raw)), atol=1e-5)


def test_a_model_saved_by_sentence_transformers_keeps_its_activation(load, tiny_model, tmp_path):
    from sentence_transformers import CrossEncoder

    CrossEncoder(str(tiny_model()), device="cpu", activation_fn=torch.nn.Tanh()).save_pretrained(str(tmp_path / "m"))
    expected = (1 + reference(tmp_path / "m")) / 2
    np.testing.assert_allclose(score(load(tmp_path / "m", max_tokens=64)), expected, atol=1e-5)


def test_a_two_label_model_scores_the_probability_of_its_second_label(load, tiny_model):
    folder = tiny_model(labels=2)
    expected = reference(folder, activation=torch.nn.Softmax(dim=-1))[:, 1]
    np.testing.assert_allclose(score(load(folder, max_tokens=64)), expected, atol=1e-5)


def test_a_two_label_model_follows_the_label_named_relevant(load, tiny_model):
    folder = tiny_model(labels=2, names={0: "relevant", 1: "irrelevant"})
    expected = reference(folder, activation=torch.nn.Softmax(dim=-1))[:, 0]
    np.testing.assert_allclose(score(load(folder, max_tokens=64)), expected, atol=1e-5)


def test_scores_do_not_depend_on_the_batch_or_its_order(load, tiny_model):
    backend = load(tiny_model(labels=1), max_tokens=64)
    together = score(backend)
    backwards = score(backend, documents=DOCUMENTS[::-1])[::-1]
    alone = np.concatenate([score(backend, documents=[document]) for document in DOCUMENTS])
    np.testing.assert_allclose(backwards, together, atol=1e-5)
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_the_same_list_gives_the_same_scores_bit_for_bit(load, tiny_model):
    backend = load(tiny_model(labels=1), max_tokens=64)
    assert score(backend).tobytes() == score(backend).tobytes()


def test_no_documents_are_no_pairs(load, tiny_model):
    assert list(load(tiny_model()).encode(QUERY, [])) == []


def test_a_long_document_gives_way_to_the_query(load, tiny_model):
    backend = load(tiny_model(), max_tokens=16)
    short, long = backend.encode("iphone 12", ["case", "red " * 100])
    assert len(short["input_ids"]) == 6
    assert len(long["input_ids"]) == 16
    assert list(long["input_ids"][:4]) == list(short["input_ids"][:4])


def test_a_long_query_is_cut_to_half_so_that_the_document_is_still_read(load, tiny_model):
    backend = load(tiny_model(), max_tokens=16)
    (pair,) = backend.encode("red " * 100, ["blue " * 100])
    ids, of_document = list(pair["input_ids"]), list(pair["token_type_ids"])
    assert len(ids) == 16
    assert sum(of_document) == 8  # 7 tokens and the closing separator; the query has 6, the opening ones 2


def test_max_tokens_beyond_the_positions_of_the_model_are_cut(load, tiny_model):
    backend = load(tiny_model(), max_tokens=4096)
    assert len(backend.encode("red", ["blue " * 500])[0]["input_ids"]) == 128


def test_a_model_without_a_trained_head_is_refused(load, tiny_model):
    with pytest.raises(ModelUnavailable, match=r"no trained classification head \(classifier\.\w+.* missing"):
        load(tiny_model(head=False))


def test_a_folder_without_safetensors_is_refused(load, tiny_model):
    folder = tiny_model()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match=r"no \*\.safetensors"):
        load(folder)


def test_broken_weights_are_refused_in_one_line(load, tiny_model):
    folder = tiny_model()
    (folder / "model.safetensors").write_bytes(b"not weights at all")
    with pytest.raises(ModelUnavailable, match="cannot be loaded") as refusal:
        load(folder)
    assert "\n" not in refusal.value.reason


def test_a_folder_that_went_away_after_the_configuration_was_read_is_refused(load, tiny_model):
    folder = tiny_model()
    settings = ModelSettings(source=str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(ModelUnavailable, match=r"no config\.json"):
        load_backend(settings)


def test_a_hub_name_that_cannot_be_fetched_is_refused_in_one_line(load, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailable, match="es-rerank-tests/no-such-model: cannot be loaded") as refusal:
        load("es-rerank-tests/no-such-model")
    assert "\n" not in refusal.value.reason


def test_a_device_that_is_not_there_is_refused(tiny_model):
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ModelUnavailable, match="device cuda"):
        TorchBackend(ModelSettings(source=str(tiny_model()), device="cuda"))
