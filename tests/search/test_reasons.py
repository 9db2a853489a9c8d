from __future__ import annotations

from pathlib import Path

from middleware import errors
from middleware.search.reasons import Reason, write_table

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_lists_every_reason_as_the_code_has_it() -> None:
    table = README.read_text(encoding="utf-8").split("<!-- reasons -->")[1].split("<!-- /reasons -->")[0]
    assert table.strip() == write_table(), "paste the output of: python -m middleware.search.reasons"


def test_every_failure_of_the_second_stage_has_its_reason() -> None:
    failures = [value for value in vars(errors).values() if isinstance(value, type)]
    names = [failure.fallback_reason for failure in failures if issubclass(failure, errors.RerankError)]
    assert len(names) > 3
    for name in names:
        assert Reason.of(name).value == name
