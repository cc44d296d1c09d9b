"""Everything breaks at once, and afterwards nothing is lost and nothing was done twice: ``make chaos``."""
