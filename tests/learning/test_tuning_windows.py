"""What trials read: windows that are cut and not searched anew, pairs that are read once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_model import save_tiny_bert
from tuning_shop import make_judgments, make_shop, options

from middleware.learning.fusion.windows import open_source
from middleware.learning.tuning.space import Configuration
from middleware.learning.tuning.tune import prepare
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
