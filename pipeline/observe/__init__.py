"""Reads through ports into snapshots; nothing here changes anything."""
