"""Queries invented from any catalogue."""
