"""Proving a booted candidate: testinfra suites over SSM Run Command, and probes from outside.

pytest and testinfra (the extra ``smoke``) are imported only in the child process that runs a suite.
"""

from pipeline.probing.smoke import SmokeTests

__all__ = ["SmokeTests"]
