"""`python -m ml_pipeline`: the command line."""

from ml_pipeline.cli import main

main()
