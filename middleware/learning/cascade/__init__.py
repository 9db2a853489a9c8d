"""Teaching of the estimator that decides what a cross-encoder reads."""
