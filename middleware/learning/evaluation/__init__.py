"""How good rankings are: judgments in, measures, intervals and a report out."""
