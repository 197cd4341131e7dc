"""``python -m pipeline.cli``: the command `rebake`, for where it is not on PATH."""

from pipeline.cli.main import main

main()
