"""What teaching makes of windows: an estimator that computes what was taught, and that knows what the teacher likes."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import yaml
from tiny_estimator import random_estimator, word_tokenizer
from typer.testing import CliRunner

from middleware.cli import app
from middleware.config import ModelSettings, Settings
from middleware.errors import CommandError, ConfigError
from middleware.learning.cascade import make as cascade
from middleware.learning.cascade.make import ENOUGH, Depth, make_estimator, measure_depth
from middleware.learning.cascade.training import Recipe, TaughtWindow, Words, _Student, _tensors, _with_residuals, teach
from middleware.learning.groups.given_queries import read_queries
from middleware.learning.groups.shop_documents import Document
from middleware.learning.shop import PLACEHOLDER, default_form, read_form, section_of
from middleware.rerank import estimator_choice
from middleware.rerank.estimator import Estimator
from middleware.rerank.estimator_file import read_estimator

VOCABULARY = [f"w{number}" for number in range(150)]
TEACHER_ALONE = {"cross_encoder": 1.0, "first_stage": 0.0}
QUICK = Recipe(dimensions=24, passes=12)


def make_words() -> Words:
    vectors = np.random.default_rng(3).normal(size=(len(VOCABULARY) + 1, 32))
    return Words(vectors.astype(np.float32), word_tokenizer(VOCABULARY))


def make_window(rng: random.Random, hits: int = 40) -> TaughtWindow:
    """The teacher likes hits by the share of the query's words that they hold; the first stage knows nothing of it."""
    query = rng.sample(VOCABULARY, 3)
    documents = [
        " ".join(rng.sample([*rng.choices(VOCABULARY, k=9), *query[: rng.choice((0, 0, 0, 1, 2, 3))]], 9))
        for _ in range(hits)
    ]
    shares = np.array([sum(word in text.split() for word in query) / 3 for text in documents])
    scores = 1 / (1 + np.exp(-(8 * shares - 4)))
    return TaughtWindow(" ".join(query), documents, np.linspace(1, 0, hits), scores)


@pytest.fixture(scope="module")
def torch():
    """On one thread: those of small tensors wait for each other on a machine with other work."""
    module = pytest.importorskip("torch")
    threads = module.get_num_threads()
    module.set_num_threads(1)
    yield module
    module.set_num_threads(threads)


@pytest.fixture(scope="module")
def windows():
    rng = random.Random(5)
    return [make_window(rng) for _ in range(60)]


@pytest.fixture(scope="module")
def taught(windows, torch):
    steps = []
    file = teach(make_words(), windows[:45], windows[45:], QUICK, lambda *step: steps.append(step))
    return file, steps


def test_what_was_taught_is_computed_alike_in_torch_and_in_numpy(windows, torch) -> None:
    torch.manual_seed(0)
    words = make_words()
    odd = replace(windows[0], query_text="w1 w1 unheard w2", document_texts=["", "w1", "w1 " * 90, *["w3 w2"] * 37])
    empty = random_estimator(words.tokenizer)
    student = _Student(torch, words.embeddings, np.arange(len(VOCABULARY)), QUICK)
    with torch.no_grad():
        for parameter in [*student.other_parameters, *student.linear_parameters]:
            parameter.add_(torch.randn_like(parameter) * 0.3)
    student.standardise([_tensors(torch, empty, window, QUICK) for window in windows[:5]])
    file = student.export(empty)
    for window in (windows[0], windows[1], odd):
        with torch.no_grad():
            item = _tensors(torch, file, window, QUICK)
            features, logits = student.features(item).numpy(), student.logits(item).numpy()
        found = Estimator(file).features(window.query_text, window.document_texts, window.first_stage)
        assert found == pytest.approx(features, abs=1e-4)
        assert found @ file.linear + file.bias == pytest.approx(logits, rel=1e-3, abs=1e-3)


def test_an_estimator_learns_what_the_teacher_likes(windows, taught) -> None:
    file, steps = taught
    held_out = windows[45:]
    blind = replace(file, linear=np.eye(8)[0] * 5, bias=0.0)  # estimates by the first stage's score alone
    learned, order_of_first_stage = (measure_depth(each, held_out, 12, TEACHER_ALONE) for each in (file, blind))
    assert learned.gain > 0.97
    assert order_of_first_stage.gain < 0.75
    assert learned.kept > order_of_first_stage.kept + 0.3
    assert [step for step, _, _ in steps] == list(range(1, len(steps) + 1))
    assert {count for _, count, _ in steps} == {len(steps)}


def test_estimates_are_near_the_scores_and_bounds_as_sure_as_they_say(windows, taught) -> None:
    estimator, errors, below = Estimator(taught[0]), [], []
    for window in windows[45:]:
        arguments = (window.query_text, window.document_texts, window.first_stage)
        estimates = estimator.estimate(*arguments, certainty=0.8)
        errors.append(np.abs(estimates.scores - window.cross_encoder_scores).mean())
        below.append((window.cross_encoder_scores <= estimates.uppers).mean())
    assert np.mean(errors) < 0.12
    assert np.mean(below) == pytest.approx(0.8, abs=0.08)


def logits(scores):
    return np.clip(np.log(scores / (1 - scores)), -QUICK.largest_logit, QUICK.largest_logit)


def test_residuals_reach_from_the_least_to_the_greatest_of_the_windows_held_out(windows, taught) -> None:
    file, estimator = taught[0], Estimator(taught[0])
    found = [[] for _ in file.residuals]
    for window in windows[45:]:
        features = estimator.features(window.query_text, window.document_texts, window.first_stage)
        estimated = features @ file.linear + file.bias
        residuals = logits(window.cross_encoder_scores) - estimated
        for number, residual in zip(np.searchsorted(file.edges, estimated), residuals, strict=True):
            found[number].append(residual)
    extremes = [[min(residuals), max(residuals)] for residuals in found]
    assert file.residuals[:, [0, -1]] == pytest.approx(np.array(extremes), abs=1e-3)


def test_where_estimates_are_all_alike_every_bin_has_the_residuals_of_all(windows, torch) -> None:
    words, held_out = make_words(), windows[45:]
    student = _Student(torch, words.embeddings, np.arange(len(VOCABULARY)), QUICK)  # untaught: it says 0 of each
    file = _with_residuals(torch, student.export(random_estimator(words.tokenizer)), student, held_out, QUICK)
    true = np.concatenate([logits(window.cross_encoder_scores) for window in held_out])
    for row in file.residuals:
        assert row[[0, 20, 40]] == pytest.approx([true.min(), np.median(true), true.max()], abs=1e-3)


def test_reading_deeper_never_keeps_less_and_reading_all_keeps_all(windows) -> None:
    by_chance = random_estimator(word_tokenizer(VOCABULARY))
    depths = [measure_depth(by_chance, windows[:5], hits, {"cross_encoder": 1.0, "first_stage": 0.25}) for hits in
              (5, 10, 20, 40)]  # fmt: skip
    assert [depth.hits for depth in depths] == [5, 10, 20, 40]
    kept = [depth.kept for depth in depths]
    assert kept == sorted(kept)
    assert kept[0] <= 0.5
    assert depths[-1].kept == depths[-1].gain == 1.0


def test_a_window_of_which_the_model_likes_nothing_loses_nothing() -> None:
    window = TaughtWindow("w1", ["w2"] * 20, np.linspace(1, 0, 20), np.zeros(20))
    assert measure_depth(random_estimator(word_tokenizer(VOCABULARY)), [window], 10, TEACHER_ALONE).gain == 1.0


def test_the_same_windows_and_seed_make_the_same_file(windows, taught, tmp_path) -> None:
    again = teach(make_words(), windows[:45], windows[45:], QUICK, lambda *_: None)
    for number, file in enumerate((taught[0], again)):
        file.save(tmp_path / f"{number}.npz")
    assert (tmp_path / "0.npz").read_bytes() == (tmp_path / "1.npz").read_bytes()


class FakeEngine:
    def score(self, query, texts, *, budget_ms):
        return np.linspace(1, 0, len(texts))

    def stop(self):
        self.stopped = True


class FakeShop:
    """Finds something for the first `found` searches only."""

    index, hits, weights = "shop", 20, TEACHER_ALONE
    settings = Settings(indices={"shop": {}})

    def __init__(self, found):
        self.found = found

    def window(self, query):
        self.found -= 1
        return None if self.found < 0 else FoundWindow([f"w{number}" for number in range(20)])


def draw(shop, count, seed):
    title = " ".join(VOCABULARY[:8])
    return [Document("1", {"title": title}, title)]


class FoundWindow:
    def __init__(self, texts):
        self.document_texts, self.first_stage_scores = texts, np.linspace(9, 1, len(texts))


@pytest.mark.parametrize("found", [0, 1, 2])
def test_too_few_windows_are_said_in_one_line_with_the_remedy(monkeypatch, found) -> None:
    engine = FakeEngine()
    monkeypatch.setattr(cascade, "start_engine", lambda model: engine)
    monkeypatch.setattr(cascade, "draw_documents", draw)
    with pytest.raises(CommandError, match=r"^shop: [^\n]*--queries or --search"):
        make_estimator(ModelSettings(source="m"), "m", FakeShop(found), [], 20, lambda *_: None)
    assert engine.stopped


def test_a_depth_that_is_enough_is_the_least_that_keeps_the_gain(monkeypatch, torch) -> None:
    monkeypatch.setattr(cascade, "start_engine", lambda model: FakeEngine())
    monkeypatch.setattr(cascade, "draw_documents", draw)
    monkeypatch.setattr(cascade, "_read_words", lambda words, model: make_words())
    told = []
    file, depths = make_estimator(
        ModelSettings(source="m"), "m", FakeShop(1000), ["w1", "w2"], 20, lambda *step: told.append(step)
    )
    assert [depth.hits for depth in depths] == [10, 15, 20]
    assert file.depth == next(depth.hits for depth in depths if depth.gain >= ENOUGH)
    assert file.made_of.items() >= {"model": "m", "index": "shop", "windows": 20, "hits": 20}.items()
    assert ("reading windows", 19, 20) in told


@pytest.mark.parametrize("content", [None, b"{", b"\xff{}"])
def test_a_search_that_is_no_json_is_refused(tmp_path, content) -> None:
    path = tmp_path / "search.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^--search: [^\n]*search\.json[^\n]*JSON body of a search"):
        read_form(path)


def test_a_search_needs_a_place_for_the_words(tmp_path) -> None:
    path = tmp_path / "search.json"
    path.write_text('{"query": {"match": {"title": "red"}}}')
    with pytest.raises(ConfigError, match=r"^--search: .*\{\{query\}\} where the words"):
        read_form(path)
    path.write_text('{"query": {"match": {"title": "{{query}}"}}}')
    assert PLACEHOLDER in read_form(path)


@pytest.mark.parametrize("content", [None, b"", b"\n \n", b"\xff\xfe"])
def test_a_file_without_queries_is_refused(tmp_path, content) -> None:
    path = tmp_path / "queries.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^--queries: [^\n]*queries\.txt[^\n]*one query a line"):
        read_queries(path)


def test_queries_are_read_once_each_in_order(tmp_path) -> None:
    path = tmp_path / "queries.txt"
    path.write_text(" red shoe \n\n手机壳\nred shoe\nblue\n", encoding="utf-8")
    assert read_queries(path) == ["red shoe", "手机壳", "blue"]


SHOPS = Settings.model_validate(
    {"indices": {"products": {}, "fashion": {"patterns": ["clothes-*"], "template": "{name}[ {brand}]"}}}
)


@pytest.mark.parametrize("index", ["clothes-2024", "clothes-*"])
def test_an_index_belongs_to_the_section_that_covers_it(index) -> None:
    assert section_of(index, SHOPS).template == "{name}[ {brand}]"
    assert section_of("products-v2", SHOPS) is SHOPS.indices["products"]


def test_an_index_of_no_section_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^--index: 'fashion': .*\['fashion', 'products'\]"):
        section_of("fashion", SHOPS)


def test_the_usual_search_asks_for_every_field_of_the_document_text() -> None:
    assert default_form(SHOPS.indices["fashion"]) == (
        '{"query": {"multi_match": {"query": "{{query}}", "fields": ["name^3", "brand"]}}}'
    )


def run(path, model):
    config = path / "rerank.yml"
    config.write_text(yaml.safe_dump({"models": {"m": model}}))
    return CliRunner().invoke(app, ["models", "cascade", "--config", str(config)])


@pytest.mark.parametrize("named", [{}, {"estimator": "e.npz"}])
def test_of_a_model_elsewhere_words_and_a_place_must_be_named(tmp_path, named) -> None:
    done = run(tmp_path, {"source": "org/m", "remote": {"servers": ["http://127.0.0.1:1"]}, **named})
    assert isinstance(done.exception, ConfigError)
    assert "--output and --words" in done.exception.reason


def test_of_a_hub_model_the_place_is_known_once_it_is_here(tmp_path, monkeypatch) -> None:
    path, is_here = tmp_path / "cache" / "e.npz", []

    def make(*arguments):
        is_here.append(True)
        return random_estimator(), [Depth(10, 1.0, 1.0)]

    monkeypatch.setattr(cascade, "make_estimator", make)
    monkeypatch.setattr(estimator_choice, "estimator_path", lambda model: path if is_here else None)
    assert run(tmp_path, {"source": "org/not-yet-here"}).exit_code == 0
    assert read_estimator(path).depth == random_estimator().depth


@pytest.mark.parametrize(("words", "revision"), [("org/m", "v1"), ("org/other", None)])
def test_a_revision_is_that_of_the_model_alone(monkeypatch, words, revision) -> None:
    asked = []

    class Transformers:
        def from_pretrained(self, name, **known):
            asked.append((name, known.get("revision")))
            raise OSError("not here")

        AutoModel = AutoTokenizer = property(lambda self: self)

    monkeypatch.setattr(cascade, "import_transformers", lambda extra: Transformers())
    with pytest.raises(CommandError, match=f"{words}: not here"):
        cascade._read_words(words, ModelSettings(source="org/m", revision="v1"))
    assert asked == [(words, revision)]
