"""The offline part of recommendations: which products are bought together, counted out of core."""
