"""A reranker's training in small: what is kept, what decides it, and what is said where it cannot be."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tiny_groups import tiny_groups
from tiny_model import save_tiny_bert

torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

from safetensors.torch import load_file  # noqa: E402

from middleware.config import ModelSettings  # noqa: E402
from middleware.errors import CommandError, ConfigError  # noqa: E402
from middleware.learning.reranker.batches import Batches, encode_groups  # noqa: E402
from middleware.learning.reranker.checks import group_ndcg  # noqa: E402
from middleware.learning.reranker.groups import usable_groups  # noqa: E402
from middleware.learning.reranker.starting_weights import TrainedParts, keep_layers, open_base  # noqa: E402
from middleware.learning.reranker.train import CHECKPOINTS, RUN_FILE, TRAINING_FILE, Recipe, train_reranker  # noqa: E402
from middleware.learning.reranker.watch import check_steps, is_enough, read_points  # noqa: E402
from middleware.rerank.backends import load_backend  # noqa: E402
from middleware.rerank.backends.pair_tokenizer import PairTokenizer  # noqa: E402

TRAINING, HELD_OUT = tiny_groups(150, 1), tiny_groups(30, 2)
FREE = {"learning_rate": 2e-3, "frozen_words": False, "frozen_layers": 0, "precision": "fp32", "max_tokens": 32}

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def ignore(moment) -> None:
    pass


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return save_tiny_bert(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture(scope="module")
def trained(base, tmp_path_factory):
    moments = []
    folder = tmp_path_factory.mktemp("trained") / "model"
    recipe = Recipe(base=str(base), loss="ranknet", epochs=4, patience=100, **FREE)
    return train_reranker(TRAINING, HELD_OUT, recipe, folder, moments.append), folder, moments


def test_a_training_ranks_queries_better_that_it_did_not_see(trained):
    report, _, _ = trained
    assert report.ndcg > max(report.ndcg_before, report.ndcg_first_stage) + 0.03
    assert report.ndcg == max(point.ndcg for point in report.curve if point.ndcg)
    losses = [point.loss for point in report.curve if point.loss]
    assert np.mean(losses[-4:]) < np.mean(losses[:4])


def test_the_folder_says_how_it_came_about(trained):
    report, folder, _ = trained
    kept = json.loads((folder / TRAINING_FILE).read_text())
    assert kept["recipe"]["loss"] == "ranknet"
    assert kept["groups"] == 150
    assert kept["pairs"] == sum(len(group.targets) for group in TRAINING)
    assert kept["ndcg"] == report.ndcg
    assert kept["seconds"] > 0
    assert [point.step for point in read_points(folder / "metrics.jsonl")] == [each["step"] for each in kept["curve"]]
    assert list((folder / "tensorboard").iterdir())
    assert not (folder / CHECKPOINTS).exists()


def test_steps_loss_and_ndcg_are_shown(trained):
    report, _, moments = trained
    assert moments[0].step == 0
    assert moments[-1].step == moments[-1].steps == report.steps
    assert {moment.step for moment in moments} == set(range(report.steps + 1))
    assert moments[-1].ndcg == [point.ndcg for point in report.curve if point.ndcg][-1]


@pytest.mark.parametrize("precision", ["exact", "balanced", "fast"])
def test_it_is_served_at_every_precision(trained, precision):
    from sentence_transformers import CrossEncoder

    _, folder, _ = trained
    group = HELD_OUT[0]
    expected = CrossEncoder(str(folder), device="cpu").predict(
        [(group.query_text, text) for text in group.document_texts]
    )
    settings = ModelSettings(source=str(folder), precision=precision, device="cpu", max_tokens=32)
    backend = load_backend(settings)
    scores = backend.score(backend.encode(group.query_text, group.document_texts))
    assert scores == pytest.approx(expected, abs=1e-4 if precision == "exact" else 0.1)


def test_the_measure_kept_is_that_of_the_model_in_the_folder(trained):
    report, folder, _ = trained
    backend = load_backend(ModelSettings(source=str(folder), precision="exact", device="cpu", max_tokens=32))
    scores = [backend.score(backend.encode(group.query_text, group.document_texts)) for group in HELD_OUT]
    assert group_ndcg(HELD_OUT, scores) == pytest.approx(report.ndcg, abs=1e-6)


def quick(base, tmp_path, name="m", training=TRAINING[:30], held_out=(), **recipe):
    how = {"epochs": 1, "batch_size": 16, **FREE, **recipe}
    report = train_reranker(training, held_out, Recipe(base=str(base), **how), tmp_path / name, ignore)
    return report, load_file(tmp_path / name / "model.safetensors")


def test_equal_seeds_give_equal_models_and_others_do_not(base, tmp_path):
    models = [
        quick(base, tmp_path, str(number), seed=seed, dropout=0.1)[1]["classifier.weight"]
        for number, seed in enumerate((1, 1, 2))
    ]
    assert torch.equal(models[0], models[1])
    assert not torch.equal(models[0], models[2])


@pytest.mark.parametrize("loss", ["bce", "listnet"])
def test_a_group_that_weighs_more_has_its_way(base, tmp_path, loss):
    """The same documents, labelled one way by some groups and the other way by as many."""
    one = replace(TRAINING[0], document_ids=("a", "b"), document_texts=("red", "blue"), first_stage=(1.0, 0.0))
    told = {True: replace(one, targets=(1.0, 0.0)), False: replace(one, targets=(0.0, 1.0))}
    for heavy in (True, False):
        groups = [replace(told[way], weight=20.0 if way == heavy else 1.0) for way in (True, False)] * 10
        _, _ = quick(base, tmp_path, f"{heavy}", groups, loss=loss, epochs=3)
        backend = load_backend(ModelSettings(source=str(tmp_path / f"{heavy}"), precision="exact", device="cpu"))
        first, second = backend.score(backend.encode(one.query_text, ["red", "blue"]))
        assert (first > second) == heavy


def test_it_stops_when_nothing_gets_better_and_keeps_the_best(base, tmp_path):
    report, _ = quick(base, tmp_path, held_out=HELD_OUT, learning_rate=0.05, epochs=30, patience=2, checks_per_epoch=2)
    checks = [point.ndcg for point in report.curve if point.ndcg]
    assert report.steps < 30 * report.pairs // 16
    assert checks.index(max(checks)) == len(checks) - 3
    assert report.ndcg == max(checks)
    assert report.best_step < report.steps


def test_enough_is_so_many_checks_without_a_better_one():
    recipe = Recipe(patience=2)
    assert not is_enough([], recipe)
    assert not is_enough([0.5, 0.4], recipe)
    assert is_enough([0.5, 0.4, 0.5], recipe)
    assert not is_enough([0.5, 0.4, 0.6], recipe)


def test_checks_are_evenly_spaced_and_at_the_end_of_each_epoch():
    assert sorted(check_steps(Recipe(checks_per_epoch=3, epochs=2), 10)) == [4, 7, 10, 14, 17, 20]
    assert sorted(check_steps(Recipe(checks_per_epoch=5), 2)) == [1, 2]


def test_without_held_out_groups_the_last_weights_are_kept(base, tmp_path):
    report, _ = quick(base, tmp_path)
    assert report.ndcg is report.ndcg_before is None
    assert report.best_step == report.steps


def test_frozen_weights_stay_and_the_others_move(base, tmp_path):
    report, after = quick(base, tmp_path, frozen_words=True, frozen_layers=1)
    before = load_file(base / "model.safetensors")
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert not any("embeddings" in name or "layer.0" in name for name in moved)
    assert any("layer.1" in name for name in moved)
    assert report.trained_parameters < report.parameters == sum(each.numel() for each in before.values())


def test_words_that_were_added_learn_while_the_others_stay(base, tmp_path):
    known = 12
    _, after = quick(base, tmp_path, frozen_words=True, frozen_layers=1, new_tokens=known)
    name = "bert.embeddings.word_embeddings.weight"
    before = load_file(base / "model.safetensors")[name]
    assert torch.equal(after[name][:known], before[:known])
    assert not torch.equal(after[name][known:], before[known:])
    assert after[name].shape == before.shape


def test_a_student_keeps_evenly_spaced_layers_as_distilbert_did():
    from transformers import BertConfig, BertForSequenceClassification

    shape = {"vocab_size": 9, "hidden_size": 8, "num_attention_heads": 1, "intermediate_size": 8}
    model = BertForSequenceClassification(BertConfig(num_hidden_layers=12, **shape))
    assert keep_layers(model, 6) == [0, 2, 4, 7, 9, 11]
    assert model.config.num_hidden_layers == len(model.bert.encoder.layer) == 6
    with pytest.raises(CommandError, match="has 6 layers; give --layers 6 or fewer"):
        keep_layers(model, 7)


def test_a_base_without_a_head_gets_one_that_lets_the_signal_through(tmp_path):
    headless = save_tiny_bert(tmp_path / "headless", head=False)
    model = open_base(Recipe(base=str(headless)))
    assert model.new_head
    assert torch.equal(model.model.bert.pooler.dense.weight, torch.eye(32))
    assert not model.model.classifier.weight.any()
    rates = [group["lr"] for group in TrainedParts(model, Recipe()).groups(Recipe())]
    assert Recipe().new_weights_rate in rates


def test_a_base_with_three_labels_becomes_one_with_one(tmp_path):
    three = save_tiny_bert(tmp_path / "three", labels=3)
    model = open_base(Recipe(base=str(three)))
    assert model.new_head
    assert model.model.config.num_labels == 1
    assert model.model.classifier.weight.shape == (1, 32)


def test_a_base_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(CommandError, match=r"^[^\n]*no config\.json there[^\n]*$"):
        open_base(Recipe(base=str(tmp_path)))


def test_equal_scores_are_worth_what_chance_is():
    """Documents come best first; a model without an opinion must not profit from that."""
    group = replace(
        TRAINING[0],
        document_ids=tuple("abcdefghij"),
        document_texts=("x",) * 10,
        targets=(1.0, *[0.0] * 9),
        first_stage=(0.0,) * 10,
    )
    assert 0.3 < group_ndcg([group] * 300, [[0.0] * 10] * 300) < 0.6
    assert group_ndcg([group], [[1.0, *[0.0] * 9]]) == 1.0


BROKEN = {
    "without a document": replace(TRAINING[0], document_ids=(), document_texts=(), targets=(), first_stage=()),
    "with not as many ids, targets and first-stage scores as texts": replace(TRAINING[0], targets=(1.0,)),
    "with a target that is not in [0, 1]": replace(TRAINING[0], targets=(float("nan"),) * len(TRAINING[0].targets)),
    "with a weight that is not above 0": replace(TRAINING[0], weight=0.0),
    "without a query": replace(TRAINING[0], query_text=" "),
    "with the same target for every document": replace(TRAINING[0], targets=(0.0,) * len(TRAINING[0].targets)),
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_group_that_cannot_be_used_is_counted_with_its_reason(reason):
    kept, dropped = usable_groups([BROKEN[reason], TRAINING[1], BROKEN[reason]], need_an_order=True)
    assert kept == [TRAINING[1]]
    assert dropped == {reason: 2}


def test_a_group_of_one_target_teaches_a_pointwise_loss_something():
    alike = BROKEN["with the same target for every document"]
    assert usable_groups([alike], need_an_order=False) == ([alike], {})


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([], "there is no group of documents"),
        (list(BROKEN.values())[:2], "of 2 groups 1 with not as many ids.*, 1 without a document"),
        ([BROKEN["with the same target for every document"]] * 3, r"all \d+ documents of 3 groups have the target 0;"),
    ],
)
def test_groups_that_teach_nothing_are_said_with_counts(base, tmp_path, groups, message):
    with pytest.raises(CommandError, match=f"^nothing to learn from: [^\n]*{message}"):
        quick(base, tmp_path, training=groups)
    assert not (tmp_path / "m").exists()


def test_a_folder_with_a_trained_model_is_left_alone(trained, base):
    _, folder, _ = trained
    before = (folder / "model.safetensors").read_bytes()
    with pytest.raises(CommandError, match="holds a trained model already"):
        train_reranker(TRAINING, HELD_OUT, Recipe(base=str(base)), folder, ignore)
    assert (folder / "model.safetensors").read_bytes() == before


def test_a_folder_with_another_unfinished_training_is_left_alone(base, tmp_path):
    run = tmp_path / "m" / CHECKPOINTS / RUN_FILE
    run.parent.mkdir(parents=True)
    run.write_text(json.dumps({"fingerprint": "of another recipe"}))
    with pytest.raises(CommandError, match="unfinished training of another recipe or other groups"):
        quick(base, tmp_path)


def test_half_precision_without_a_gpu_is_refused(base, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(ConfigError, match="there is no GPU here; give fp32 or bf16"):
        quick(base, tmp_path, precision="fp16")


def test_bf16_comes_to_much_the_same(base, tmp_path):
    exact, _ = quick(base, tmp_path, "exact", held_out=HELD_OUT, loss="ranknet")
    mixed, _ = quick(base, tmp_path, "mixed", held_out=HELD_OUT, loss="ranknet", precision="bf16")
    losses = [[point.loss for point in each.curve if point.loss] for each in (exact, mixed)]
    assert losses[1] == pytest.approx(losses[0], rel=0.2)
    assert losses[1] != losses[0]


def test_the_trainer_does_what_a_plain_loop_does(base, tmp_path):
    """AdamW, clipped gradients, rates that rise over the first tenth and then fall; pairs of two groups weigh more."""
    training = [replace(group, weight=1.0 + 2.0 * (number < 2)) for number, group in enumerate(TRAINING[:30])]
    _, found = quick(base, tmp_path, training=training, epochs=2, weight_decay=0.1)
    recipe = Recipe(base=str(base), epochs=2, batch_size=16, weight_decay=0.1, **FREE)
    model = open_base(recipe).train()
    encoded = encode_groups(PairTokenizer(model.tokenizer, recipe.max_tokens), training)
    batches = Batches(encoded, recipe)
    matrices, vectors = ([each for each in model.parameters() if (each.ndim > 1) == many] for many in (True, False))
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer, updates, update = torch.optim.AdamW(groups), 2 * len(batches), 0
    warm_up = round(0.1 * updates)
    for epoch in range(2):
        batches.set_epoch(epoch)
        for (share,) in batches:
            rows = [row for (row,) in share.pieces]
            (one,), places = encoded.passes(rows)
            logits = model(one)["scores"].view(-1)[places]
            losses = torch.nn.functional.binary_cross_entropy_with_logits(
                logits, torch.tensor([float(encoded.targets[row]) for row in rows]), reduction="none"
            )
            (losses * torch.tensor(share.weights)).mean().backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * min((update + 1) / warm_up, (updates - update) / (updates - warm_up))
            optimizer.step()
            optimizer.zero_grad()
            update += 1
    for name, weight in model.model.state_dict().items():
        if not name.endswith("key.bias"):  # without a gradient but rounding's
            torch.testing.assert_close(found[name], weight, rtol=1e-3, atol=1e-4)
