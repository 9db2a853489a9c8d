"""Real Elasticsearch and OpenSearch nodes on this machine, from packages alone: supply, provision, launch."""
