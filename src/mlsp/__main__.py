"""`python -m mlsp` is `mlsp`."""

from mlsp.cli import main

main()
