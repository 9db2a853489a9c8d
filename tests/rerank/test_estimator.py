"""What an estimate is made of, and that no text, thread or broken file upsets it."""

from __future__ import annotations

import logging
import math
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_estimator import random_estimator, word_tokenizer
from tiny_model import WORDS, save_tiny_bert

from middleware.config import ModelSettings
from middleware.errors import ModelUnavailable
from middleware.rerank.backends.calibration import export_folder
from middleware.rerank.estimator import Estimator
from middleware.rerank.estimator_choice import estimator_path, find_estimator
from middleware.rerank.estimator_file import DOCUMENT_TOKENS, NAME, QUERY_TOKENS, read_estimator

FILE = random_estimator()
IDS = {word: number for number, word in enumerate(["[UNK]", *WORDS])}

words = st.sampled_from([*WORDS, "unheard", "of"])
texts = st.lists(words, max_size=DOCUMENT_TOKENS + 20).map(" ".join)


def tokens_of(text: str, most: int) -> list[int]:
    return [IDS.get(word, 0) for word in text.split()[:most]] or [0]


def dot(left, right) -> float:
    return sum(float(one) * float(other) for one, other in zip(left, right, strict=True))


def mean_vector(vectors, weights):
    return [sum(weight * float(vector[axis]) for vector, weight in zip(vectors, weights, strict=True))
            for axis in range(len(vectors[0]))]  # fmt: skip


def features_one_by_one(query_text, text, first_stage, place):
    """What Estimator.features computes for all hits at once, of one hit and token by token."""
    query, document = tokens_of(query_text, QUERY_TOKENS), tokens_of(text, DOCUMENT_TOKENS)
    query_vectors, vectors = [FILE.vectors[token] for token in query], [FILE.vectors[token] for token in document]
    importance = [float(FILE.query_weights[token]) for token in query]
    shares = [
        1 / (1 + math.exp(-float(FILE.document_weights[token]) - float(FILE.positions[position])))
        for position, token in enumerate(document)
    ]
    nearest = [max(dot(mine, theirs) for theirs in vectors) for mine in query_vectors]
    wanted = [max(dot(mine, theirs) for mine in query_vectors) for theirs in vectors]
    query_mean, mean = mean_vector(query_vectors, importance), mean_vector(vectors, shares)
    return [
        first_stage,
        1 / (1 + place),
        len(document) / DOCUMENT_TOKENS,
        len(query) / QUERY_TOKENS,
        dot(nearest, importance) / sum(importance),
        min(nearest),
        dot(query_mean, mean) / math.sqrt(dot(query_mean, query_mean) * dot(mean, mean)),
        dot(wanted, shares) / sum(shares),
    ]


@given(texts, st.lists(texts, min_size=1, max_size=6), st.booleans())
def test_features_are_those_of_each_hit_computed_alone(query_text, document_texts, with_memory) -> None:
    estimator = Estimator(FILE, 1_000_000 if with_memory else 0)
    first_stage = np.linspace(1, 0, len(document_texts))
    expected = [
        features_one_by_one(query_text, text, first_stage[place], place) for place, text in enumerate(document_texts)
    ]
    for _ in range(2):  # the second time from memory, if there is any
        found = estimator.features(query_text, document_texts, first_stage)
        assert found == pytest.approx(np.array(expected), abs=1e-5)


def test_an_estimate_is_the_logistic_of_the_weighted_features() -> None:
    document_texts, first_stage = ["red phone", "case for the iphone", ""], np.array([1.0, 0.4, 0.0])
    estimates = Estimator(FILE).estimate("red iphone", document_texts, first_stage, 0.7)
    for place, text in enumerate(document_texts):
        features = features_one_by_one("red iphone", text, first_stage[place], place)
        assert estimates.scores[place] == pytest.approx(1 / (1 + math.exp(-dot(features, FILE.linear) - FILE.bias)))
    assert estimates.depth == FILE.depth


odd_texts = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=()), max_size=30),
        st.sampled_from(["", " ", "\ud800", "red \udfff phone", "手机壳", "red " * 5000, "x" * 100_000, "\x00"]),
    ),
    min_size=1,
    max_size=12,
)


@given(st.text(st.characters(exclude_categories=()), max_size=20), odd_texts)
def test_whatever_the_texts_hold_there_is_an_estimate_for_each(query_text, document_texts) -> None:
    estimator = Estimator(FILE, 8000)
    document_texts = [*document_texts, *document_texts]
    estimates = estimator.estimate(query_text, document_texts, np.zeros(len(document_texts)), 0.9)
    assert estimates.scores.shape == estimates.uppers.shape == (len(document_texts),)
    assert ((estimates.scores >= 0) & (estimates.scores <= 1)).all()
    assert ((estimates.uppers >= 0) & (estimates.uppers <= 1)).all()
    half = len(document_texts) // 2
    place_apart = [0, *range(2, 8)]  # the same text further down differs in its place alone
    features = estimator.features(query_text, document_texts, np.zeros(len(document_texts)))[:, place_apart]
    assert features[:half] == pytest.approx(features[half:])


def test_a_long_text_is_cut_before_it_is_tokenised() -> None:
    lengths = []

    class Listening:
        def encode_batch_fast(self, given, **options):
            lengths.extend(map(len, given))
            return FILE._tokenizer.encode_batch_fast(given, **options)

    file = replace(FILE)
    object.__setattr__(file, "_tokenizer", Listening())
    Estimator(file).features("red " * 100_000, ["phone " * 100_000], np.ones(1))
    assert max(lengths) < 1000


def test_a_document_is_tokenised_once() -> None:
    asked = []

    class Listening:
        def encode_batch_fast(self, given, **options):
            asked.append(given)
            return FILE._tokenizer.encode_batch_fast(given, **options)

    file = replace(FILE)
    object.__setattr__(file, "_tokenizer", Listening())
    estimator = Estimator(file, 1_000_000)
    estimator.features("red", ["phone", "case", "phone"], np.ones(3))
    estimator.features("blue", ["case", "cable"], np.ones(2))
    assert asked == [["red"], ["phone", "case"], ["blue"], ["cable"]]


def test_memory_stays_bounded_though_some_documents_are_in_every_window() -> None:
    max_bytes = 1_000_000
    estimator = Estimator(FILE, max_bytes)

    def search(number):
        # Each acquaintance was once new among 149 that nobody asks for again: nothing may keep those alive.
        acquainted = [f"{known} " + "red " * 60 for known in range(number, number + 51)]
        others = [f"{number} {other} " + "blue " * 60 for other in range(149)]
        estimator.features("red", [*acquainted, *others], np.ones(200))

    search(0)
    tracemalloc.start()
    for number in range(1, 80):
        search(number)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < max_bytes * 1.2
    assert 200 < len(estimator._documents) <= 1000


def test_nothing_that_is_remembered_hangs_on_what_it_was_made_with() -> None:
    estimator = Estimator(FILE, 1_000_000)
    for document in estimator._documents.read(["red phone", "blue case"], estimator._make):
        assert document.centre.base is None
        assert document.ids.base is None


def test_many_threads_at_once_get_what_one_gets() -> None:
    estimator, alone = Estimator(FILE, 30_000), Estimator(FILE)
    rng = np.random.default_rng(1)
    windows = [[" ".join(rng.choice(WORDS, 12)) for _ in range(40)] for _ in range(12)]
    expected = [alone.features("red phone", window, np.ones(40)) for window in windows]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda turn: estimator.features("red phone", windows[turn % 12], np.ones(40)), range(96)))
    for turn, features in enumerate(found):
        assert features == pytest.approx(expected[turn % 12])


def test_certainty_1_excludes_nothing() -> None:
    estimates = Estimator(FILE).estimate("red", ["phone", "case"], np.ones(2), 1.0)
    assert estimates.uppers.tolist() == [1.0, 1.0]
    assert (Estimator(FILE).estimate("red", ["phone", "case"], np.ones(2), 0.99).uppers < 1).all()


@given(st.floats(0.5, 0.99), st.integers(0, 2**32 - 1))
def test_margins_cover_the_share_of_residuals_that_they_say(certainty, seed) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=4000)
    spread = np.where(logits > 0, 2.0, 0.3)  # whom the estimate likes it knows less well
    residuals = rng.normal(size=4000) * spread + 0.5
    edges = np.quantile(logits, [0.25, 0.5, 0.75])
    bins, levels = np.searchsorted(edges, logits), np.linspace(0, 1, 41)
    table = np.stack([np.quantile(residuals[bins == number], levels) for number in range(4)])
    margins = replace(FILE, edges=edges, residuals=table).margins(logits, certainty)
    for number in range(4):
        covered = (residuals <= margins)[bins == number].mean()
        below, above = levels[levels <= certainty].max(), levels[levels >= certainty].min()
        assert below - 0.005 <= covered <= above + 0.005


def test_more_certainty_is_never_a_lower_bound() -> None:
    estimator, document_texts = Estimator(FILE), ["red phone", "case", "", "usb c cable"]
    bounds = [estimator.estimate("red", document_texts, np.ones(4), each).uppers for each in (0.5, 0.7, 0.95, 1.0)]
    assert all((lower <= higher).all() for lower, higher in pairwise(bounds))
    assert (bounds[0] < bounds[2]).all()


def test_what_was_saved_is_read_again(tmp_path) -> None:
    path = tmp_path / "new" / "folder" / NAME
    FILE.save(path)
    found = read_estimator(path)
    for field in fields(FILE):
        if field.name not in ("vectors", "_tokenizer"):
            assert np.array_equal(getattr(found, field.name), getattr(FILE, field.name)), field.name
    assert found.vectors == pytest.approx(FILE.vectors, abs=1e-3)
    assert found.vectors.dtype == np.float32
    assert [each.name for each in path.parent.iterdir()] == [NAME]
    estimates = [
        Estimator(file).estimate("red phone", ["red", "case for phone"], np.ones(2), 0.7) for file in (FILE, found)
    ]
    assert estimates[0].scores == pytest.approx(estimates[1].scores, abs=1e-3)


def cut(path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def flip(path) -> None:
    content = bytearray(path.read_bytes())
    content[400:600] = bytes(200)
    path.write_bytes(bytes(content))


def lose_an_array(path) -> None:
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays.pop("linear")
    np.savez(path, **arrays)


BREAKAGES = {
    "missing": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_bytes(b"one\ntwo\nthree"),
    "cut": cut,
    "flipped": flip,
    "half an archive": lambda path: path.write_bytes(b"PK\x03\x04 and no more"),
    "an array alone": lambda path: path.write_bytes(b"\x93NUMPY"),
    "an array less": lose_an_array,
    "too few weights": lambda path: replace(FILE, linear=np.ones(7)).save(path),
    "too few positions": lambda path: replace(FILE, positions=FILE.positions[:5]).save(path),
    "too few vectors": lambda path: replace(FILE, vectors=FILE.vectors[:-1]).save(path),
    "flat residuals": lambda path: replace(FILE, residuals=np.ones(4)).save(path),
    "fewer residuals than bins": lambda path: replace(FILE, residuals=FILE.residuals[1:]).save(path),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_what_is_no_estimator_is_said_in_one_line(tmp_path, breakage) -> None:
    path = tmp_path / NAME
    FILE.save(path)
    BREAKAGES[breakage](path)
    with pytest.raises(ModelUnavailable) as raised:
        read_estimator(path)
    assert "\n" not in raised.value.reason
    assert str(path) in raised.value.reason
    assert "es-rerank models cascade" in raised.value.reason


def test_a_tokenizer_that_is_none_is_said_in_one_line(tmp_path) -> None:
    path = tmp_path / NAME
    FILE.save(path)
    with np.load(path) as stored:
        arrays = dict(stored)
    about = arrays["about"].tobytes().replace(b"WordLevel", b"WordLovel")
    np.savez(path, **(arrays | {"about": np.frombuffer(about, dtype=np.uint8)}))
    with pytest.raises(ModelUnavailable, match=r"^[^\n]*tokenizer[^\n]*es-rerank models cascade`$"):
        read_estimator(path)


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("ES_RERANK_CACHE", str(tmp_path / "cache"))
    return save_tiny_bert(tmp_path / "model")


def in_cache(model):
    return export_folder(sorted(model.glob("*.safetensors"))) / NAME


def test_the_settings_say_where_it_is_else_beside_the_weights_else_in_the_cache(model, tmp_path) -> None:
    settings = ModelSettings(source=str(model))
    assert find_estimator(settings) is None
    assert estimator_path(settings) == in_cache(model)
    for depth, path in enumerate((in_cache(model), model / NAME), 1):
        random_estimator(depth=depth).save(path)
        assert estimator_path(settings) == path
        assert depth_of(find_estimator(settings)) == depth
    elsewhere = tmp_path / "elsewhere.npz"
    random_estimator(depth=3).save(elsewhere)
    named = ModelSettings(source=str(model), estimator=str(elsewhere))
    assert estimator_path(named) == elsewhere
    assert depth_of(find_estimator(named)) == 3


def depth_of(estimator) -> int:
    return estimator.estimate("red", ["phone"], np.ones(1), 0.7).depth


def test_a_model_elsewhere_has_the_estimator_that_the_settings_name(tmp_path) -> None:
    remote = {"source": "org/model", "remote": {"servers": ["http://127.0.0.1:1"]}}
    assert estimator_path(ModelSettings(**remote)) is None
    assert find_estimator(ModelSettings(**remote)) is None
    path = tmp_path / NAME
    FILE.save(path)
    assert depth_of(find_estimator(ModelSettings(**remote, estimator=str(path)))) == FILE.depth


def test_without_an_estimator_that_is_said_and_no_error(model, caplog) -> None:
    caplog.set_level(logging.INFO)
    assert find_estimator(ModelSettings(source=str(model))) is None
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "es-rerank models cascade" in caplog.text


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_one_that_cannot_be_read_is_logged_and_left_out(model, caplog, breakage) -> None:
    path = in_cache(model)
    FILE.save(path)
    BREAKAGES[breakage](path)
    named = ModelSettings(source=str(model), estimator=str(path))
    assert find_estimator(named) is None
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert str(path) in record.getMessage()


def test_the_tokenizer_of_the_tests_reads_words() -> None:
    assert [ids.tolist() for ids in FILE.tokenise(["red blue nowhere", ""], 5)] == [[1, 2, 0], [0]]
    assert FILE.tokenizer == word_tokenizer()
