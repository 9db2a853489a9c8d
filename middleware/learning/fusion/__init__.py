"""Training of fusion models from judged searches."""
