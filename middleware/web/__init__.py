"""What is served to people and browsers under /_rerank/ and /{index}/_rerank/, a room for each blueprint."""
