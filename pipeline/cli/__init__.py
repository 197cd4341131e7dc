"""The command line: words in, exit codes out. Nothing heavy is imported before a verb runs."""
