"""`make demo` of clinical_trials."""

from __future__ import annotations

import pytest

from tests.main_job import MainJob

pytestmark = [pytest.mark.airflow, pytest.mark.store]


@pytest.fixture(scope="module")
def use_case() -> str:
    return "clinical_trials"


class TestClinicalTrials(MainJob):
    scored = "200 rows scored"
    synthetic = True
