"""From behaviour to features: events, profiles and what they say about a hit."""
