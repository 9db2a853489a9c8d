"""The features of a hit, one room per source: pure, so that training and serving run the very same code."""
