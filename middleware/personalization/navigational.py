"""Whether a query names one product, so that nothing known of the user may come between: pure, words alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from middleware.features.words import comparable, model_tokens, stated_models, word_ids

# A number and its unit: 128gb, 4k, 5g. Many products have them, whoever searches for one of them.
_LONGEST_UNIT = 3
# A product comes in some colours; a name that more hits share names a kind of product, in which tastes differ.
_MOST_NAMED = 5
_LEAST_TITLE_WORDS = 2
_SQUEEZE = str.maketrans("", "", "-_/. ")


def is_navigational(query_text: str, titles: Sequence[str], document_texts: Sequence[str]) -> bool:
    """Whether the query names one to five of these hits: the rule for searches that a profile leaves alone.

    It does so by model number where it has tokens with digits and letters (wh-1000xm4, s21; not a number with a unit of
    up to three letters, as 128gb) and a document text states all of them, however hyphenated; and by title where a
    title of two words or more consists of the query's words in their order.
    """
    query = comparable(query_text)
    models = {token for token in model_tokens(query) if not _is_quantity(token)}
    is_by_model = bool(models) and _are_some(_states(text, models) for text in document_texts)
    return is_by_model or _names_titles(query, titles)


def _names_titles(query: str, titles: Sequence[str]) -> bool:
    words = word_ids(query)
    if len(words) < _LEAST_TITLE_WORDS:
        return False
    # Cheap first: as long as the query, but for signs between the words.
    alike = (title for title in titles if len(title) <= 2 * len(query))
    return _are_some(word_ids(comparable(title)) == words for title in alike)


def _states(text: str, models: set[str]) -> bool:
    document = comparable(text)
    squeezed = document.translate(_SQUEEZE)  # what is not even in there need not be split into words
    return all(model in squeezed for model in models) and models <= set(stated_models(document))


def _is_quantity(token: str) -> bool:
    unit = token.lstrip("0123456789")
    return token != unit and unit.isalpha() and len(unit) <= _LONGEST_UNIT


def _are_some(found: Iterable[bool]) -> bool:
    return 1 <= sum(found) <= _MOST_NAMED
