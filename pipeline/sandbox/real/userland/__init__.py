"""Tier C: an instance is a Debian userland in namespaces of its own, on top of its image's layers."""
