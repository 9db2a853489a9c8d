"""A fusion model behind an alias: read anew when the alias moves, and what one that cannot be read leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from random_fusion import random_document

from middleware.config import Settings, load_settings
from middleware.errors import ConfigError
from middleware.experiments.assign import resolve
from middleware.fusions import load_fusions
from middleware.registry.folder import Registry
from middleware.served_fusions import ServedFusions


class Counts(list):
    def count_switch(self, model, outcome):
        self.append((model, outcome))


@pytest.fixture
def registry(tmp_path) -> Registry:
    """Two versions of `blend`, a third that is no model, and `reader`, which is of another kind."""
    registry = Registry(tmp_path / "registry")
    texts = [json.dumps(random_document("linear", seed)) for seed in (1, 2)] + ['{"kind": "oracle"}']
    for number, text in enumerate(texts):
        add(registry, write(tmp_path / str(number), "fusion.json", text), "blend", "fusion")
    reader = write(tmp_path / "reader", "config.json", "{}")
    write(reader, "model.safetensors", "x")
    add(registry, reader, "reader", "cross_encoder")
    for name in ("blend", "reader"):
        registry.promote(name, 1)
    return registry


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


def add(registry, folder, name, kind) -> None:
    about = {"base": None, "data": {}, "template": None, "max_tokens": None, "measures": {}, "recipe": {}}
    registry.add(folder, name=name, kind=kind, **about)


def settings_of(registry, source="registry:blend") -> Settings:
    return load_settings(registry=registry.folder, variants={"default": {"fusion": source}})


def key(served, settings) -> str:
    return resolve("default", settings.indices["products"], settings, served).fusion.model.key


def test_an_alias_that_moves_brings_another_model_to_the_next_search(registry):
    settings, counts = settings_of(registry), Counts()
    served = ServedFusions(settings, counts)
    follower = served.served["registry:blend"]
    assert (follower.moves, follower.look(), counts) == (True, False, [])
    first = key(served, settings)
    assert first == load_fusions(settings)["registry:blend"].model.key
    registry.promote("blend", 2)
    follower.look()
    status = follower.status
    assert (status.reference, status.model, status.version) == ("registry:blend", "blend@2", 2)
    assert (status.state, status.error) == ("ready", None)
    assert key(served, settings) != first
    registry.rollback("blend")
    follower.look()
    assert key(served, settings) == first
    assert counts == [("registry:blend", "switched")] * 2


def test_what_is_no_model_leaves_the_one_that_serves_and_is_not_read_again(registry):
    settings, counts = settings_of(registry), Counts()
    served = ServedFusions(settings, counts)
    follower, first = served.served["registry:blend"], key(served, settings)
    registry.promote("blend", 3)
    for _ in range(3):
        follower.look()
    assert (follower.status.model, follower.status.state) == ("blend@1", "failed")
    assert "not a fusion model" in follower.status.error
    assert key(served, settings) == first
    assert counts == [("registry:blend", "failed")]
    registry.promote("blend", 2)
    follower.look()
    assert (follower.status.model, follower.status.state) == ("blend@2", "ready")


def test_a_worker_that_finds_no_model_serves_the_variants_weights_until_there_is_one(registry):
    settings = settings_of(registry)
    folder = registry.resolve("blend")
    text = (folder / "fusion.json").read_text()
    (folder / "fusion.json").write_text(text + " ")
    served = ServedFusions(settings, Counts())
    follower = served.served["registry:blend"]
    assert (follower.status.model, follower.status.state) == (None, "failed")
    assert "blend@1: not what was added: fusion.json was changed" in follower.status.error
    assert resolve("default", settings.indices["products"], settings, served).fusion.model.kind == "weights"
    registry.promote("blend", 2)
    follower.look()
    assert follower.status.model == "blend@2"


def test_a_file_and_a_version_never_move(registry):
    file = str(registry.resolve("blend") / "fusion.json")
    for source in (file, "registry:blend@2"):
        settings = settings_of(registry, source)
        served = ServedFusions(settings, Counts())
        follower = served.served[source]
        first = key(served, settings)
        assert (follower.moves, follower.look(), follower.status.state) == (False, False, "ready")
        assert key(served, settings) == first


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("registry:nothing", "nothing: no such model"),
        ("registry:blend@staging", "no alias staging"),
        ("registry:blend@3", "not a fusion model"),
        ("registry:reader", "reader@1 is a cross_encoder; give a fusion"),
    ],
)
def test_settings_say_at_start_what_is_wrong_with_a_reference(registry, source, said):
    with pytest.raises(ConfigError, match=rf"variants\.default\.fusion: '{source}': .*{said}"):
        settings_of(registry, source)
