"""Siblings behind one small protocol: each turns (query, documents) into scores with one inference library."""
