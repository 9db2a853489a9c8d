"""Commands over the registry of trained models."""
