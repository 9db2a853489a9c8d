"""The second stage: an engine that scores (query, document) pairs before a deadline, and its backends."""
