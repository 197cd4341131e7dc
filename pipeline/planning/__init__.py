"""Decisions: pure functions from what was observed to a plan. Nothing here reads, waits or writes."""
