from __future__ import annotations

from middleware import errors
from middleware.search.reasons import Reason


def test_every_failure_of_the_second_stage_has_its_reason() -> None:
    failures = [value for value in vars(errors).values() if isinstance(value, type)]
    names = [failure.fallback_reason for failure in failures if issubclass(failure, errors.RerankError)]
    assert len(names) > 3
    for name in names:
        assert Reason.of(name).value == name
