"""Airflow reads its settings when it is first imported, and writes them into a folder."""

from __future__ import annotations

import os
import tempfile

if "AIRFLOW_HOME" not in os.environ:
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="ml-pipeline-airflow-")
