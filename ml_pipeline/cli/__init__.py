"""The command line."""

from ml_pipeline.cli.main import main

__all__ = ["main"]
