"""The demo's own cross-encoder."""
