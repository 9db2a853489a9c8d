"""The second stage's cross-encoder: an engine that keeps deadlines, and backends that run the model."""
