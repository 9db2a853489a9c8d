"""Cleaning of one text: what goes, and above all what has to stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.catalog.prepare_text import fold_unicode, squeeze_whitespace, strip_controls, strip_markup
from middleware.catalog.prepare_units import UNIT_RULES, normalise_units


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Xeon<br />(6M Cache)", "Xeon (6M Cache)"),
        ("<p>Fast &amp; light</p>", " Fast & light "),
        ("i<b>Phone</b> 12", "iPhone 12"),
        ("a<script>alert('x < y')</script>b", "a b"),
        ("<style media=print>p {}</style>Lamp<!-- old -->", " Lamp "),
        ("&lt;b&gt;bold&lt;/b&gt;", "bold"),
        ("<![CDATA[Mouse]]>", "Mouse"),
        ("&#39;n&#x27;", "'n'"),
    ],
)
def test_markup_goes_and_entities_become_characters(text, clean):
    assert strip_markup(text) == clean


@pytest.mark.parametrize("text", ["a < b > c", "Map<String>", "AT&T", "R&D black&not white", "5 <10", "<3", "I <b"])
def test_what_only_looks_like_markup_stays(text):
    assert strip_markup(text) == text


def test_control_characters_become_a_space_and_invisible_marks_vanish():
    assert strip_controls("a\x00b\x1fc") == "a b c"
    assert strip_controls("soft\u00adhy\u200bphen\ufeff") == "softhyphen"


def test_joiners_of_emoji_and_persian_stay():
    assert strip_controls("👩\u200d💻 می\u200cخواهم") == "👩\u200d💻 می\u200cخواهم"


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("ｉＰｈｏｎｅ　１２", "iPhone\u300012"),
        ("１５．６", "15.6"),
        ("ｶﾞｽ", "ガス"),
        ("oﬃce", "office"),
        ("100㎜", "100mm"),
        ("cafe\u0301", "café"),
        ("half\ud800", "half\ufffd"),
    ],
)
def test_other_widths_and_ligatures_become_plain(text, folded):
    assert fold_unicode(text) == folded


@pytest.mark.parametrize("text", ["iPhone™", "10²", "½", "（黑色）、“新款”：，", "①", "ª"])
def test_signs_that_nfkc_would_spoil_stay(text):
    assert fold_unicode(text) == text


def test_white_space_of_any_script_becomes_one_space():
    assert squeeze_whitespace("  a\t\n b\u3000\u00a0c ") == "a b c"


@pytest.mark.parametrize("rule", UNIT_RULES, ids=lambda rule: rule.name)
def test_each_unit_rule_does_what_its_example_says(rule):
    before, after = rule.example.split(" → ")
    assert normalise_units(before) == after
    assert normalise_units(after) == after


@pytest.mark.parametrize(
    ("text", "respelt"),
    [
        ("128gb, 128 GB and 128-GB", "128GB, 128GB and 128GB"),
        ("1,000 mAh", "1000mAh"),
        ("0.256 MB", "0.256MB"),
        ('10"-40" mount', "10 inch-40 inch mount"),
        ("6.1英寸屏", "6.1 inch屏"),
        ("内存128 gb手机", "内存128GB手机"),
        ("Black,128 GB", "Black,128GB"),
    ],
)
def test_quantities_get_one_spelling(text, respelt):
    assert normalise_units(text) == respelt


@pytest.mark.parametrize(
    "text", ["10 GbE", "540 MB/s", "65 w", "5-in-1", '"iPhone 12" case', "3 M tape", "x100 mmx", "CAT 5 e", "5'10"]
)
def test_what_only_looks_like_a_quantity_stays(text):
    assert normalise_units(text) == text


@given(st.text(max_size=60))
def test_cleaning_twice_changes_nothing_more_and_is_always_valid_utf8(text):
    def clean(value):
        return squeeze_whitespace(fold_unicode(strip_controls(value)))

    assert clean(clean(text)) == clean(text)
    clean(text).encode("utf-8")
