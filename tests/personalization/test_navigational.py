"""Queries that name a product are told from those that name a kind of product."""

from __future__ import annotations

import pytest

from middleware.personalization.navigational import is_navigational

HEADPHONES = ["Sony WH-1000XM4 Black", "Sony WH 1000XM5", "Bose QC 45", "Sony WF-C500"]
TELEVISIONS = [f"Brand {number} TV 4K HDR 128GB" for number in range(3)]


def asked(query, titles):
    return is_navigational(query, titles, [f"{title} | Audio | Long text" for title in titles])


@pytest.mark.parametrize("query", ["wh-1000xm4", "sony WH1000XM4", "headphones wh-1000xm4 noise cancelling", "QC45"])
def test_a_model_number_that_hits_state_is_navigational_however_it_is_hyphenated(query):
    assert asked(query, HEADPHONES)


@pytest.mark.parametrize("query", ["wh-1000xm9", "sony headphones", "", "-", "45"])
def test_what_no_hit_states_is_not(query):
    assert not asked(query, HEADPHONES)


@pytest.mark.parametrize("query", ["4k tv", "128gb", "tv 4k hdr 128gb"])
def test_a_quantity_is_no_model_number(query):
    assert not asked(query, TELEVISIONS)


def test_all_of_the_querys_model_numbers_must_stand_in_one_hit():
    assert asked("wh-1000xm4 xm4", [*HEADPHONES, "Case XM4 WH-1000XM4"])
    assert not asked("wh-1000xm4 qc45", HEADPHONES)


def test_a_name_that_many_hits_share_names_a_kind_of_product():
    cases = [f"Case {colour} for Galaxy S21" for colour in ("red", "blue", "green", "black", "white")]
    assert asked("galaxy s21 case", cases)
    assert not asked("galaxy s21 case", [*cases, "Case grey for Galaxy S21"])


def test_a_whole_title_is_navigational_a_part_of_one_and_a_single_word_are_not():
    titles = ["Logitech Wireless Mouse", "Mouse", "Pads, Mouse"]
    assert asked("logitech wireless mouse", titles)
    assert asked("Mouse Pads", ["Mouse-Pad"])  # signs and plurals aside
    assert not asked("mouse pads", titles)  # in their order
    assert not asked("logitech wireless", titles)
    assert not asked("mouse", titles)


def test_chinese_titles_count_too():
    assert asked("华为无线耳机", ["华为无线耳机", "小米手机"])
    assert not asked("无线耳机", ["华为无线耳机", "小米手机"])
