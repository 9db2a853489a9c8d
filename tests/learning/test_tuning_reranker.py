"""Trials that train a cross-encoder: on training folds alone, given up early, the best one kept and served."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from fake_teachers import WordTeacher
from tiny_model import save_tiny_bert
from tuning_shop import Quiet, make_judgments, make_shop, options

from middleware.config import Settings
from middleware.learning.groups.group import Group
from middleware.learning.reranker.train import TRAINING_FILE
from middleware.learning.reranker.watch import Moment
from middleware.learning.tuning import reranker as tuning_reranker
from middleware.learning.tuning.output import write_output
from middleware.learning.tuning.reranker import Trainer, _some_invented, base_recipe
from middleware.learning.tuning.space import RerankerChoice
from middleware.learning.tuning.trials import FOLDER
from middleware.learning.tuning.tune import prepare, tune


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return make_shop(save_tiny_bert(tmp_path_factory.mktemp("tuned")))


@pytest.fixture(scope="module")
def found(shop, tmp_path_factory):
    """Two trials, the groups that models were trained on, and the options."""
    given = options(
        tmp_path_factory.mktemp("study") / "reranker.db",
        what=("reranker",),
        trials=2,
        hits=20,
        folds=3,
        invented=0,
        teacher=WordTeacher(),
    )
    trained, train = [], tuning_reranker.train_reranker

    def note(groups, held_out, recipe, folder, show):
        trained.append((groups, held_out, recipe))
        return train(groups, held_out, recipe, folder, show)

    tuning_reranker.train_reranker = note
    try:
        return tune(shop, make_judgments(), given, Quiet()), trained, given
    finally:
        tuning_reranker.train_reranker = train


def test_models_learn_from_training_folds_are_watched_on_another_and_never_see_what_is_held_out(found, shop):
    _, trained, given = found
    judgments = make_judgments()
    parts = prepare(shop, judgments, given).parts
    assert len(trained) == 2
    for groups, watched, _ in trained:
        learned = {(group.family or group.query_text) for group in groups}
        assert learned == {judgments.queries[query] for query in parts.without(0)}
        seen = {(group.family or group.query_text) for group in watched}
        assert seen == {judgments.queries[query] for query in parts.folds[0]}


def test_each_trial_trains_as_it_chose(found):
    result, trained, _ = found
    for row, (_, _, recipe) in zip(result.trials, trained, strict=True):
        assert recipe.learning_rate == row.values["learning rate"]
        assert recipe.loss == row.values["loss of reranker"]
        assert recipe.epochs == row.values["epochs"]
        assert recipe.frozen_layers == row.values["frozen layers"] < 2


def test_the_value_is_that_of_the_model_in_its_place_on_the_watched_fold(found):
    result, _, _ = found
    assert result.folds == 1
    assert result.training_queries == 5 == len(make_judgments().queries) // 4 + 1
    assert 0 < result.best.value <= 1
    assert result.held_out.queries == 4


def test_only_the_best_model_is_kept(found):
    result, _, given = found
    folder = given.study.with_name("reranker.db.models")
    assert [path.name for path in folder.iterdir()] == [result.best.notes[FOLDER]]
    assert result.folder == folder / result.best.notes[FOLDER]
    assert (result.folder / TRAINING_FILE).is_file()


def test_started_again_nothing_is_trained_anew(found, shop, monkeypatch):
    result, _, given = found
    monkeypatch.setattr(tuning_reranker, "train_reranker", None)
    again = tune(shop, make_judgments(), given, Quiet())
    assert again.held_out == result.held_out


def test_the_lines_for_rerank_yml_name_the_model_that_was_measured(found, shop, tmp_path):
    result, _, given = found
    written = write_output(result, shop, tmp_path / "best.yml")
    assert written[1] == tmp_path / "best.reranker"
    assert f"source: {written[1]}" in written[0].read_text()
    model = shop.settings.models["tiny"].model_copy(update={"source": str(written[1])})
    served = replace(
        shop, settings=Settings.model_validate(shop.settings.model_copy(update={"models": {"tiny": model}}))
    )
    alone = replace(given, study=tmp_path / "served.db", what=("window",), trials=1)
    again = tune(served, make_judgments(), alone, Quiet())
    measured = result.held_out.comparison.after.by_query
    assert {
        query: each["nDCG@10"] for query, each in again.held_out.comparison.before.by_query.items()
    } == pytest.approx({query: each["nDCG@10"] for query, each in measured.items()})


def test_every_check_of_a_training_is_reported_once(shop, tmp_path, monkeypatch):
    """Of two epochs of eight steps each, with four checks: the last is the trial's end."""

    def train(groups, held_out, recipe, folder, show):
        ndcg = None
        for step in range(17):
            show(Moment(step, 16, ndcg=ndcg))
            if step and step % 2 == 0:
                ndcg = step / 100
                show(Moment(step, 16, ndcg=ndcg))

    monkeypatch.setattr(tuning_reranker, "train_reranker", train)
    monkeypatch.setattr(Trainer, "_made", lambda *_: [])
    recipe = replace(base_recipe(shop.settings.models["tiny"], None, 0), epochs=2)
    trainer = Trainer(shop, make_judgments(), "_id", "tiny", tmp_path, 0, 0, None, lambda *_: None)
    reported = []
    trainer.train(RerankerChoice(recipe, 0), "{title}", [], [], lambda value, number: reported.append((number, value)))
    assert reported == [(number, (number + 1) * 2 / 100) for number in range(7)]


def test_nothing_is_left_of_a_training_that_was_given_up(shop, tmp_path, monkeypatch):
    def train(groups, held_out, recipe, folder, show):
        (folder / "checkpoints").mkdir(parents=True)
        show(Moment(1, 8))
        show(Moment(5, 8, ndcg=0.1))

    def report(value, number):
        raise optuna.TrialPruned

    monkeypatch.setattr(tuning_reranker, "train_reranker", train)
    monkeypatch.setattr(Trainer, "_made", lambda *_: [])
    trainer = Trainer(shop, make_judgments(), "_id", "tiny", tmp_path, 0, 0, None, lambda *_: None)
    choice = RerankerChoice(base_recipe(shop.settings.models["tiny"], None, 0), 0)
    with pytest.raises(optuna.TrialPruned):
        trainer.train(choice, "{title}", [], [], report)
    assert list(tmp_path.iterdir()) == []


def group(query, origin, family=""):
    return Group(query, ("d",), ("text",), (1.0,), (1.0,), origin, family=family)


def test_invented_queries_beyond_the_count_go_with_their_variants():
    groups = [group("a", "judged"), group("b", "invented"), group("c", "invented"), group("bb", "invented", "b")]
    groups += [group("cc", "invented", "c"), group("aa", "judged", "a")]
    assert [each.query_text for each in _some_invented(groups, 1)] == ["a", "b", "bb", "aa"]
    assert [each.query_text for each in _some_invented(groups, 0)] == ["a", "aa"]
    assert _some_invented(groups, 2) == groups


def test_a_model_that_runs_elsewhere_gives_way_to_the_starter_weights(shop):
    model = shop.settings.models["tiny"]
    assert base_recipe(model, None, 3).base == model.source
    assert base_recipe(model, "other", 3).base == "other"
    remote = Settings.model_validate(
        {"models": {"far": {"source": "far", "remote": {"servers": ["http://localhost:1"]}}}}
    ).models["far"]
    assert base_recipe(remote, None, 3).base is None
    assert Path(str(base_recipe(model, None, 3).base)).is_dir()
