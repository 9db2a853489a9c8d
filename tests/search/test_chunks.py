from __future__ import annotations

import re
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.search.chunks import Chunking, best_chunks, sentence_ends, split_chunks

SENTENCES = ["One two three four. ", "Five six seven! ", "Eight nine ten eleven? ", "Twelve thirteen."]
TEXT = "".join(SENTENCES)


def numbered(count):
    return " ".join(f"w{number}" for number in range(count))


def test_sentences_fill_a_chunk_as_long_as_they_fit() -> None:
    a, b, c, d = SENTENCES
    assert split_chunks(TEXT, Chunking(max_words=8)) == [a + b, c + d]
    assert split_chunks(TEXT, Chunking(max_words=4)) == [a, b, c, d]
    assert split_chunks(TEXT, Chunking(max_words=100)) == [TEXT]


def test_a_sentence_before_is_repeated_where_it_fits_and_its_end_where_not() -> None:
    a, b, c, d = SENTENCES
    assert split_chunks(TEXT, Chunking(max_words=7, overlap=1)) == [a + b, b + c, c + d]
    assert split_chunks(a + b, Chunking(max_words=6, overlap=1)) == [a, " two three four. " + b]


def test_a_sentence_too_long_is_cut_into_overlapping_windows_and_its_rest_begins_a_chunk() -> None:
    text = f"Short one! {numbered(30)}. End."
    chunks = split_chunks(text, Chunking(max_words=20))
    assert chunks[0] == "Short one! "
    assert chunks[1].split() == numbered(20).split()
    assert chunks[2].split()[0] == "w11"
    assert chunks[2].endswith("w29. End.")
    assert len(chunks) == 3


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It costs 3.5 euros. The U.S.A. won! Did it?", ["It costs 3.5 euros. ", "The U.S.A. won! ", "Did it?"]),
        ("He said “stop.” Then he left.", ["He said “stop.” ", "Then he left."]),
        ("see e.g. this one. Next", ["see e.g. this one. ", "Next"]),
        ("Heading\nBody text\r\n\r\nMore", ["Heading\n", "Body text\r\n", "\r\n", "More"]),
        ("无线耳机。续航很长！适合运动吗？适合。", ["无线耳机。", "续航很长！", "适合运动吗？", "适合。"]),
        ("他说：“好。”然后走了。", ["他说：“好。”", "然后走了。"]),
        ("价格3.5元。Very good. 好", ["价格3.5元。", "Very good. ", "好"]),
        ("Wait... what? no", ["Wait... what? ", "no"]),
        ("No end", ["No end"]),
    ],
)
def test_sentences_end_in_english_and_chinese(text, sentences) -> None:
    ends = list(sentence_ends(text, 0, len(text)))
    assert [text[start:end] for start, end in zip([0, *ends], ends, strict=False)] == sentences


def test_windows_of_words_overlap_and_keep_what_stands_between() -> None:
    text = numbered(25)
    chunks = split_chunks(text, Chunking(strategy="word", max_words=10, overlap=4))
    assert [chunk.split()[0] for chunk in chunks] == ["w0", "w6", "w12", "w18"]
    assert [len(chunk.split()) for chunk in chunks] == [10, 10, 10, 7]
    assert chunks[1].startswith(" w6")


def test_a_last_window_of_nothing_but_overlap_is_left_out() -> None:
    chunks = split_chunks(numbered(16), Chunking(strategy="word", max_words=10, overlap=4))
    assert [chunk.split()[-1] for chunk in chunks] == ["w9", "w15"]


def test_every_chinese_character_counts_as_a_word() -> None:
    assert split_chunks("无线蓝牙耳机适合运动", Chunking(strategy="word", max_words=4)) == [
        "无线蓝牙",
        "耳机适合",
        "运动",
    ]
    assert split_chunks("红色的鞋。蓝色的鞋。", Chunking(max_words=4)) == ["红色的鞋。", "蓝色的鞋。"]


def test_separators_are_tried_one_after_the_other_and_pieces_merged() -> None:
    text = f"# A\n{numbered(6)}\n# B\n{numbered(3)}\n# C\n{numbered(2)}\n\n{numbered(30)}"
    separators = (re.compile(r"\n# "), re.compile(r"\n\n"))
    chunks = split_chunks(text, Chunking(strategy="recursive", max_words=12, separators=separators))
    assert chunks[0].endswith("w5\n# B\nw0 w1 w2")
    assert chunks[1] == f"\n# C\n{numbered(2)}"
    assert chunks[2].startswith("\n\nw0")
    assert all(len(re.findall(r"\w+", chunk)) <= 12 for chunk in chunks)


def test_a_text_may_stay_whole() -> None:
    assert split_chunks(numbered(900), Chunking(strategy="none")) == [numbered(900)]
    for strategy in ("sentence", "word", "recursive"):
        assert split_chunks("", Chunking(strategy=strategy)) == [""]
        assert split_chunks(" .. ", Chunking(strategy=strategy)) == [" .. "]


SETTINGS = st.one_of(
    st.builds(Chunking, strategy=st.just("sentence"), max_words=st.integers(4, 12), overlap=st.integers(0, 1)),
    st.builds(Chunking, strategy=st.just("word"), max_words=st.integers(10, 12), overlap=st.integers(0, 5)),
    st.builds(
        Chunking,
        strategy=st.just("recursive"),
        max_words=st.integers(4, 12),
        separators=st.just((re.compile("\n\n"), re.compile("\n"))),
    ),
)


WORD = re.compile(r"[手机]|[^\W手机]+(?:['.][^\W手机]+)*")


@given(st.text("ab1. \n。!?手机\"'é", max_size=120), SETTINGS)
def test_chunks_hold_every_word_and_are_never_too_long(text, settings) -> None:
    chunks = split_chunks(text, settings)
    assert all(chunk in text for chunk in chunks)
    assert all(len(WORD.findall(chunk)) <= settings.max_words for chunk in chunks)
    words, kept = (Counter(WORD.findall(part)) for part in (text, "\n\n".join(chunks)))
    assert kept >= words


@given(st.text("ab. \n。!?手", max_size=200))
def test_sentences_of_a_bounded_length_are_put_together_again(text) -> None:
    short = ". ".join(part[:3] for part in text.split("."))
    chunks = split_chunks(short, Chunking(max_words=200))
    assert "".join(chunks) == short


def test_the_best_chunks_come_by_bm25() -> None:
    chunks = [
        "The lens is wide.",
        "Battery lasts long, a big battery.",
        "The case is red.",
        "A battery is inside of it.",
    ]
    assert best_chunks("battery life", chunks, 1) == [chunks[1]]
    assert best_chunks("battery life", chunks, 3) == [chunks[1], chunks[3]]
    assert best_chunks("RED case?", chunks, 2) == [chunks[2]]


def test_a_rare_word_weighs_more_than_a_frequent_one() -> None:
    chunks = ["camera camera", "camera bag", "camera strap", "tripod bag"]
    assert best_chunks("camera strap", chunks, 1) == ["camera strap"]
    assert best_chunks("bag tripod", chunks, 2) == ["tripod bag", "camera bag"]


def test_chinese_is_compared_by_characters_and_pairs() -> None:
    chunks = ["屏幕很亮，颜色好。", "电池续航时间长。", "机身轻，手感好。", "手机支持快充。"]
    assert best_chunks("续航时间", chunks, 1) == [chunks[1]]
    assert best_chunks("手机", chunks, 1) == [chunks[3]]


def test_equal_chunks_come_in_the_order_of_the_text() -> None:
    chunks = ["red a", "red b", "blue", "red c"]
    assert best_chunks("red", chunks, 2) == ["red a", "red b"]


def test_the_first_chunks_are_read_where_none_matches() -> None:
    assert best_chunks("nothing", ["a", "b", "c"], 2) == ["a", "b"]
    assert best_chunks("", ["a", "b"], 1) == ["a"]
    assert best_chunks("a", ["only"], 3) == ["only"]
    assert best_chunks("a", ["", "", ""], 1) == [""]


@pytest.mark.parametrize("piece", ["a ", "a. ", "。", "\n", "...", "a.b", "'a", '."', ". 1 ", "手机。", "a'"])
@pytest.mark.parametrize("strategy", ["sentence", "word"])
def test_a_crafted_text_takes_linear_time(piece, strategy) -> None:
    text = piece * (200_000 // len(piece))
    start = time.perf_counter()
    chunks = split_chunks(text, Chunking(strategy=strategy))
    best_chunks(piece, chunks, 2)
    assert time.perf_counter() - start < 10
