"""Consent: absent or `all` says yes; whatever else is said, says no."""

from __future__ import annotations

import pytest

from middleware.config import HeaderSettings
from middleware.privacy.consent import may_be_known


@pytest.mark.parametrize("values", [[], ["all"], [" ALL "], ["all", "all"]])
def test_without_the_header_or_with_all_somebody_may_be_known(values):
    assert may_be_known(tuple(("x-rerank-consent", value) for value in values), HeaderSettings())


@pytest.mark.parametrize("values", [["none"], ["NONE"], [""], ["yes"], ["true"], ["all", "none"], ["all,none"]])
def test_none_and_what_is_not_understood_and_a_contradiction_are_no_consent(values):
    assert not may_be_known(tuple(("X-Rerank-Consent", value) for value in values), HeaderSettings())


def test_the_header_may_be_called_otherwise():
    names = HeaderSettings(consent="X-May-We")
    assert may_be_known((("X-Rerank-Consent", "none"),), names)
    assert not may_be_known((("x-may-we", "none"),), names)
