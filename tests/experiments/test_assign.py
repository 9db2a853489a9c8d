"""Who gets which variant, and what a variant means on an index."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from middleware.config import IndexSettings, Settings
from middleware.config.cascade import CascadeSettings
from middleware.config.variants import VariantSettings, WeightSettings
from middleware.errors import RequestError
from middleware.experiments.assign import Assignment, ResolvedVariant, assign, draw_variant, resolve

USERS = [f"user-{number}" for number in range(2000)]
shares = st.dictionaries(st.sampled_from(["control", "a", "b", "c", "d"]), st.floats(0.01, 100), min_size=1, max_size=5)


def settings(**sections):
    return Settings(**({"variants": {"small": {}, "Large": {}}, "default_variant": "small"} | sections))


@pytest.mark.parametrize("switch", ["off", "OFF", " Off "])
def test_off_switches_the_second_stage_off(switch):
    assert assign(switch, "anna", settings()) == Assignment(None, "header", off=True)


@pytest.mark.parametrize("switch", ["control", "Control "])
def test_control_is_a_variant_of_its_own(switch):
    assert assign(switch, None, settings()) == Assignment("control", "header")


@pytest.mark.parametrize("switch", ["on", "ON", "\ton"])
def test_on_is_the_default_variant_even_where_the_split_says_otherwise(switch):
    configured = settings(experiment={"split": {"control": 1}})
    assert assign(switch, "anna", configured) == Assignment("small", "header")


def test_on_reranks_where_the_default_is_control():
    assert assign("on", None, settings(default_variant="control")) == Assignment("small", "header")


def test_on_is_refused_where_nothing_could_rerank():
    with pytest.raises(RequestError, match="no variant is configured"):
        assign("on", None, Settings(variants={}, default_variant="control"))


def test_a_variant_is_chosen_by_its_name():
    assert assign(" Large ", None, settings()) == Assignment("Large", "header")


@pytest.mark.parametrize("switch", ["large", "on, off", "true", "x" * 5000])
def test_an_unknown_switch_is_refused_with_the_known_ones(switch):
    with pytest.raises(RequestError) as refusal:
        assign(switch, None, settings())
    assert "[on, off, control, small, Large]" in refusal.value.reason
    assert "[X-Rerank]" in refusal.value.reason
    assert len(refusal.value.reason) < 200


@pytest.mark.parametrize("switch", [None, "", "  "])
@pytest.mark.parametrize("user", [None, "", " "])
def test_without_switch_and_user_the_default_variant_answers(switch, user):
    configured = settings(experiment={"split": {"Large": 1}})
    assert assign(switch, user, configured) == Assignment("small", "default")


@pytest.mark.parametrize("split", [{}, {"Large": 0}], ids=["empty", "all shares 0"])
def test_without_a_split_the_default_variant_answers(split):
    assert assign(None, "anna", settings(experiment={"split": split})) == Assignment("small", "default")


def test_a_user_is_split_when_the_switch_is_absent():
    configured = settings(experiment={"split": {"Large": 1, "control": 0}})
    assert assign(None, "anna", configured) == Assignment("Large", "split")
    assert assign(None, " anna ", configured) == Assignment("Large", "split")


@hypothesis_settings(max_examples=25)
@given(shares)
def test_every_variant_gets_its_share_of_the_users(split):
    counts = Counter(draw_variant(user, split, "salt") for user in USERS)
    total = sum(split.values())
    for variant, share in split.items():
        expected = len(USERS) * share / total
        tolerance = 5 * math.sqrt(expected * (1 - share / total)) + 4
        assert abs(counts[variant] - expected) <= tolerance


@hypothesis_settings(max_examples=25)
@given(shares, st.data())
def test_growing_a_share_only_moves_users_into_it(split, data):
    grown = data.draw(st.sampled_from(sorted(split)))
    larger = split | {grown: split[grown] * data.draw(st.floats(1.01, 10))}
    for user in USERS[:500]:
        before, after = draw_variant(user, split, "salt"), draw_variant(user, larger, "salt")
        assert after in (before, grown)


@hypothesis_settings(max_examples=25)
@given(shares, st.randoms(use_true_random=False))
def test_the_order_and_the_scale_of_the_shares_do_not_matter(split, random):
    names = sorted(split)
    random.shuffle(names)
    reordered = {name: split[name] * 4 for name in names}
    assert all(draw_variant(user, split, "salt") == draw_variant(user, reordered, "salt") for user in USERS[:200])


def test_another_salt_draws_another_split():
    split = {"a": 1.0, "b": 1.0}
    moved = sum(draw_variant(user, split, "may") != draw_variant(user, split, "june") for user in USERS)
    assert abs(moved - len(USERS) / 2) <= 5 * math.sqrt(len(USERS) / 4)


def test_salt_and_user_do_not_run_into_each_other():
    split = {f"v{number}": 1.0 for number in range(1000)}
    assert draw_variant("bc", split, "a") != draw_variant("c", split, "ab")


def test_the_split_is_the_same_in_another_process():
    code = (
        "from middleware.experiments.assign import draw_variant\n"
        "print(''.join(draw_variant(f'user-{n}', {'a': 1, 'b': 2, 'c': 3}, 'salt') for n in range(200)))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    )
    here = "".join(draw_variant(user, {"a": 1, "b": 2, "c": 3}, "salt") or "" for user in USERS[:200])
    assert printed.stdout.strip() == here


def test_the_split_of_known_users_never_changes_between_releases():
    drawn = "".join(draw_variant(user, {"a": 1, "b": 2, "c": 3}, "salt") or "" for user in USERS[:24])
    assert drawn == "aaccaacccbbcbcbcbacccccc"


@given(st.text(st.characters(), max_size=20))
def test_any_header_text_can_be_a_user(user):
    assert draw_variant(user, {"a": 1.0, "b": 1.0}, "salt") in {"a", "b"}


MODELS = {"first": {"source": "org/first"}, "second": {"source": "org/second"}, "third": {"source": "org/third"}}


def test_a_variants_own_values_come_first():
    own = VariantSettings(model="third", window=7, weights=WeightSettings(first_stage=0.5))
    configured = settings(models=MODELS, variants={"small": {"model": "second", "window": 20}, "own": own})
    resolved = resolve("own", IndexSettings(model="first", window=9), configured)
    assert (resolved.name, resolved.model, resolved.window) == ("own", "third", 7)
    assert resolved.weights["first_stage"] == 0.5


def test_the_index_comes_before_the_default_variant():
    configured = settings(models=MODELS, variants={"small": {"model": "second", "window": 20}, "bare": {}})
    resolved = resolve("bare", IndexSettings(model="third", window=9), configured)
    assert (resolved.model, resolved.window) == ("third", 9)


def test_what_neither_says_comes_from_the_default_variant():
    default = {"model": "second", "window": 20, "weights": {"brand_affinity": 0.9}}
    configured = settings(models=MODELS, variants={"small": default, "bare": {}})
    for name in ("bare", "control"):
        resolved = resolve(name, IndexSettings(), configured)
        assert (resolved.model, resolved.window, resolved.weights["brand_affinity"]) == ("second", 20, 0.9)


def test_what_nobody_says_has_a_fallback():
    expected = ResolvedVariant("small", "first", 50, WeightSettings().model_dump(), CascadeSettings())
    assert resolve("small", IndexSettings(), settings(models=MODELS)) == expected
    assert resolve("small", IndexSettings(), settings()).model is None


def test_resolving_an_unknown_variant_is_an_error():
    with pytest.raises(KeyError):
        resolve("nobody", IndexSettings(), settings())
