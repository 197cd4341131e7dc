"""The verbs as functions: observe, plan, and where it was approved, execute. No terminal, no vendor."""
