"""What a search of configurations leaves: lines that serve what was measured, tables, words and a picture."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from tiny_model import save_tiny_bert
from tuning_shop import Quiet, make_judgments, make_shop, options, shop_of

from middleware.config import Settings
from middleware.errors import ConfigError
from middleware.learning.tuning.importance import importances
from middleware.learning.tuning.output import write_output
from middleware.learning.tuning.plots import check_plot, write_plot
from middleware.learning.tuning.space import FusionChoice
from middleware.learning.tuning.terminal import describe_values, show_result
from middleware.learning.tuning.tune import tune

PROCESS = Path(__file__).parent / "tuning_process.py"
CHEAP = {"what": ("window", "fields"), "trials": 5}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_bert(tmp_path_factory.mktemp("tuned"))


@pytest.fixture(scope="module")
def found(model, tmp_path_factory):
    """A whole study, its options and what was shown of it."""
    shop, quiet = make_shop(model), Quiet()
    given = options(tmp_path_factory.mktemp("study") / "whole.db", trials=12, what=("fusion", "window", "fields"))
    return tune(shop, make_judgments(), given, quiet), given, shop, quiet


def test_the_lines_for_rerank_yml_serve_what_was_measured(found, tmp_path):
    result, _, shop, _ = found
    written = write_output(result, shop, tmp_path / "best.yml")
    text = written[0].read_text()
    assert f"trial {result.best.number} of 12" in text
    present = json.loads(shop.settings.model_dump_json(exclude_unset=True))
    served = shop_of(Settings.model_validate(pasted(present, yaml.safe_load(text))))
    held_out = list(result.held_out.comparison.after.by_query)
    given = options(tmp_path / "again.db", what=("window",), trials=1, hits=max(40, result.configuration.window))
    again = tune(served, make_judgments(), given, Quiet())
    assert list(again.held_out.comparison.before.by_query) == held_out
    assert again.held_out.comparison.before.by_query == result.held_out.comparison.after.by_query


def pasted(settings, found):
    """rerank.yml with the lines pasted in."""
    result = dict(settings)
    for key, value in found.items():
        mine = result.get(key)
        result[key] = pasted(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return result


def test_vectors_stay_those_of_the_old_document_text(found, tmp_path):
    result, _, shop, _ = found
    vectors = {"encoder": "some/encoder"}
    settings = json.loads(shop.settings.model_dump_json(exclude_unset=True))
    settings["indices"]["products"]["vectors"] = vectors
    with_vectors = replace(shop, settings=Settings.model_validate(settings))
    moved = replace(result, configuration=replace(result.configuration, template="{title}"))
    (path, *_) = write_output(moved, with_vectors, tmp_path / "best.yml")
    section = yaml.safe_load(path.read_text())["indices"]["products"]
    assert section == {"template": "{title}", "vectors": {"template": result.space.template}}


def test_hand_set_weights_are_written_in_place_of_a_fusion_model(found, tmp_path):
    result, _, shop, _ = found
    choice = FusionChoice("weights", {"cross_encoder": 1.0, "first_stage": 0.7}, None, (), 0.0)
    weighted = replace(result, configuration=replace(result.configuration, fusion=choice), document=None)
    (path,) = write_output(weighted, shop, tmp_path / "best.yml")
    variant = yaml.safe_load(path.read_text())["variants"]["default"]
    assert variant["weights"] == {"cross_encoder": 1.0, "first_stage": 0.7}
    assert variant["fusion"] is None


def test_the_terminal_shows_the_best_trials_what_mattered_and_the_honest_number(found):
    result = replace(found[0], importances={"window": 0.75, "fusion": 0.25})
    console = Console(width=160, record=True, file=open(os.devnull, "w"))  # noqa: SIM115 - the console's for good
    show_result(result, console)
    text = console.export_text()
    assert "12 trials, " in text
    assert "0 (as now)" in text
    assert re.search(r"what made a difference .*\n +window +75\.0%\n +fusion +25\.0%", text)
    assert "nDCG@10 on 4 queries that no trial saw, with 95 % intervals" in text
    assert re.search(r"difference +[+-]0\.\d{3} \([+-]\d\.\d{3} to [+-]\d\.\d{3}\), p", text)


def test_what_a_trial_chose_is_said_in_words(found):
    row = replace(
        found[0].trials[0],
        values={"fusion": "linear", "l2": 0.01234, "use price": False, "use match": True, "read brand": False}
        | {"read a": True, "read b": True, "place of a": 2, "place of b": 1},
    )
    expected = "fusion linear, l2 0.0123, text in the order b, a, text without brand, no features of price"
    assert describe_values(row) == expected


@pytest.mark.parametrize("name", ["tune.html", "tune.svg"])
def test_the_picture_needs_nothing_else(found, tmp_path, name):
    result = replace(found[0], importances={"window": 0.75, "fusion": 0.25})
    write_plot(result, tmp_path / name)
    text = (tmp_path / name).read_text()
    assert not re.search(r"(src|href|url)\s*[=(]\s*[\"']?\s*(https?:)?//", text)
    assert not re.search(r"<script|<link|@import", text)
    addresses = set(re.findall(r"https?://[^\"'\s<]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names, never fetched
    for words in ("best so far", "What made a difference", "as now"):
        assert words in text
    assert name.endswith(".svg") == text.startswith("<svg")


def test_what_decides_the_value_is_what_made_a_difference():
    import optuna

    def value(trial):
        trial.suggest_float("beside it", 0, 1)
        if trial.number % 2:
            trial.suggest_float("not always asked", 0, 1)
        return trial.suggest_float("decides", 0, 1) ** 2

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=3))
    study.optimize(value, n_trials=7)
    assert importances(study, 0) == {}
    study.optimize(value, n_trials=25)
    found = importances(study, 0)
    assert list(found) == ["decides", "beside it"]
    assert found["decides"] > 0.8
    assert sum(found.values()) == pytest.approx(1)
    assert importances(study, 0) == found


def test_a_picture_of_another_kind_is_refused_before_anything_is_tried():
    with pytest.raises(ConfigError, match=r"give FILE\.html or FILE\.svg"):
        check_plot(Path("tune.png"))
