"""A fusion model's file: readable, checked when the settings are read, and named with its remedy where it is bad."""

from __future__ import annotations

import json

import pytest
from random_fusion import KINDS, random_document

from middleware.config import load_settings
from middleware.errors import ConfigError
from middleware.experiments.assign import resolve
from middleware.fusion_file import NAME, read_fusion_model, readable, write_fusion_model
from middleware.fusions import load_fusions


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read_as_the_same_model(kind, tmp_path) -> None:
    document = random_document(kind, 1) | {"made_of": {"judgments": "some, of queries in 中文"}}
    path = tmp_path / "new" / "model.json"
    written = write_fusion_model(path, document)
    assert json.loads(path.read_text(encoding="utf-8")) == document
    assert read_fusion_model(path).key == written.key
    assert [each.name for each in path.parent.iterdir()] == ["model.json"]


def test_a_folder_stands_for_the_model_in_it(tmp_path) -> None:
    write_fusion_model(tmp_path / NAME, random_document("linear", 1))
    assert read_fusion_model(tmp_path).kind == "linear"


def test_the_file_has_a_line_for_each_weight_and_one_for_a_row_of_numbers() -> None:
    text = readable(
        {"kind": "linear", "weights": {"match": 1.5, "phrase": -2}, "hidden": [[1, 2], [3, 4]], "x": [1, 2]}
    )
    assert text.splitlines() == [
        "{",
        '  "kind": "linear",',
        '  "weights": {',
        '    "match": 1.5,',
        '    "phrase": -2',
        "  },",
        '  "hidden": [',
        "    [1, 2],",
        "    [3, 4]",
        "  ],",
        '  "x": [1, 2]',
        "}",
    ]


def test_what_cannot_be_served_is_not_written(tmp_path) -> None:
    with pytest.raises(ValueError):
        write_fusion_model(tmp_path / "model.json", {"kind": "linear"})
    assert not list(tmp_path.iterdir())


def settings_with(tmp_path, **variants):
    path = tmp_path / "rerank.yml"
    path.write_text(json.dumps({"models": {"m": {"source": "nobody/m"}}, "variants": variants}))
    return load_settings(path)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"kind": "linear"}', "\udcff"])
def test_a_bad_file_is_an_error_of_the_settings_that_names_it(tmp_path, text) -> None:
    path = tmp_path / "fusion.json"
    if text is not None:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError) as error:
        settings_with(tmp_path, default={"fusion": str(path)})
    assert str(path) in str(error.value)
    assert "es-rerank train fusion" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_variant_has_its_own_model_else_the_defaults_and_none_beside_weights_of_its_own(tmp_path) -> None:
    for name in ("one", "two"):
        write_fusion_model(tmp_path / f"{name}.json", random_document("linear", len(name) + ord(name[0])))
    settings = settings_with(
        tmp_path,
        default={"fusion": str(tmp_path / "one.json")},
        other={"fusion": str(tmp_path / "two.json")},
        plain={"window": 10},
        weighed={"weights": {"first_stage": 0.5}},
    )
    fusions = load_fusions(settings)
    assert set(fusions) == {str(tmp_path / "one.json"), str(tmp_path / "two.json")}
    section = settings.indices["products"]
    found = {name: resolve(name, section, settings, fusions) for name in (*settings.variants, "control")}
    one, two = (fusions[str(tmp_path / f"{name}.json")] for name in ("one", "two"))
    trained = {name: variant.trained for name, variant in found.items()}
    assert trained == {"default": one, "other": two, "plain": one, "weighed": None, "control": one}
    assert found["other"].fusion is two
    assert found["weighed"].fusion.model.kind == "weights"
    with pytest.raises(KeyError):
        resolve("default", section, settings, {})
