"""Which configuration of the second stage a search gets: assignment to variants."""
