"""es-rerank: a proxy that gives an Elasticsearch client reranked answers without changing the client."""

__version__ = "0.1.0"
