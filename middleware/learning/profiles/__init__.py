"""Offline: all behaviour folded into profiles, users grouped into clusters, and what a cluster has in common."""
