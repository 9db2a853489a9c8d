"""Pure functions, no I/O: request -> plan -> first-stage request; hits -> response."""
