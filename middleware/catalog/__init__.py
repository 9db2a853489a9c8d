"""Offline: from a catalogue file to a searchable index."""
