"""The bars, some in a module: each takes the run and answers rows of the table."""
