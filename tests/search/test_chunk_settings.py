from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.errors import RequestError
from middleware.search.chunk_settings import read_chunk_rescorer
from middleware.search.chunks import Chunking, split_chunks


def read(**settings):
    return read_chunk_rescorer({"chunking_settings": settings})


@pytest.mark.parametrize(
    ("given_", "chunking"),
    [
        ({}, Chunking(1, "sentence", 300, 0)),
        ({"size": 3}, Chunking(3)),
        ({"size": "2", "unknown": 1}, Chunking(2)),
        ({"chunking_settings": None}, Chunking()),
        ({"chunking_settings": {}}, Chunking()),
        ({"chunking_settings": {"max_chunk_size": 20}}, Chunking(1, "sentence", 20, 0)),
        ({"chunking_settings": {"strategy": "sentence", "max_chunk_size": 20}}, Chunking(1, "sentence", 20, 1)),
        (
            {"chunking_settings": {"strategy": "sentence", "max_chunk_size": 250, "sentence_overlap": 0}},
            Chunking(1, "sentence", 250, 0),
        ),
        ({"chunking_settings": {"strategy": "WORD", "max_chunk_size": 10, "overlap": 5}}, Chunking(1, "word", 10, 5)),
        ({"chunking_settings": {"strategy": "none"}}, Chunking(1, "none")),
    ],
)
def test_chunk_rescorers_are_read_with_elasticsearchs_defaults(given_, chunking) -> None:
    assert read_chunk_rescorer(given_) == chunking


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"overlap": 1}, "Can't generate Chunker without ChunkingStrategy provided"),
        ({"strategy": "page"}, "Invalid chunkingStrategy page"),
        ({"strategy": "sentence"}, "does not contain the required setting [max_chunk_size]"),
        ({"strategy": "sentence", "max_chunk_size": 19}, "[max_chunk_size] must be greater than or equal to [20]"),
        ({"max_chunk_size": 10}, "Invalid value [10]. [max_chunk_size] must be greater than or equal to [20]"),
        ({"strategy": "word", "max_chunk_size": 9}, "must be greater than or equal to [10]"),
        ({"strategy": "word", "max_chunk_size": 10}, "does not contain the required setting [overlap]"),
        ({"strategy": "word", "max_chunk_size": 11, "overlap": 6}, "[overlap] must be less than or equal to [5]"),
        ({"strategy": "word", "max_chunk_size": 11, "overlap": -1}, "[overlap] must be a positive integer"),
        ({"strategy": "sentence", "max_chunk_size": 20, "sentence_overlap": 2}, "must be either 0 or 1"),
        ({"strategy": "sentence", "max_chunk_size": "20"}, "cannot be converted to a [Integer]"),
        ({"strategy": "sentence", "max_chunk_size": 20, "overlap": 1}, "can not have the following settings"),
        ({"strategy": "recursive", "max_chunk_size": 20, "separators": []}, "empty list of separators"),
        ({"strategy": "recursive", "max_chunk_size": 20, "separators": "a"}, "must be a list of strings"),
        ({"strategy": "recursive", "max_chunk_size": 20, "separators": ["a"] * 51}, "must not exceed [50]"),
        ({"strategy": "recursive", "max_chunk_size": 20, "separator_group": "html"}, "must be one of [markdown"),
        (
            {"strategy": "recursive", "max_chunk_size": 20, "separator_group": "markdown", "separators": ["a"]},
            "can not have both separators and separator_set",
        ),
    ],
)
def test_wrong_settings_are_refused_in_elasticsearchs_words(settings, reason) -> None:
    with pytest.raises(RequestError) as error:
        read(**settings)
    assert reason in error.value.reason


def cut(text, **settings):
    return split_chunks(text, read(strategy="recursive", max_chunk_size=10, **settings))


def test_plain_text_is_cut_at_paragraphs_first_and_lines_then() -> None:
    words = " ".join("abcdefgh")
    text = f"{words}\n\n{words}\n{words}"
    assert cut(text) == [words, f"\n\n{words}", f"\n{words}"]
    assert cut(text, separator_group="plaintext") == cut(text)


def test_markdown_is_cut_at_its_headings() -> None:
    words = " ".join("abcdefgh")
    text = f"# One\n{words}\n## Two\n{words}\nThree\n---\n{words}"
    assert cut(text, separator_group="markdown") == [
        f"# One\n{words}",
        f"\n## Two\n{words}",
        f"\nThree\n---\n{words}",
    ]


@pytest.mark.parametrize(
    ("separator", "text", "begins"),
    [
        (r"\n{2,}", "{}\n\n\n{}", "\n\n\na"),
        (r"-{3}", "{} ---{}", "---a"),
        (r"[;|]", "{} ;{}", ";a"),
        (r"\s*<br>", "{}  <br>{}", "  <br>a"),
        (r"(?<=x)y|z", "{} z{}", "za"),
        ("。", "{}。{}", "。a"),
    ],
)
def test_separators_of_ones_own_are_regular_expressions(separator, text, begins) -> None:
    words = " ".join("abcdefgh")
    assert cut(text.format(words, words), separators=[separator])[1].startswith(begins)


@pytest.mark.parametrize(
    "separator",
    [
        "(a+)+b",
        "(a|a)*b",
        "a*a*b",
        "a**",
        "(a|a)(a|a)(a|a)(a|a)b",
        r"\p{L}x",
        "(",
        "[",
        "a" * 201,
        "(?P<n>a)",
        "a{1,}{2,}",
    ],
)
def test_separators_that_may_run_long_or_that_we_cannot_read_are_refused(separator) -> None:
    with pytest.raises(RequestError, match="Chunk separator regex"):
        cut("a", separators=[separator])


@given(st.text("ab()[]{}|*+?.\\^$,1", max_size=25))
def test_whatever_separator_is_taken_ends_soon(separator) -> None:
    try:
        settings = read(strategy="recursive", max_chunk_size=10, separators=[separator])
    except RequestError:
        return
    start = time.perf_counter()
    split_chunks("ab" * 2000 + " a a a" * 100, settings)
    assert time.perf_counter() - start < 5


@given(
    st.dictionaries(
        st.sampled_from(["size", "chunking_settings"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["word", "recursive", "a"]),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(
                    st.sampled_from(["strategy", "max_chunk_size", "overlap", "separators", "separator_group"]),
                    inner,
                    max_size=4,
                )
            ),
        ),
    )
)
def test_any_rescorer_is_read_or_refused(rescorer) -> None:
    try:
        chunking = read_chunk_rescorer(rescorer)
    except RequestError:
        return
    assert chunking.size >= 1
    assert 0 <= chunking.overlap <= chunking.max_words // 2
