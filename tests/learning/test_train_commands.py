"""`es-rerank train reranker` as it is typed: from groups, with teachers, and what it says where it cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_groups import tiny_groups
from tiny_model import save_tiny_bert
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

from middleware.cli import app  # noqa: E402
from middleware.config import ModelSettings  # noqa: E402
from middleware.errors import CommandError, ConfigError  # noqa: E402
from middleware.learning.groups.group import read_groups, write_groups  # noqa: E402
from middleware.learning.reranker.compression import compress  # noqa: E402
from middleware.learning.reranker.data import DataOptions  # noqa: E402
from middleware.learning.reranker.teaching import ask_teachers  # noqa: E402
from middleware.rerank.backends import load_backend  # noqa: E402

QUICK = ["--learning-rate", "2e-3", "--train-words", "--frozen-layers", "0", "--max-tokens", "32"]

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return save_tiny_bert(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture(scope="module")
def groups(tmp_path_factory):
    path = tmp_path_factory.mktemp("groups") / "groups.jsonl"
    write_groups(path, tiny_groups(80, 1))
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["train", "reranker", *map(str, arguments)])


@pytest.fixture(scope="module")
def teacher(base, groups, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher") / "model"
    done = run("--groups", groups, "--base", base, "--loss", "ranknet", "--epochs", 3, "--output", folder, *QUICK)
    assert done.exit_code == 0, done.output
    return folder, done.output


def test_it_says_what_was_trained_and_how_good_it_is(teacher):
    folder, output = teacher
    assert "72 groups, " in output
    assert "nDCG@10 of 8 held-out queries: Elasticsearch 0." in output
    assert f"kept in {folder}" in output
    assert (folder / "config.json").is_file()


def test_what_was_learned_and_measured_lies_beside_the_model(teacher, groups):
    folder, _ = teacher
    learned, measured = (read_groups(folder / name) for name in ("groups.jsonl", "held_out.jsonl"))
    assert {group.query_text for group in learned}.isdisjoint({group.query_text for group in measured})
    assert len(learned) + len(measured) == len(read_groups(groups))


def test_a_student_learns_from_teachers_and_the_loss_is_reported(teacher, base, groups, tmp_path):
    folder, _ = teacher
    options = ["--teacher", folder, "--teacher", base, "--layers", 1, "--epochs", 2, "--output", tmp_path / "student"]
    done = run("--groups", groups, *options, *QUICK)
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "student/config.json").read_text())["num_hidden_layers"] == 1
    assert json.loads((tmp_path / "student/training.json").read_text())["recipe"]["loss"] == "margin-mse"
    lines = done.output[done.output.index("held-out queries, ") :].splitlines()
    assert next(line for line in lines if "tau" in line).startswith("teachers exact: 4 layers")  # of both
    assert any(line.startswith("student") and "int8" in line and "tau" in line for line in lines), done.output
    assert (tmp_path / "student/es_rerank_calibration.npz").is_file()


def test_targets_become_the_mean_of_what_the_teachers_say(teacher, base):
    group = tiny_groups(1, 9)[0]
    models = [ModelSettings(source=str(path), precision="exact", device="cpu") for path in (teacher[0], base)]
    (taught,) = ask_teachers([group], models, lambda *_: None)
    backends = [load_backend(model) for model in models]
    scores = [backend.score(backend.encode(group.query_text, group.document_texts)) for backend in backends]
    assert taught.targets == pytest.approx((scores[0] + scores[1]) / 2, abs=1e-6)
    assert not any(taught.given)
    assert replace(taught, targets=group.targets, given=group.given) == group


def test_a_model_compared_with_itself_loses_nothing(teacher):
    settings = ModelSettings(source=str(teacher[0]), max_tokens=32)
    found = compress(teacher[0], [settings], tiny_groups(20, 4), 32, lambda *_: None)
    exact, fast = found.student
    assert exact.tau == pytest.approx(found.teachers.tau)
    assert exact.ndcg == pytest.approx(found.teachers.ndcg)
    assert exact.megabytes == found.teachers.megabytes
    assert 0.8 < fast.tau <= 1
    with pytest.raises(CommandError, match="no held-out groups"):
        compress(teacher[0], [settings], [], 32, lambda *_: None)


def test_a_killed_command_goes_on_with_the_groups_it_had(base, groups, tmp_path):
    """Nothing but the trained model is gone; the file that the groups came from is another now."""
    moved = tmp_path / "groups.jsonl"
    moved.write_bytes(groups.read_bytes())
    arguments = ["--groups", moved, "--base", base, "--output", tmp_path / "m", *QUICK]
    assert run(*arguments).exit_code == 0
    learned = (tmp_path / "m/groups.jsonl").read_bytes()
    (tmp_path / "m/training.json").unlink()
    write_groups(moved, tiny_groups(20, 2))
    assert run(*arguments).exit_code == 0
    assert (tmp_path / "m/groups.jsonl").read_bytes() == learned
    (tmp_path / "m/training.json").unlink()
    other = run(*arguments, "--held-out", 0.5)
    assert isinstance(other.exception, CommandError)
    assert "groups of other options" in str(other.exception)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--groups FILE, or --config rerank.yml with --qrels"),
        (["--config", "rerank.yml", "--invent", "0"], "--groups FILE, or --config rerank.yml with --qrels"),
        (["--groups", "missing.jsonl"], "missing.jsonl"),
        (["--groups", "missing.jsonl", "--invent", "5"], "not both"),
        (["--groups", "missing.jsonl", "--loss", "hinge"], "name one of bce"),
    ],
)
def test_what_cannot_be_trained_is_one_line(tmp_path, options, message):
    done = run("--output", tmp_path / "m", *options)
    assert isinstance(done.exception, CommandError | ConfigError)
    assert message in str(done.exception)
    assert "\n" not in str(done.exception)


def test_broken_groups_are_counted_in_what_it_says(base, tmp_path):
    groups = tiny_groups(40, 3)
    path = tmp_path / "groups.jsonl"
    write_groups(path, [*(replace(group, weight=-1.0) for group in groups[:4]), *groups[4:]])
    done = run("--groups", path, "--base", base, "--held-out", 0, "--output", tmp_path / "m", *QUICK)
    assert done.exit_code == 0, done.output
    assert "left out of training: groups 4 with a weight that is not above 0" in done.output
    assert "no held-out groups" in done.output


def test_options_are_kept_as_json_and_found_again():
    options = DataOptions(groups=Path("g.jsonl"), teachers=("a", "b"))
    from middleware.learning.reranker.data import _spelled

    assert _spelled(options) == json.loads(json.dumps(_spelled(options)))


def test_queries_are_invented_where_nothing_but_an_index_is_given():
    alone = DataOptions(config=Path("rerank.yml"))
    assert (alone.has_index_alone, alone.invented) == (True, 2000)
    for given in ({"qrels": Path("q.csv")}, {"events": "log"}, {"queries": Path("q.txt")}, {"invent": 30}):
        options = DataOptions(config=Path("rerank.yml"), **given)
        assert (options.has_index_alone, options.invented) == (False, given.get("invent", 0))
    assert DataOptions(groups=Path("g.jsonl"), config=Path("rerank.yml")).invented == 0
