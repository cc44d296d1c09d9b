"""Batch jobs: chosen, planned, confirmed, approved, applied, followed up.

``plan`` makes the plan, ``rules`` says who may do what when, ``confirm`` takes the plan and holds its SIMs,
``approval`` (one level up) decides for others, ``followup`` makes a plan of a job that has ended. A plan holds
nothing; holding a SIM is having its one open :class:`operations.models.Operation`.
"""
