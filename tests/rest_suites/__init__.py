"""Runs the YAML REST tests that Elasticsearch and OpenSearch publish, against a node or a proxy before it."""
