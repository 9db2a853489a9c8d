"""A search of configurations: honest about what it did not see, resumed after a kill, shared, served as measured."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from rich.console import Console
from tiny_model import save_tiny_bert
from tuning_shop import Quiet, make_judgments, make_shop, options, shop_of

from middleware.config import Settings
from middleware.errors import CommandError, ConfigError
from middleware.learning.evaluation.judgments import Judgments
from middleware.learning.fusion.windows import open_source
from middleware.learning.tuning.importance import importances
from middleware.learning.tuning.output import write_output
from middleware.learning.tuning.plots import check_plot, write_plot
from middleware.learning.tuning.session import Session
from middleware.learning.tuning.space import WHAT, Configuration, FusionChoice
from middleware.learning.tuning.study import MADE_OF, completed, open_study
from middleware.learning.tuning.terminal import describe_values, show_result
from middleware.learning.tuning.trials import Attempt
from middleware.learning.tuning.tune import prepare, tune
from middleware.learning.tuning.windows import LEARNED, OWN, CrossEncoder, Windows
from middleware.rerank.score_memory import ScoreMemory
from middleware.second_stage import Reader, SecondStage

PROCESS = Path(__file__).parent / "tuning_process.py"
CHEAP = {"what": ("window", "fields"), "trials": 5}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_bert(tmp_path_factory.mktemp("tuned"))


@pytest.fixture(scope="module")
def shop(model):
    return make_shop(model)


@pytest.fixture(scope="module")
def found(model, tmp_path_factory):
    """A whole study, its options and what was shown of it."""
    shop, quiet = make_shop(model), Quiet()
    given = options(tmp_path_factory.mktemp("study") / "whole.db", trials=12, what=("fusion", "window", "fields"))
    return tune(shop, make_judgments(), given, quiet), given, shop, quiet


def trials_of(result):
    return [(row.number, row.value, dict(row.values), dict(row.curve)) for row in result.trials]


def test_the_best_beats_the_present_configuration_where_no_trial_looked(found):
    result, _, _, _ = found
    assert len(result.trials) == 12
    present = result.trials[0]
    assert present.is_present
    assert result.best.value > present.value
    assert result.best.value == max(row.value for row in result.trials if row.value is not None)
    each = result.held_out.comparison
    assert (result.held_out.queries, result.held_out.looks) == (4, 1)
    assert each.interval[0] <= each.difference <= each.interval[1]
    assert each.after.mean["nDCG@10"] > each.before.mean["nDCG@10"]


def test_every_query_is_searched_once_and_held_out_ones_only_at_the_end(found, model):
    _, _, shop, _ = found
    assert sorted(shop.client.searched) == sorted(set(shop.client.searched))
    parts = prepare(shop, make_judgments(), options(Path("unused"), trials=1)).parts
    assert {text.replace(" ", "-") for text in shop.client.searched[-4:]} == set(parts.held_out)
    assert shop.client.sampled
    assert not {text.replace(" ", "-") for text in shop.client.sampled} & set(parts.held_out)


def test_the_line_says_how_far_it_is_and_how_long_it_will_take(found):
    _, _, _, quiet = found
    assert [done for done, *_ in quiet.said] == list(range(13))
    assert quiet.said[0][2:] == (None, None)
    assert quiet.said[-1][3] == 0.0
    assert all(goal == 12 for _, goal, _, _ in quiet.said)


def test_held_out_judgments_cannot_influence_the_study(shop, tmp_path):
    given = options(tmp_path / "a.db", what=("fusion", "window"), trials=4)
    held_out = prepare(shop, make_judgments(), given).parts.held_out
    true = tune(shop, make_judgments(), given, Quiet())
    turned = tune(shop, make_judgments(frozenset(held_out)), replace(given, study=tmp_path / "b.db"), Quiet())
    assert trials_of(turned) == trials_of(true)
    assert turned.best.number == true.best.number
    assert turned.document == true.document
    assert turned.held_out.comparison.after.mean != true.held_out.comparison.after.mean


def test_training_judgments_do_influence_it(shop, tmp_path):
    given = options(tmp_path / "a.db", what=("window",), trials=2)
    one = frozenset(prepare(shop, make_judgments(), given).parts.folds[0][:1])
    true = tune(shop, make_judgments(), given, Quiet())
    turned = tune(shop, make_judgments(one), replace(given, study=tmp_path / "b.db"), Quiet())
    assert trials_of(turned) != trials_of(true)


def run(model, study, **given):
    arguments = {"model": str(model), "study": str(study), "given": CHEAP | given.pop("given", {}), **given}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, str(PROCESS), json.dumps(arguments)], env=environment, **pipes)


def ended(process):
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def test_killed_in_the_middle_of_a_trial_it_goes_on_to_the_same_result(model, shop, tmp_path):
    killed = run(model, tmp_path / "killed.db", kill_in=2)
    killed.communicate(timeout=200)
    assert killed.returncode == -signal.SIGKILL
    given = options(tmp_path / "killed.db", **CHEAP)
    resumed = tune(shop, make_judgments(), given, Quiet())
    whole = tune(shop, make_judgments(), replace(given, study=tmp_path / "whole.db"), Quiet())
    made = [(row.value, dict(row.values)) for row in resumed.trials]
    assert made == [(row.value, dict(row.values)) for row in whole.trials]
    assert len(made) == 5
    assert resumed.held_out.comparison == whole.held_out.comparison


def test_killed_in_its_first_trial_it_still_begins_with_the_present_configuration(model, tmp_path, shop):
    killed = run(model, tmp_path / "killed.db", kill_in=0)
    killed.communicate(timeout=200)
    assert killed.returncode == -signal.SIGKILL
    resumed = tune(shop, make_judgments(), options(tmp_path / "killed.db", **{**CHEAP, "trials": 2}), Quiet())
    assert [row.is_present for row in resumed.trials] == [True, False]


def test_two_processes_share_a_study_and_the_last_one_measures(model, tmp_path):
    both = [run(model, tmp_path / "shared.db", given={"trials": 7}, meet=2) for _ in range(2)]
    told = [ended(process) for process in both]
    with Session(tmp_path / "shared.db") as session:
        study = open_study(tmp_path / "shared.db", session, kept(tmp_path / "shared.db"), {}, 0)
        trials = study.get_trials()
        best = completed(study)[0].number
    assert len(trials) == 7
    assert sum(each["trials"] for each in told) == len(completed(study))
    assert all(each["trials"] for each in told)
    measured = [each for each in told if each["held_out"]]
    assert measured
    assert {each["best"] for each in measured} == {best}


def kept(path):
    """What the study was made of, by its own word."""
    import optuna

    return optuna.load_study(study_name="es-rerank tune", storage=f"sqlite:///{path}").user_attrs[MADE_OF]


def test_a_study_that_has_its_trials_measures_the_same_again(found):
    result, given, shop, _ = found
    again = tune(shop, make_judgments(), given, Quiet())
    assert trials_of(again) == trials_of(result)
    assert again.held_out == result.held_out
    assert again.document == result.document


def test_a_second_best_looked_at_is_owned_up_to(model, tmp_path):
    shop = make_shop(model, window=40)  # too many for a model that knows nothing
    given = options(tmp_path / "looked.db", what=("window",), trials=1)
    assert tune(shop, make_judgments(), given, Quiet()).held_out.looks == 1
    more = tune(shop, make_judgments(), replace(given, trials=6), Quiet())
    assert more.best.number > 0
    assert more.held_out.looks == 2
    assert any("a little too good" in remark for remark in more.remarks)


@pytest.mark.parametrize(
    ("judgments", "changed", "message"),
    [
        (make_judgments(frozenset({"red-shoe"})), {}, r"another judgments \(their fingerprint\)"),
        (make_judgments(), {"folds": 3}, r"another cut of the queries \(folds\)"),
        (make_judgments(), {"seed": 9}, r"seed 0, not 9; another catalogue .*; another cut of the queries"),
        (make_judgments(), {"what": ("window",)}, r"another space \(what\)"),
        (make_judgments(), {"hits": 60}, r"catalogue .*another space \(most_hits\)"),
        (make_judgments(), {"measure": "RR"}, r'measure "nDCG@10", not "RR"'),
    ],
)
def test_a_study_of_something_else_is_not_gone_on_with(found, judgments, changed, message):
    _, given, shop, _ = found
    with pytest.raises(
        CommandError, match=f"--study: .*whole.db: was begun with .*{message}.*give another file"
    ) as error:
        tune(shop, judgments, replace(given, **changed), Quiet())
    assert "\n" not in str(error.value)


def test_another_catalogue_is_another_study(found, model):
    _, given, _, _ = found
    changed = make_shop(model)
    changed.client.held["d7"] = {**changed.client.held["d7"], "brand": "changed"}
    with pytest.raises(CommandError, match="another catalogue"):
        tune(changed, make_judgments(), given, Quiet())


def test_a_file_that_is_no_study_is_left_alone(shop, tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear all, " * 500)
    with pytest.raises(CommandError, match=r"letter\.txt: not a study of es-rerank tune"):
        tune(shop, make_judgments(), options(path, **CHEAP), Quiet())
    assert path.read_text().startswith("Dear all")


def test_judgments_of_one_class_are_refused_with_counts(shop, tmp_path):
    true = make_judgments()
    zeros = {query: dict.fromkeys(judged, 0) for query, judged in true.qrels.items()}
    judgments = Judgments(true.queries, zeros, 0, "zeros.csv")
    with pytest.raises(CommandError, match=r"18 queries, .* judgments .*of 4 queries with .*none has a judgment above"):
        tune(shop, judgments, options(tmp_path / "none.db", **CHEAP), Quiet())


def test_options_that_do_not_fit_are_named(shop, tmp_path):
    with pytest.raises(ConfigError, match="--hits: 10: give 20 or more, the present window"):
        tune(shop, make_judgments(), options(tmp_path / "x.db", hits=10), Quiet())
    with pytest.raises(ConfigError, match="--measures: 'nonsense'"):
        tune(shop, make_judgments(), options(tmp_path / "x.db", measure="nonsense"), Quiet())


@pytest.fixture
def opened(shop):
    data = prepare(shop, make_judgments(), options(Path("unused")))
    memory = ScoreMemory(1 << 24)
    with open_source(data.shop, data.space.features, data.space.fields, "_id", memory) as source:
        windows = Windows(source, data.own, data.space.template, memory)
        windows.search(data.training, lambda *_: None)
        yield data, source, windows


def test_a_smaller_window_has_the_features_that_the_second_stage_makes_of_it(opened):
    data, source, windows = opened
    cut = windows.make(data.training, 13, data.space.template, LEARNED)
    small = replace(source, shop=replace(source.shop, hits=13), variant=replace(source.variant, window=13))
    assert len(cut) == len(data.training.queries)
    for each in cut[:4]:
        alone = small.window(each.query_id, each.query_text, data.training.qrels[each.query_id])
        assert each.document_ids == alone.document_ids
        assert set(each.features) == set(alone.features)
        for name, values in alone.features.items():
            assert each.features[name] == pytest.approx(values), name
        np.testing.assert_array_equal(each.grades, alone.grades)


def test_a_pair_is_read_once_whatever_is_tried(opened):
    data, source, windows = opened

    class Counting(SecondStage):
        calls = 0

        def rerank(self, *given):
            Counting.calls += 1
            return source.stage.rerank(*given)

    model = CrossEncoder("counted", Counting(source.shop.settings, {}), ScoreMemory(0))
    count = len(data.training.queries)
    for window, template, calls in ((30, "{title}", 1), (20, "{title}", 1), (40, "{title}", 2), (40, "{brand}", 3)):
        windows.make(data.training, window, template, OWN, model)
        windows.make(data.training, window, template, LEARNED, model)
        assert Counting.calls == calls * count


def test_another_template_is_what_the_model_reads(opened):
    data, source, windows = opened
    query = next(iter(data.training.queries))
    window = next(
        each for each in windows.make(data.training, 15, "{title}[ | {brand}]", LEARNED) if each.query_id == query
    )
    section = source.shop.settings.indices["products"].model_copy(update={"template": "{title}[ | {brand}]"})
    changed = source.shop.settings.model_copy(update={"indices": {"products": section}})
    plan, response = replace(source.shop, settings=changed).search(data.training.queries[query])
    plan = replace(plan, variant=replace(source.variant, window=15))
    (scored,) = source.stage.rerank([(plan, response)], Reader(), 60_000)
    assert scored.document_texts[0].count("|") == 1
    assert window.features["cross_encoder"] == pytest.approx(scored.features["cross_encoder"])


def test_what_a_hit_costs_is_told_by_the_pairs_that_were_not_remembered(opened):
    data, _, windows = opened
    assert windows.ms_per_hit("{title}") is None
    windows.make(data.training, 20, "{title}", OWN)
    first = windows.ms_per_hit("{title}")
    assert first > 0
    windows.make(data.training, 20, "{title}[{nothing}]", OWN)  # the same texts, all of them remembered
    assert windows.ms_per_hit("{title}[{nothing}]") > first / 2


def test_behind_the_window_hits_stay_in_elasticsearchs_order(opened):
    data, _, windows = opened
    judge = data.judge(windows, data.training)
    of = replace(judge, measure="R@40")
    fold, others = data.parts.folds[0], data.parts.without(0)
    small, large = (of.evaluate(Configuration(size, data.space.template), others, fold) for size in (10, 40))
    assert small.by_query == large.by_query  # the same forty hits, in another order
    first = replace(judge, measure="nDCG@10")
    orders = [
        first.evaluate(Configuration(size, data.space.template), others, fold).mean["nDCG@10"] for size in (10, 40)
    ]
    assert orders[0] != orders[1]


def test_a_trial_that_cannot_be_tried_is_counted_and_three_in_a_row_end_the_search(shop, tmp_path, monkeypatch):
    whole = Attempt.run

    def run(self, trial):
        if 0 < trial.number < 3:
            raise CommandError("the training diverged")
        return whole(self, trial)

    monkeypatch.setattr(Attempt, "run", run)
    result = tune(shop, make_judgments(), options(tmp_path / "some.db", what=("window",), trials=4), Quiet())
    assert [row.number for row in result.trials] == [0, 3]
    assert "configurations that could not be tried: the training diverged" in result.remarks
    monkeypatch.setattr(Attempt, "run", lambda self, trial: run(self, type("Trial", (), {"number": 1})))
    with pytest.raises(CommandError, match="diverged"):
        tune(shop, make_judgments(), options(tmp_path / "all.db", what=("window",), trials=9), Quiet())


def test_a_run_ends_when_its_time_is_over(shop, tmp_path):
    given = options(tmp_path / "short.db", what=("window",), trials=10_000, minutes=1 / 60)
    result = tune(shop, make_judgments(), given, Quiet())
    assert 1 <= len(result.trials) < 10_000


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


def test_fields_that_the_search_itself_names_are_not_searched(shop, tmp_path):
    inner = {"standard": json.loads(shop.form)}
    reranker = {"retriever": inner, "field": "title", "inference_text": "{{query}}", "rank_window_size": 40}
    form = json.dumps({"retriever": {"text_similarity_reranker": reranker}})
    with pytest.raises(ConfigError, match="--what: 'fields': the search itself names the fields"):
        tune(replace(shop, form=form), make_judgments(), options(tmp_path / "x.db", **CHEAP), Quiet())


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


def test_every_name_of_what_can_be_searched_is_known():
    assert set(WHAT) == {"fusion", "window", "fields", "reranker"}
