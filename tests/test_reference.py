"""The README says what the code does: its tables are made from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from middleware.config import Settings
from middleware.features.table import features_table
from middleware.reference import reasons_table, settings_table, update

README = Path(__file__).parents[1] / "README.md"


def between(marker: str) -> str:
    return README.read_text(encoding="utf-8").partition(f"<!-- {marker} -->")[2].partition(f"<!-- /{marker} -->")[0]


TABLES = {"reasons": reasons_table, "features": features_table, "settings": settings_table}


@pytest.mark.parametrize(
    ("marker", "table"), [(name, table) for name, table in TABLES.items() if between(name) or name != "features"]
)
def test_the_readme_holds_the_table_as_the_code_makes_it(marker, table):
    assert between(marker).strip() == table(), f"run: python -m middleware.reference {README}"


def test_a_text_gets_the_tables_that_it_has_a_place_for_and_nothing_else():
    assert update("nothing to fill in") == "nothing to fill in"
    filled = update("before\n<!-- features -->\nold\n<!-- /features -->\nafter")
    assert filled == f"before\n<!-- features -->\n{features_table()}\n<!-- /features -->\nafter"


def test_every_setting_has_a_default_and_a_meaning():
    rows = [line.split(" | ") for line in settings_table().splitlines()[2:]]
    assert len(rows) > len(Settings.model_fields)
    assert all(len(row) >= 3 and row[-1].strip(" |") for row in rows)
