"""Words across spellings, Chinese, and tokens that name a model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.features.words import comparable, model_tokens, split_words, stated_models, word_id


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("USB-C Cable, 2m", ["usb", "c", "cable", "2m"]),
        ("Café Überzug", ["cafe", "uberzug"]),
        ("手机壳", ["手机", "机壳"]),
        ("红 色", ["红", "色"]),
        ("iPhone手机壳12", ["iphone", "手机", "机壳", "12"]),
        ("Ｗｉｄｅ", ["wide"]),
        ("ワイヤレス", ["ワイ", "イヤ", "ヤレ", "レス"]),
        ("хлеб", ["хлеб"]),
        ("", []),
        ("--- !", []),
    ],
)
def test_texts_are_words_in_one_spelling_and_chinese_is_bigrams(text, words):
    assert split_words(comparable(text)) == words


@pytest.mark.parametrize(
    ("one", "many"), [("case", "cases"), ("battery", "batteries"), ("shoe", "shoes"), ("phone", "phones")]
)
def test_a_plural_is_the_same_word(one, many):
    assert word_id(one) == word_id(many)


@pytest.mark.parametrize(("one", "other"), [("glass", "glas"), ("bus", "bu"), ("usb", "us"), ("gas", "ga")])
def test_what_only_looks_like_a_plural_stays(one, other):
    assert word_id(one) != word_id(other)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("sony wh-1000xm4", ["wh1000xm4"]),
        ("iphone 12", []),
        ("128gb usb3 stick", ["128gb", "usb3"]),
        ("a/b_c.4", ["abc4"]),
        ("laptop 1999", []),
        ("x-", []),
    ],
)
def test_a_models_number_has_digits_and_letters_and_no_hyphens(text, tokens):
    assert model_tokens(text) == tokens


def test_a_document_states_a_model_in_any_spelling():
    stated = stated_models("sony wh-1000xm4 headphones for iphone 12, galaxy s 21 (80 mm)")
    assert {"wh1000xm4", "1000xm4", "iphone12", "s21", "80mm"} <= set(stated)
    assert stated_models("nothing here") == []


@given(st.text())
def test_whatever_the_text_words_are_never_empty_and_comparing_twice_changes_nothing(text):
    once = comparable(text)
    assert all(split_words(once))
    assert split_words(comparable(once)) == split_words(once)
    assert all(map(str.strip, stated_models(once)))
    assert set(model_tokens(once)) <= set(stated_models(once))
