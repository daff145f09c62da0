"""The peers that join the latest reading to each event, from Parquet to Parquet."""

from __future__ import annotations

from functools import partial

from tests.benchmarks import data, judging
from tests.benchmarks.contenders.duck import LEVEL, connection
from tests.benchmarks.judging import Judge, Place, Work

JOIN = """
copy (
    select e.*, {values} from read_parquet({events}) e
    asof left join read_parquet({readings}) r on e.{station} = r.{station} and e.{time} >= r.{known}
) to '{output}' (format parquet, compression zstd, compression_level {level})
"""


def polars(place: Place) -> Work:
    """Lazily, on the streaming engine."""
    import polars as pl

    def work() -> Judge:
        events, readings = (pl.scan_parquet(data.files(place.data, name)) for name in ("events", "readings"))
        on = {"left_on": data.TIME, "right_on": data.KNOWN, "by": data.STATION}
        events.join_asof(readings, **on, check_sortedness=False).sink_parquet(
            place.output / "joined.parquet", compression="zstd", compression_level=LEVEL, engine="streaming"
        )
        return partial(judging.joined, judging.parts(place.output))

    return work


def duckdb(place: Place) -> Work:
    """One statement."""
    files = {name: [str(path) for path in data.files(place.data, name)] for name in ("events", "readings")}
    values, output = ", ".join(f"r.{name}" for name in data.VALUES), place.output / "joined.parquet"
    names = {"station": data.STATION, "time": data.TIME, "known": data.KNOWN}
    statement = JOIN.format(**files, **names, values=values, output=output, level=LEVEL)

    def work() -> Judge:
        connection().execute(statement)
        return partial(judging.joined, judging.parts(place.output))

    return work
