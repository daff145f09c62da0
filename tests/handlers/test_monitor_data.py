"""What is wrong with the data of scoring runs is told, and what cannot be read is left out and told of."""

from __future__ import annotations

import datetime as dt
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ml_pipeline.artifacts.registry import METRICS, PARAMETERS
from ml_pipeline.columns import Category
from ml_pipeline.contract import run_key
from ml_pipeline.errors import IntegrityError
from tests.conftest import AS_OF, Parcels, installed

if TYPE_CHECKING:
    from pathlib import Path

DAY = dt.timedelta(days=1)
LAST = "2024-02-05 23:00"
"""As of the last scoring run."""


@pytest.fixture(scope="session")
def week(template: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which six days are scored, each on its eve; to be copied."""
    store = shutil.copytree(trained, tmp_path_factory.mktemp("week") / "store")
    with installed(template):
        for day in range(6):
            score(Parcels(template, str(store)), day - 5)
    return store


@pytest.fixture
def scored(parcels: Parcels, week: Path) -> Parcels:
    """The use case, trained, and scored for six days."""
    shutil.copytree(week, parcels.store)
    return parcels


def score(parcels: Parcels, day: float) -> None:
    parcels.run("online", as_of=AS_OF + day * DAY)


def monitored(parcels: Parcels, days: float = 2, **settings: Any) -> Any:
    parameters = {"monitoring": {"least": 20, **settings}}
    return parcels.run("monitoring", as_of=AS_OF + days * DAY, parameters=parameters)["monitor"]


def reasons(parcels: Parcels, **settings: Any) -> list[str]:
    found: list[str] = monitored(parcels, **settings).verdict["reasons"]
    return found


def about(source: str, said: list[str]) -> str:
    """What is said of a source in the last run."""
    return " ".join(reason for reason in said if reason.startswith(f"{source} as of {LAST}: "))


def changed(parcels: Parcels, source: str, lines: list[str]) -> list[str]:
    """What is said where a source delivers other lines from the last run on."""
    parcels.write(source, lines)
    score(parcels, 1)
    return reasons(parcels)


def traffic(parcels: Parcels) -> tuple[list[str], list[str]]:
    """Lines up to the last run but one, and those of the day after it."""
    lines = parcels.lines("traffic")
    first, last = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (AS_OF, AS_OF + DAY))
    of_day = [line for line in lines if first < line.split(",")[1] <= last]
    assert len(of_day) == 72
    return lines[: lines.index(of_day[0])], of_day


def history(parcels: Parcels) -> list[dict[str, Any]]:
    """The lines of the dataset."""
    columns = parcels.dataset({"monitor": monitored(parcels)}, "health").columns()
    plain = {name: own.values() if isinstance(own, Category) else own.tolist() for name, own in columns.items()}
    return [dict(zip(plain, line, strict=True)) for line in zip(*plain.values(), strict=True)]


def test_sources_are_told_of_beside_what_is_usual(scored: Parcels) -> None:
    score(scored, 1)
    said = reasons(scored)
    rows = scored.run("online", as_of=AS_OF + DAY)["combine"].rows_out
    assert any(reason.startswith(f"The rows that were scored as of {LAST}: {rows} rows, usually ") for reason in said)
    assert "the newest record is 0." in about("parcels", said)
    assert "of rows have no match, usually " in about("customers", said)
    assert "30 rows, usually 30" in about("customers", said)


def test_a_source_that_is_delivered_no_more_is_told_by_the_age_of_its_records(scored: Parcels) -> None:
    before, _ = traffic(scored)
    said = changed(scored, "traffic", before)
    assert "the newest record is 24.0 h old, usually 0.0 h and at most 0.0 h. See whether traffic" in about(
        "traffic", said
    )


def test_a_source_that_is_delivered_twice_is_told_by_its_keys(scored: Parcels) -> None:
    before, of_day = traffic(scored)
    said = changed(scored, "traffic", [*before, *of_day, *of_day])
    assert "50.0% of the rows have a key that came before, usually 0.0%." in about("traffic", said)
    assert "came before" not in about("customers", said)


def test_a_column_without_values_is_told_with_the_run_since_which_it_is(scored: Parcels) -> None:
    before, of_day = traffic(scored)
    empty = [f"{line.rpartition(',')[0]}," for line in of_day]
    (said,) = (
        own for own in changed(scored, "traffic", [*before, *empty]) if "the column" in own and "traffic:" in own
    )
    since = f"traffic: since the scoring run as of {LAST} the column speed is"
    assert said == f"{since} without any value, and was a number before. See what delivers it in another form."


def test_a_column_with_one_value_alone_is_told(scored: Parcels) -> None:
    before, of_day = traffic(scored)
    frozen = [f"{line.rpartition(',')[0]},42.0" for line in of_day]
    said = changed(scored, "traffic", [*before, *frozen])
    assert any("the column speed is the same in all rows, and was a number before" in own for own in said)


def test_a_column_that_vanished_is_told(champion: Parcels) -> None:
    header, *lines = champion.lines("customers")
    champion.replace("sources.py", '"floor": "float64"}', '"floor": "float64", "city": "string"}')
    champion.write("customers", [f"{header},city", *(f"{line},Breda" for line in lines)])
    score(champion, 1)
    score(champion, 2)
    champion.replace("sources.py", ', "city": "string"', "")
    champion.write("customers", [header, *lines])
    score(champion, 3)
    since = (
        "customers: since the scoring run as of 2024-02-07 23:00 the column city is gone, and was a category before."
    )
    assert any(own.startswith(since) for own in reasons(champion, days=4))


def test_what_was_seen_is_stored_for_whoever_draws_it(scored: Parcels) -> None:
    before, _ = traffic(scored)
    changed(scored, "traffic", before)
    lines = history(scored)
    ages = [line for line in lines if (line["source"], line["measure"]) == ("traffic", "age_hours")]
    assert [line["as_of"].day for line in ages] == [30, 31, 1, 2, 3, 4, 5]
    assert [line["severity"] for line in ages] == ["not enough data"] * 5 + ["ok", "watch"]
    assert (ages[-1]["value"], ages[-1]["usual"], ages[-1]["column"]) == (pytest.approx(24.0), 0.0, None)
    weeks = [line for line in lines if (line["source"], line["column"]) == ("combined", "speed")]
    assert {line["measure"] for line in weeks} == {"missing", "psi", "jensen_shannon", "wasserstein"}
    assert {line["severity"] for line in weeks} == {"not enough data"}


def test_keys_that_are_written_in_two_ways_are_told(champion: Parcels) -> None:
    score(champion, 0)
    lines = [f"q{line[1:]}" if ",2024-02-0" in line else line for line in champion.lines("parcels")]
    champion.write("parcels", lines)
    found = monitored(champion, days=3)
    assert found.verdict["severity"] == "watch"
    (said,) = (reason for reason in found.verdict["reasons"] if "nobody predicted" in reason)
    assert "and 0 of one that somebody did. See whether parcel_id is written alike" in said


def test_records_dated_after_the_as_of_are_told_where_there_were_none(champion: Parcels) -> None:
    header, *lines = champion.lines("traffic")
    for day in np.arange(1, 7) / 2:
        known = [line for line in lines if line.split(",")[1] <= f"{AS_OF + day * DAY:%Y-%m-%dT%H:%M:%SZ}"]
        ahead = [f"north,2030-01-01T{hour:02d}:00:00Z,50.0" for hour in range(24)] * 60 if day == 3.0 else []
        champion.write("traffic", [header, *known, *ahead])
        score(champion, day)
    said = " ".join(reasons(champion, days=4))
    assert (
        "of the records are dated after the as-of, usually 0.0%. See whether the clocks of traffic are right." in said
    )


def test_runs_of_later_days_are_left_out_and_told_of(scored: Parcels) -> None:
    said = reasons(scored, days=-3)
    assert any(
        "There are scoring runs of 3 days after the as-of, to 20240204: they are left out." in own for own in said
    )
    assert not any("after the as-of" in own for own in reasons(scored))


def test_a_result_that_cannot_be_read_is_left_out_and_told_of(scored: Parcels) -> None:
    unreadable = [run_key("online-20240202T230000Z", "ingest.traffic"), run_key("online-20240203T230000Z", "serve")]
    for key in unreadable:
        scored.room.put(key, b"{")
    found = monitored(scored)
    told = [own for own in found.verdict["reasons"] if "cannot be read, and is left out" in own]
    assert [own.partition(" ")[0] for own in told] == unreadable
    days = scored.dataset({"monitor": found}, "performance").columns()["day"]
    assert len(np.asarray(days)) == 5


def test_data_that_cannot_be_read_are_left_out_and_told_of(scored: Parcels) -> None:
    results = scored.run("online", as_of=AS_OF)
    broken = {name: scored.dataset(results, name) for name in ("predictions", "combined")}
    part = broken["predictions"].manifest.parts[0]
    scored.room.put(f"{broken['predictions'].key}/{part.name}", b"no Parquet")
    scored.room.put(f"{broken['combined'].key}/manifest.yaml", b"name: half a man")
    told = " ".join(own for own in reasons(scored) if "cannot be read, and is left out" in own)
    assert f"{broken['predictions'].key} cannot be read" in told
    assert f"{broken['combined'].key} cannot be read" in told


def test_where_nothing_can_be_read_the_stage_fails(champion: Parcels) -> None:
    results = champion.run("online", as_of=AS_OF)
    dataset = champion.dataset(results, "predictions")
    part, result = f"{dataset.key}/{dataset.manifest.parts[0].name}", run_key("online-20240204T230000Z", "serve")
    for key, named in [(part, dataset.key), (result, result)]:
        champion.room.put(key, b"{")
        with pytest.raises(IntegrityError, match="nothing of what was predicted can be read") as caught:
            monitored(champion)
        assert caught.value.given.startswith(f"{named}: ")


@pytest.mark.parametrize("name", [PARAMETERS, METRICS])
def test_a_model_that_cannot_be_read_is_told_of(scored: Parcels, name: str) -> None:
    version = scored.registry.champion()
    scored.room.put(scored.registry.key(version, name), b"half: [a")
    said = reasons(scored)
    assert said[0].startswith(f"{version} predicted, but cannot be judged: ")
    assert any(reason.startswith("The rows that were scored as of ") for reason in said)


def test_a_result_of_monitoring_that_is_damaged_is_made_anew(scored: Parcels) -> None:
    before = monitored(scored)
    scored.room.put(run_key(before.run_id, "monitor"), b"{")
    assert monitored(scored).verdict == before.verdict


def test_a_lost_profile_of_a_snapshot_is_made_from_its_rows(scored: Parcels) -> None:
    score(scored, 1)
    before = reasons(scored)
    for key in scored.objects("raw/traffic/"):
        if "profile-" in key:
            scored.room.put(key, b"no profile")
    assert reasons(scored) == before
