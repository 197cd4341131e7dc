"""What a run leaves to read: evidence beside images, and events as log lines or in memory."""

from pipeline.records.events import Fanout, Recorder
from pipeline.records.evidence import KeptEvidence
from pipeline.records.places import state_dir

__all__ = ["Fanout", "KeptEvidence", "Recorder", "state_dir"]
