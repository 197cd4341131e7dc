"""Proving a booted candidate (testinfra suites over SSM Run Command, probes), and what gates ask outside AWS.

pytest and testinfra (the extra ``smoke``) are imported only in the child process that runs a suite.
"""

from pipeline.probing.canary import ScipyStatistics
from pipeline.probing.judge import ExternalJudge
from pipeline.probing.prober import HttpProber
from pipeline.probing.smoke import SmokeTests

__all__ = ["ExternalJudge", "HttpProber", "ScipyStatistics", "SmokeTests"]
