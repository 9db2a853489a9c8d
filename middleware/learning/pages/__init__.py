"""What every report for people has in common: one page that needs nothing else, tables, and figures in it."""
