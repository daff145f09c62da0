"""The peer of a preparation written in pandas: pandas itself, on the whole table."""

from __future__ import annotations

from functools import partial

from tests.benchmarks import data, judging
from tests.benchmarks.judging import Judge, Place, Work


def pandas(place: Place) -> Work:
    """Read, the very function that the product runs part by part, write."""
    import pandas as pd

    from tests.benchmarks.use_cases.events.cleaning import READS, WRITES, cleaned

    def work() -> Judge:
        frame = cleaned(pd.read_parquet(data.files(place.data, "raw"), columns=list(READS)))
        frame[list(WRITES)].to_parquet(place.output / "prepared.parquet", compression="zstd", index=False)
        return partial(judging.prepared, judging.parts(place.output))

    return work
