"""One case of every kind of fault. Many more at random moments are run by `make faults N=…`."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.faults.campaign import KINDS, campaign
from tests.faults.table import table

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.containers,
    pytest.mark.store,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("dockerd"), reason="only root starts an engine"),
]
SEED = 1


def test_whatever_strikes_a_night_all_of_it_is_there_once_it_has_run_again() -> None:
    with campaign(SEED) as own:
        cases = [own.case(number) for number in range(len(KINDS))]
    assert {case.ended for case in cases} > {"went on"}, "nothing was struck"
    assert not any(case.wrong for case in cases), "\n".join([*map(str, cases), table(cases)])
