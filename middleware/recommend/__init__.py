"""What to show without a search: candidates from vectors, baskets and popularity, reranked, made diverse, answered."""
