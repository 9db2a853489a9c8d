"""`python -m middleware`: the command without an installed script."""

from middleware.cli import main

main()
