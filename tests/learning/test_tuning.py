"""A search of configurations: honest about what it did not see, resumed after a kill, shared, served as measured."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_model import save_tiny_bert
from tuning_shop import Quiet, make_judgments, make_shop, options

from middleware.errors import CommandError, ConfigError
from middleware.learning.evaluation.judgments import Judgments
from middleware.learning.tuning.session import Session
from middleware.learning.tuning.space import WHAT
from middleware.learning.tuning.study import MADE_OF, completed, open_study
from middleware.learning.tuning.trials import Attempt
from middleware.learning.tuning.tune import prepare, tune

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


def test_fields_that_the_search_itself_names_are_not_searched(shop, tmp_path):
    inner = {"standard": json.loads(shop.form)}
    reranker = {"retriever": inner, "field": "title", "inference_text": "{{query}}", "rank_window_size": 40}
    form = json.dumps({"retriever": {"text_similarity_reranker": reranker}})
    with pytest.raises(ConfigError, match="--what: 'fields': the search itself names the fields"):
        tune(replace(shop, form=form), make_judgments(), options(tmp_path / "x.db", **CHEAP), Quiet())


def test_every_name_of_what_can_be_searched_is_known():
    assert set(WHAT) == {"fusion", "window", "fields", "reranker"}
