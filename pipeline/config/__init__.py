"""``rebake.yaml``: read, checked as a whole, turned into `pipeline.model.settings.Settings`."""

from pipeline.config.loading import load, schema
from pipeline.config.starter import starter

__all__ = ["load", "schema", "starter"]
