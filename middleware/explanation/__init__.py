"""Why a hit stands where it stands: its features and their parts, the profile in words, the words that counted."""
