#!/usr/bin/env python3
"""`es-rerank bootstrap` for a checkout that is not installed: scripts/bootstrap_index.py products --input FILE."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from middleware.catalog.commands import app
from middleware.errors import ConfigError, MiddlewareError


def main() -> None:
    """Run the command; our own errors become one line and an exit status, as in `es-rerank`."""
    try:
        app()
    except MiddlewareError as error:
        print(f"Error: {error.reason}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigError) else 1)


if __name__ == "__main__":
    main()
