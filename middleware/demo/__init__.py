"""`es-rerank demo`: a real Elasticsearch, the demo catalogue and model, the proxy, and what the model changed."""
