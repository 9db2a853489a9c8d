"""What cross-encoders learn from, made of judgments, behaviour and queries."""
