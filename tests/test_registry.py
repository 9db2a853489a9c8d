"""The model registry: versions that are whole or not there, aliases, damage that is noticed, and comparisons."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from registry_models import HELD_OUT, add, make_model

from middleware.config import ModelSettings, Settings, load_registry, load_settings
from middleware.durable_files import UNFINISHED
from middleware.errors import ConfigError, ModelUnavailable, RegistryError
from middleware.model_fit import misfits
from middleware.registry.folder import Registry
from middleware.registry.manifest import DataFingerprint, own_revision, read_manifest
from middleware.rerank.backends.source import checked_source
from middleware.rerank.engine import Engine
from middleware.rerank.score_keys import fingerprint

ROOT = Path(__file__).parents[1]


@pytest.fixture
def registry(tmp_path) -> Registry:
    return Registry(tmp_path / "registry")


@pytest.fixture
def model(tmp_path) -> Path:
    return make_model(tmp_path / "model")


def test_versions_count_from_one_and_hold_the_files_and_what_is_known_of_them(registry, model):
    (model / ".hidden").write_text("of an editor")
    first, second = add(registry, model), add(registry, model, measures={})
    assert (first.label, second.label) == ("shop@1", "shop@2")
    folder = registry.resolve("shop@1")
    assert folder == registry.folder / "shop" / "1"
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        "config.json",
        "model.safetensors",
        "1_Head/config.json",
        "manifest.json",
    }
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert read_manifest(folder) == first
    assert first.data == {"held_out": HELD_OUT}
    assert first.main_measure == ("nDCG@10", 0.75)
    assert second.main_measure is None
    assert first.made_with == own_revision()
    assert registry.check("shop@1") == []
    assert not list(registry.folder.rglob(f"{UNFINISHED}*"))


def test_a_model_of_links_as_a_hubs_cache_holds_it_is_copied_whole(registry, model, tmp_path):
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in ("config.json", "model.safetensors"):
        (linked / name).symlink_to(model / name)
    add(registry, linked)
    (model / "model.safetensors").unlink()
    assert (registry.resolve("shop@1") / "model.safetensors").read_bytes() == b"weights"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "7"}, "not a number"),
        ({"name": "a/b"}, "letters, digits"),
        ({"name": "../up"}, "letters, digits"),
        ({"kind": "oracle"}, "no kind of model"),
        ({"kind": "fusion"}, "no fusion.json there"),
        ({"measures": {"nDCG@10": float("nan")}}, "no measure"),
    ],
)
def test_what_is_no_model_is_refused_in_one_line_and_leaves_nothing(registry, model, changed, said):
    with pytest.raises(RegistryError, match=said) as refused:
        add(registry, model, **changed)
    assert "\n" not in str(refused.value)
    assert registry.names() == []


def test_a_folder_without_weights_is_refused(registry, model, tmp_path):
    (model / "model.safetensors").unlink()
    for folder in (model, tmp_path / "nowhere"):
        with pytest.raises(RegistryError, match="there; give the folder of a cross-encoder"):
            add(registry, folder)


def test_the_versions_of_a_name_are_of_one_kind(registry, model, tmp_path):
    add(registry, model)
    fusion = tmp_path / "fusion"
    fusion.mkdir()
    (fusion / "fusion.json").write_text("{}")
    with pytest.raises(RegistryError, match="shop is a cross_encoder"):
        add(registry, fusion, kind="fusion")
    assert add(registry, fusion, name="blend", kind="fusion").label == "blend@1"
    with pytest.raises(RegistryError, match="blend@1 is a fusion; give a cross_encoder"):
        registry.resolve("blend@1", kinds=("cross_encoder",))


def test_a_reference_is_a_version_an_alias_or_production_and_errors_say_what_there_is(registry, model):
    with pytest.raises(RegistryError, match=r"shop: no such model in .* \(there: nothing yet"):
        registry.resolve("shop")
    add(registry, model)
    add(registry, model)
    with pytest.raises(
        RegistryError, match=r"no alias production \(there: none; versions: 1, 2\); es-rerank models pr"
    ):
        registry.resolve("registry:shop")
    with pytest.raises(RegistryError, match=r"no version 7 \(there: 1, 2\)"):
        registry.resolve("shop@7")
    with pytest.raises(RegistryError, match=r"other: no such model in .* \(there: shop\)"):
        registry.resolve("other")
    with pytest.raises(RegistryError, match="write NAME"):
        registry.resolve("../shop@1")
    registry.promote("shop", 2)
    registry.promote("shop", 1, "staging")
    assert registry.resolve("shop").name == registry.resolve("registry:shop@production").name == "2"
    assert registry.resolve("shop@staging").name == "1"
    assert [(entry.version, entry.aliases) for entry in registry.list()] == [(1, ("staging",)), (2, ("production",))]


def test_rollback_goes_back_step_by_step_and_every_move_is_kept(registry, model):
    for _ in range(3):
        add(registry, model)
    with pytest.raises(RegistryError, match="no alias production"):
        registry.rollback("shop")
    for version in (1, 2, 3, 3):
        registry.promote("shop", version)
    assert [registry.rollback("shop").version for _ in range(2)] == [2, 1]
    with pytest.raises(RegistryError, match="shop@production: nothing was promoted before version 1"):
        registry.rollback("shop")
    moves = json.loads((registry.folder / "shop" / "aliases.json").read_text())["production"]["history"]
    assert [(move["version"], move["by"]) for move in moves] == [
        (1, "promote"),
        (2, "promote"),
        (3, "promote"),
        (2, "rollback"),
        (1, "rollback"),
    ]


def change_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"other weights")


def remove_head(folder: Path) -> None:
    (folder / "1_Head" / "config.json").unlink()


def add_calibration(folder: Path) -> None:
    (folder / "es_rerank_calibration.npz").write_bytes(b"x")


def edit_hash(folder: Path) -> None:
    told = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**told, "content_hash": "0" * 64}))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (change_weights, "model.safetensors was changed"),
        (remove_head, "1_Head/config.json is missing"),
        (add_calibration, "es_rerank_calibration.npz was put there"),
        (edit_hash, "manifest.json was changed"),
    ],
)
def test_a_version_that_is_not_what_was_added_is_noticed_and_never_promoted(registry, model, damage, said):
    add(registry, model)
    add(registry, model)
    registry.promote("shop", 1)
    registry.promote("shop", 2)
    damage(registry.resolve("shop@1"))
    assert registry.check("shop@1") == [said]
    for refused in (lambda: registry.promote("shop", 1), lambda: registry.rollback("shop")):
        with pytest.raises(RegistryError, match=f"shop@1: not what was added: {said}"):
            refused()
    assert registry.find("shop").version == 2


def test_a_damaged_version_is_not_loaded_but_a_file_beside_it_does_no_harm(registry, model):
    add(registry, model)
    folder = registry.resolve("shop@1")
    add_calibration(folder)
    assert checked_source(str(folder)) == str(folder)
    change_weights(folder)
    with pytest.raises(ModelUnavailable, match=r"shop@1: not what was added: model\.safetensors was changed"):
        checked_source(str(folder))


def test_a_version_without_a_usable_manifest_is_listed_and_its_number_is_not_given_again(registry, model):
    add(registry, model)
    add(registry, model)
    registry.promote("shop", 2)
    (registry.folder / "shop" / "1" / "manifest.json").write_text("{")
    assert [(entry.version, entry.manifest is None) for entry in registry.list()] == [(1, True), (2, False)]
    with pytest.raises(RegistryError, match="no usable manifest"):
        registry.promote("shop", 1)
    for file in sorted((registry.folder / "shop" / "2").rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    (registry.folder / "shop" / "2").rmdir()
    with pytest.raises(RegistryError, match=r"shop@production: no version 2 \(there: 1\)"):
        registry.resolve("shop")
    assert add(registry, model).version == 3


@pytest.mark.parametrize("text", ["{", "[]", '{"production": {"version": 2, "history": []}}', '{"production": 1}'])
def test_broken_aliases_are_an_error_and_not_a_reason_to_start_anew(registry, model, text):
    add(registry, model)
    (registry.folder / "shop" / "aliases.json").write_text(text)
    for use in (lambda: registry.resolve("shop"), lambda: registry.promote("shop", 1), registry.list):
        with pytest.raises(RegistryError, match=r"aliases\.json: not usable"):
            use()


def test_two_versions_are_compared_by_measures_data_and_recipe(registry, model):
    add(registry, model)
    changed = {"loss": "ranknet", "optimiser": {"rate": 1e-5}, "epochs": 2}
    add(registry, model, recipe=changed, measures={"nDCG@10": 0.7, "P@10": 0.3}, template="{title} {brand}")
    found = registry.compare("shop@1", "shop@2")
    told = {each.name: each.difference for each in found.measures}
    assert told == {"MRR": None, "nDCG@10": pytest.approx(-0.05), "P@10": None}
    assert dict(found.differences) == {
        "template": ("{title}", "{title} {brand}"),
        "recipe.optimiser.rate": (2e-5, 1e-5),
        "recipe.epochs": (None, 2),
    }
    assert [each.name for each in found.worse] == ["nDCG@10"]
    assert registry.compare("shop@2", "shop@1").worse == ()


def test_measures_on_other_data_are_worse_than_nothing(registry, model):
    add(registry, model)
    add(registry, model, measures={"nDCG@10": 0.1}, data={"held_out": DataFingerprint(18, "cd" * 32)})
    add(registry, model, measures={"nDCG@10": 0.1}, data={"held_out": HELD_OUT, "train": DataFingerprint(5, "ef")})
    add(registry, model, measures={"nDCG@10": 0.2}, data={})
    assert registry.compare("shop@1", "shop@2").worse == ()
    assert registry.compare("shop@1", "shop@3").worse
    assert registry.compare("shop@4", "shop@1").same_data is False


def test_a_registered_model_is_called_by_name_and_version_and_its_scores_are_remembered_by_its_weights(
    registry, model, tmp_path
):
    add(registry, model)
    add(registry, model, measures={})
    add(registry, make_model(tmp_path / "other", b"other"))
    folders = [registry.resolve(f"shop@{version}") for version in (1, 2, 3)]
    assert [Engine(ModelSettings(source=str(folder))).name for folder in folders] == ["shop@1", "shop@2", "shop@3"]
    first, second, third = (fingerprint(str(folder), None) for folder in folders)
    assert first == second == fingerprint(str(model), None)
    assert first != third


def test_settings_resolve_a_reference_or_say_what_is_missing(registry, model, tmp_path, monkeypatch):
    def settings(source="registry:shop", **keys):
        return load_settings(models={"default": {"source": source, **keys}}, registry=registry.folder)

    with pytest.raises(ConfigError, match=r"models\.default\.source: 'registry:shop': shop: no such model"):
        settings()
    with pytest.raises(ConfigError, match=r"models\.default\.source: 'registry:a/b@c': .*write NAME"):
        settings("registry:a/b@c")
    add(registry, model)
    with pytest.raises(ConfigError, match="no alias production"):
        settings()
    registry.promote("shop", 1)
    found = settings()
    assert found.models["default"].source == "registry:shop"
    assert found.find_model(None).source == found.open_model("default").source == str(registry.resolve("shop@1"))
    # Of a model that runs elsewhere it is the name there, and nothing must be here.
    remote = settings("registry:elsewhere", remote={"servers": ["http://127.0.0.1:9"]})
    assert remote.find_model(None).source == "registry:elsewhere"
    with pytest.raises(ConfigError, match="elsewhere: no such model"):
        remote.without_servers().find_model(None)
    with pytest.raises(ModelUnavailable, match="led nowhere"):
        checked_source("registry:elsewhere")
    monkeypatch.setenv("ES_RERANK_CACHE", str(tmp_path / "cache"))
    assert Settings().model_registry.folder == load_registry().folder == tmp_path / "cache" / "registry"


def test_a_model_that_is_used_otherwise_than_it_was_trained_is_told_of(registry, model):
    add(registry, model)
    registry.promote("shop", 1)
    manifest = registry.manifest("shop")
    settings = load_settings(
        registry=registry.folder,
        models={"own": {"source": "registry:shop"}, "other": {"source": "org/other"}},
        indices={"a": {"template": "{title}"}, "b": {"template": "{name}"}, "c": {"template": "{x}", "model": "other"}},
    )
    tokens, text = misfits("own", manifest, settings)
    assert "models.own.max_tokens is 256, but shop@1 was trained on 128 tokens" in tokens
    assert "indices.b.template is '{name}', but shop@1 was trained on the document text '{title}'" in text
