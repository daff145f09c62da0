"""`make demo` of flights."""

from __future__ import annotations

import pytest

from tests.main_job import MainJob

pytestmark = [pytest.mark.airflow, pytest.mark.store]


@pytest.fixture(scope="module")
def use_case() -> str:
    return "flights"


class TestFlights(MainJob):
    scored = "718 rows scored"
    synthetic = False
