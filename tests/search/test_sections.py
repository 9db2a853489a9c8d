from __future__ import annotations

import pytest

from middleware.config import IndexSettings
from middleware.search.sections import find_sections

PRODUCTS = IndexSettings()
ARTICLES = IndexSettings(patterns=("articles", "news-*"))
CONFIGURED = {"products": PRODUCTS, "articles": ARTICLES}


@pytest.mark.parametrize(
    ("indices", "names", "fixed"),
    [
        (("products",), ["products"], True),
        (("products-2024",), ["products"], True),
        (("news-1",), ["articles"], True),
        (("products", "news-1"), ["products", "articles"], False),
        (("prod*",), ["products"], False),
        (("products-*",), ["products"], False),
        (("products*", "-products-old"), ["products"], False),
        (("products", "-products-old"), ["products"], True),
        ((), ["products", "articles"], False),
        (("_all",), ["products", "articles"], False),
        (("*",), ["products", "articles"], False),
        (("n*",), ["articles"], False),
    ],
)
def test_an_index_expression_finds_its_sections(indices, names, fixed) -> None:
    sections = find_sections(indices, CONFIGURED)
    assert sections is not None
    assert [name for name, _ in sections.candidates] == names
    assert (sections.fixed is not None) is fixed


@pytest.mark.parametrize(
    "indices", [("logs",), ("products", "logs"), ("logs-*",), ("productsx",), ("remote:products",)]
)
def test_an_index_that_no_section_covers_takes_the_search_out(indices) -> None:
    assert find_sections(indices, CONFIGURED) is None


def test_without_sections_nothing_is_for_us() -> None:
    assert find_sections((), {}) is None


def test_an_alias_speaks_for_all_its_hits() -> None:
    sections = find_sections(("products",), CONFIGURED)
    assert sections is not None
    assert sections.of_hit("some-concrete-index-000001") is PRODUCTS


def test_without_one_fixed_section_each_hit_is_asked() -> None:
    sections = find_sections((), CONFIGURED)
    assert sections is not None
    assert sections.of_hit("products-1") is PRODUCTS
    assert sections.of_hit("news-1") is ARTICLES
    assert sections.of_hit("logs") is None
