"""Where the index bodies of mappings/ lie, in a checkout and in an installed wheel: both halves of us make indices."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from middleware.errors import CommandError


@cache
def find_mappings() -> Path:
    """The folder with the index bodies. Raises CommandError where the installation has lost it."""
    package = Path(__file__).resolve().parent
    for folder in (package / "_mappings", package.parent / "mappings"):
        if (folder / "products.json").is_file():
            return folder
    raise CommandError("the folder mappings/ is missing from this installation; install es-rerank again")
