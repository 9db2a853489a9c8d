"""Sponsored hits: who pays for which, which of them a search shows and where, and what that cost whom."""
