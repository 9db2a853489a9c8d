"""`es-rerank models add|list|show|compare|promote|rollback`, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from middleware.cli import app
from middleware.errors import CommandError, ConfigError
from middleware.learning.evaluation.slices import read_trained_on
from middleware.registry.folder import Registry


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "registry"


@pytest.fixture
def run(folder):
    """run("list", ...) -> what is printed; errors are raised as `main` gets them."""

    def invoke(*arguments: object, where=("--registry",)) -> str:
        command = ["models", *map(str, arguments), *where, *([str(folder)] if where == ("--registry",) else [])]
        result = CliRunner(env={"COLUMNS": "200"}).invoke(app, command, catch_exceptions=True)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return invoke


@pytest.fixture
def add(run, tmp_path):
    """add(ndcg) -> a further version of `shop` with that measure, from a folder and files."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "judged.csv").write_text("query,id,grade\na,1,2\n\n")
    (tmp_path / "recipe.json").write_text('{"loss": "ranknet"}')

    def invoke(ndcg: float, *more: object) -> str:
        (tmp_path / "measures.json").write_text(json.dumps({"nDCG@10": ndcg}))
        files = ("--measures", tmp_path / "measures.json", "--recipe", tmp_path / "recipe.json")
        held_out = ("--data", f"held_out={tmp_path / 'judged.csv'}")
        return run("add", model, "--name", "shop", "--base", "starter", "--max-tokens", 64, *files, *held_out, *more)

    return invoke


def test_a_model_is_added_listed_and_shown(run, add, folder):
    assert "no models yet" in run("list")
    assert "shop@1" in add(0.75, "--template", "{title}[ | {brand}]")
    run("promote", "shop", 1)
    header, row = (line.split() for line in run("list").splitlines())
    assert header[:3] == ["name", "version", "aliases"]
    assert row[:7] == ["shop", "1", "production", "cross_encoder", "starter", "nDCG@10", "0.7500"]
    shown = run("show", "shop")
    for text in (
        "shop@1",
        "{title}[ | {brand}]",
        "nDCG@10 0.7500",
        "held_out: 2 (",
        "loss: ranknet",
        "production since",
    ):
        assert text in shown
    assert json.loads(run("show", "shop@1", "--json"))["data"]["held_out"]["count"] == 2


def test_a_changed_version_is_shown_as_such(run, add, folder):
    add(0.75)
    (folder / "shop" / "1" / "model.safetensors").write_bytes(b"x")
    with pytest.raises(CommandError, match=r"shop@1: not what was added: model\.safetensors was changed"):
        run("show", "shop@1")


def test_what_measured_worse_is_promoted_only_by_force(run, add):
    add(0.75)
    add(0.70)
    assert "shop@production is version 1" in run("promote", "shop", 1)
    with pytest.raises(CommandError, match=r"shop@2 measured worse .*nDCG@10 0\.7500 -> 0\.7000; --force"):
        run("promote", "shop", 2)
    assert "version 2" in run("promote", "shop", 2, "--alias", "staging"), "an alias that is new replaces nothing"
    assert "version 2, was 1" in run("promote", "shop", 2, "--force")
    assert "version 1, was 2" in run("promote", "shop", 1), "a better one needs none"
    assert "version 2, was 1" in run("rollback", "shop")
    assert "version 1, was 2" in run("rollback", "shop")
    with pytest.raises(CommandError, match="nothing was promoted before"):
        run("rollback", "shop")


def test_two_versions_stand_side_by_side(run, add, tmp_path):
    add(0.75)
    (tmp_path / "recipe.json").write_text('{"loss": "listnet"}')
    add(0.70, "--template", "{title}")
    lines = [line.split() for line in run("compare", "shop@1", "shop@2").splitlines()]
    assert ["measure", "shop@1", "shop@2", "difference"] in lines
    assert ["nDCG@10", "0.7500", "0.7000", "-0.0500"] in lines
    assert ["recipe.loss", "ranknet", "listnet"] in lines
    assert ["template", "–", "{title}"] in lines
    (tmp_path / "judged.csv").write_text("other\n")
    add(0.9)
    assert "measured on different data" in run("compare", "shop@1", "shop@3")


def test_the_registry_is_the_one_of_a_rerank_yml_whose_model_is_not_there_yet(run, add, folder, tmp_path):
    config = tmp_path / "rerank.yml"
    config.write_text(f"registry: {folder}\nmodels: {{default: {{source: 'registry:shop'}}}}\n")
    where = ("--config", str(config))
    assert "no models yet" in run("list", where=where)
    add(0.75)
    assert "version 1" in run("promote", "shop", 1, where=where)
    assert Registry(folder).find("shop").version == 1
    with pytest.raises(ConfigError, match="--data: 'x'"):
        run("add", tmp_path, "--name", "shop", "--data", "x", where=where)


def test_what_a_training_left_beside_its_model_need_not_be_typed(run, folder, tmp_path):
    model = tmp_path / "model"
    (model / "checkpoints").mkdir(parents=True)
    for name, text in (("config.json", "{}"), ("model.safetensors", "x")):
        (model / name).write_text(text)
    with pytest.raises(CommandError, match="its training is not finished"):
        run("add", model, "--name", "shop")
    (model / "checkpoints").rmdir()
    told = {"recipe": {"base": None, "loss": "kl", "max_tokens": 96}, "groups": 40, "ndcg": 0.8, "curve": [1, 2]}
    (model / "training.json").write_text(json.dumps(told))
    (model / "groups.jsonl").write_text('{"query_text": "red shoe"}\n{"query_text": "Case"}\n')
    run("add", model, "--name", "shop")
    about = Registry(folder).manifest("shop@1")
    assert about.data["groups"].count == 2
    assert read_trained_on(Registry(folder).resolve("shop@1")) == {"red shoe", "case"}
    assert (about.kind, about.base, about.max_tokens, about.measures) == (
        "cross_encoder",
        "starter",
        96,
        {"nDCG@10": 0.8},
    )
    assert about.recipe == {"base": None, "loss": "kl", "max_tokens": 96, "groups": 40}

    fusion = tmp_path / "fusion"
    fusion.mkdir()
    quality = {"unjudged_as_0": 0.78, "judged_only": 0.87}
    made_of = {"index": "products", "loss": "listnet", "cross_validation, 5 folds": {"linear": quality, "trees": {}}}
    (fusion / "fusion.json").write_text(json.dumps({"kind": "linear", "features": ["a"], "made_of": made_of}))
    run("add", fusion, "--name", "blend")
    about = Registry(folder).manifest("blend@1")
    assert (about.kind, about.measures) == ("fusion", {"nDCG@10": 0.78, "nDCG@10 judged only": 0.87})
    assert about.recipe == {"index": "products", "loss": "listnet", "kind": "linear", "features": ["a"]}
