"""Bake patched AMIs, prove them, and replace every fleet that runs the old one."""

__version__ = "0.1.0"
