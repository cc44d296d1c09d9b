"""How dates are written, by language: day before month, 24 hours, so that nobody has to guess."""
