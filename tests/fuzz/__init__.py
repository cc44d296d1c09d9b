"""Hostile inputs: whatever comes in, no error of ours, no markup of theirs, nothing half-written (docs/security.md)."""
