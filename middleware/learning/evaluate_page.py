"""x."""

from middleware.learning.evaluate_results import Results


def make_page(results: Results) -> str:
    return ""
