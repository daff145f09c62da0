"""What was predicted is judged by what became true: each prediction once, as far as truth is known."""

from __future__ import annotations

import datetime as dt
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ml_pipeline.artifacts import parameters as parameters_file
from ml_pipeline.columns import Category
from ml_pipeline.handlers import scored_runs
from tests.conftest import AS_OF

if TYPE_CHECKING:
    from tests.conftest import Parcels

DAY = dt.timedelta(days=1)
FEW: dict[str, Any] = {"monitoring": {"least": 20}}


@pytest.fixture
def scored(champion: Parcels) -> Parcels:
    """Three days are scored, each on its eve."""
    for day in range(3):
        champion.run("online", as_of=AS_OF + day * DAY)
    return champion


def watched(parcels: Parcels, as_of: dt.datetime, **settings: Any) -> Any:
    """What the stage left as of a moment."""
    parameters = {"monitoring": FEW["monitoring"] | settings}
    return parcels.run("monitoring", as_of=as_of, parameters=parameters)


def days(parcels: Parcels, results: Any) -> list[dict[str, Any]]:
    """The lines of the dataset."""
    columns = parcels.dataset(results, "performance").columns()
    plain = {name: own.values() if isinstance(own, Category) else own.tolist() for name, own in columns.items()}
    return [dict(zip(plain, line, strict=True)) for line in zip(*plain.values(), strict=True)]


def expected(parcels: Parcels, as_of: dt.datetime) -> tuple[list[float], list[bool]]:
    """Predictions and labels of the day after a moment, from the stored predictions and the source's own file."""
    predicted = parcels.dataset(parcels.run("online", as_of=as_of), "predictions").columns(["parcel_id", "prediction"])
    late = {fields[0]: float(fields[5]) > 15 for fields in (line.split(",") for line in parcels.lines("parcels")[1:])}
    keys = predicted["parcel_id"]
    assert isinstance(keys, Category)
    return np.asarray(predicted["prediction"]).tolist(), [late[str(key)] for key in keys.values()]


def test_each_day_is_judged_by_the_truth_of_its_predictions(scored: Parcels) -> None:
    found = watched(scored, AS_OF + 4 * DAY)
    lines = days(scored, found)
    assert [line["day"].isoformat() for line in lines] == [f"2024-02-0{day}T00:00:00" for day in (5, 6, 7)]
    for number, line in enumerate(lines):
        p, y = expected(scored, AS_OF + number * DAY)
        assert (line["predicted"], line["known"], line["state"]) == (len(p), len(p), "mature")
        assert line["roc_auc"] == pytest.approx(roc_auc_score(y, p))
        assert line["roc_auc_low"] < line["roc_auc"] < line["roc_auc_high"]
        assert line["model_version"] == scored.registry.champion()


def test_all_days_together_stand_beside_the_test_rows(scored: Parcels) -> None:
    found = watched(scored, AS_OF + 4 * DAY)["monitor"]
    each = [expected(scored, AS_OF + day * DAY) for day in range(3)]
    p, y = ([value for own in each for value in own[part]] for part in (0, 1))
    version = scored.registry.champion()
    assert found.metrics[version]["metrics"]["roc_auc"]["value"] == pytest.approx(roc_auc_score(y, p))
    assert set(found.metrics[version]["slices"]["depot"]) == {"north", "south", "west"}
    first, second, *_ = found.verdict["reasons"]
    assert first == f"{version}: {len(p)} of {len(p)} predictions have come true or not."
    then = scored.registry.metrics(version)["metrics"]["roc_auc"]
    assert f"and was {then['value']:.4f}" in second


def test_a_day_counts_as_mature_once_most_of_its_truth_is_known(scored: Parcels) -> None:
    lines = days(scored, watched(scored, AS_OF + 2 * DAY + dt.timedelta(hours=18), mature="80%"))
    assert [line["state"] for line in lines] == ["mature", "mature", "immature"]
    assert 20 <= lines[2]["known"] < lines[2]["predicted"]
    assert not np.isnan(lines[2]["roc_auc"])


def test_without_truth_there_is_not_enough_data(scored: Parcels) -> None:
    found = watched(scored, AS_OF + dt.timedelta(hours=1), window="2h")
    assert found["monitor"].verdict["severity"] == "not enough data"
    assert found["monitor"].verdict["reasons"][0].endswith("fewer than 20, too few to judge.")
    (line,) = days(scored, found)
    assert (line["known"], line["state"]) == (0, "not enough data")
    assert np.isnan(line["roc_auc"])


def test_without_predictions_there_is_nothing_to_do(champion: Parcels) -> None:
    found = watched(champion, AS_OF + 4 * DAY)["monitor"]
    assert (found.status, found.artifacts) == ("skipped", ())
    assert found.notes[0].startswith("nothing was predicted within 30d")


def test_what_was_predicted_before_the_window_or_after_the_as_of_is_left_out(scored: Parcels) -> None:
    lines = days(scored, watched(scored, AS_OF + DAY + dt.timedelta(hours=1), window="2h"))
    assert [line["day"].day for line in lines] == [6]


def test_truth_that_is_delivered_again_counts_once(scored: Parcels) -> None:
    before = days(scored, watched(scored, AS_OF + 4 * DAY))
    again = [line for line in scored.lines("parcels")[1:] if "2024-02-05" in line]
    scored.add("parcels", *again)
    after = days(scored, watched(scored, AS_OF + 5 * DAY))
    assert [line["known"] for line in after[:3]] == [line["known"] for line in before]
    assert [line["roc_auc"] for line in after[:3]] == [line["roc_auc"] for line in before]


def test_a_corrected_truth_replaces_the_one_before_where_records_are_revised(scored: Parcels) -> None:
    scored.replace("pipeline.yaml", "    known: delivered\n", "    revised: true\n")
    p, y = expected(scored, AS_OF)
    fields = [line.split(",") for line in scored.lines("parcels")[1:] if "2024-02-05T1" in line]
    flipped = [[*own[:-1], "5" if float(own[-1]) > 15 else "99"] for own in fields]
    scored.add("parcels", *map(",".join, flipped))
    lines = days(scored, watched(scored, AS_OF + 4 * DAY))
    assert len(flipped) > 10
    assert lines[0]["known"] == len(y)
    assert lines[0]["roc_auc"] != pytest.approx(roc_auc_score(y, p))


def test_truth_of_keys_that_nobody_predicted_changes_nothing(scored: Parcels) -> None:
    before = days(scored, watched(scored, AS_OF + 4 * DAY))
    scored.add("parcels", "p-unheard,c1,north,2.0,2024-02-08T10:00:00Z,99")
    assert days(scored, watched(scored, AS_OF + 5 * DAY)) == before


def test_the_same_day_scored_by_two_models_is_judged_for_each(scored: Parcels) -> None:
    old = scored.registry.champion()
    scored.run("offline", as_of=AS_OF + DAY)
    scored.run("online", as_of=AS_OF + 2 * DAY, run_id="again")
    lines = days(scored, watched(scored, AS_OF + 4 * DAY))
    assert [(line["day"].day, line["model_version"] == old) for line in lines if line["day"].day == 7] in (
        [(7, True), (7, False)],
        [(7, False), (7, True)],
    )


def test_a_run_that_scored_twice_counts_once(scored: Parcels) -> None:
    before = days(scored, watched(scored, AS_OF + 4 * DAY))
    scored.run("online", as_of=AS_OF, run_id="once-more")
    assert days(scored, watched(scored, AS_OF + 4 * DAY, window="31d")) == before


def test_a_model_that_is_stored_no_more_is_worth_a_look(scored: Parcels) -> None:
    version = scored.registry.champion()
    for key in scored.objects(f"models/{version}/"):
        scored.room.delete(key)
    found = watched(scored, AS_OF + 4 * DAY)["monitor"]
    assert found.verdict["severity"] == "watch"
    assert found.verdict["reasons"][0] == f"{version} predicted, but is stored no more."


def test_a_broken_floor_asks_to_act(scored: Parcels) -> None:
    parameters = FEW | {"evaluate.floors": {"roc_auc": 0.999}}
    found = scored.run("monitoring", as_of=AS_OF + 4 * DAY, parameters=parameters)["monitor"]
    assert (found.verdict["severity"], found.verdict["passed"]) == ("act", False)
    assert "its floor is at least 0.999: clearly broken" in " ".join(found.verdict["reasons"])


def test_a_champion_that_does_worse_than_the_model_before_it_is_to_go_back(scored: Parcels) -> None:
    good, bad = scored.registry.champion(), "contrary"
    learnt = scored.registry.parameters(good)
    estimator = {**learnt["estimator"], "bias": -learnt["estimator"]["bias"]}
    estimator["coefficients"] = {name: _opposite(own) for name, own in estimator["coefficients"].items()}
    content = parameters_file.dump({**learnt, "estimator": estimator}, "LateModel")
    described = msgspec.structs.replace(
        scored.registry.model(good), version=bad, parameters_sha256=sha256(content).hexdigest()
    )
    scored.registry.add(described, content)
    entry = scored.registry.last_promotion()
    assert entry
    scored.registry.promote(msgspec.structs.replace(entry, number=entry.number + 1, to=bad, previous=good))
    for day in range(5):
        scored.run("online", as_of=AS_OF + day * DAY, run_id=f"contrary-{day}")
    reasons = watched(scored, AS_OF + 5 * DAY)["monitor"].verdict["reasons"]
    (told,) = (reason for reason in reasons if "which" in reason and "replaced" in reason)
    assert told.startswith("On the same ")
    assert f"beside {good}, which {bad} replaced, roc_auc differs by -" in told
    assert told.endswith("Go back to it by `ml-pipeline models rollback parcels`, or train again.")


def test_training_is_asked_for_once_within_the_cooldown(scored: Parcels) -> None:
    broken = {"monitoring": {"least": 20, "cooldown": "2d"}, "evaluate.floors": {"roc_auc": 0.999}}

    def asked(days: int, run_id: str = "") -> bool:
        as_of = AS_OF + days * DAY
        named = {"run_id": run_id} if run_id else {}
        found = scored.run("monitoring", as_of=as_of, parameters=broken, **named)["monitor"]
        if not (asks := any(artifact.name == "retrain" for artifact in found.artifacts)):
            assert run_id or found.notes[-1].startswith("Training was asked for as of ")
        return asks

    assert [asked(3), asked(3), asked(3, "another-run"), asked(4), asked(5), asked(6)] == [
        True,
        True,  # the same run, again
        False,
        False,
        True,
        False,
    ]
    assert "retrain" not in {artifact.name for artifact in watched(scored, AS_OF + 9 * DAY)["monitor"].artifacts}


def test_the_data_of_the_last_run_stand_beside_those_before_it(champion: Parcels) -> None:
    for day in range(6):
        champion.run("online", as_of=AS_OF - (5 - day) * DAY)
    champion.run("online", as_of=AS_OF + DAY)
    reasons = watched(champion, AS_OF + 2 * DAY)["monitor"].verdict["reasons"]
    (volume,) = (reason for reason in reasons if "rows were scored" in reason)
    rows = champion.run("online", as_of=AS_OF + DAY)["combine"].rows_out
    assert volume.startswith(f"{rows} rows were scored as of 2024-02-05 23:00, usually ")
    assert any("of rows have no match in traffic, usually " in reason for reason in reasons)


def test_the_index_names_the_runs_of_a_window(scored: Parcels) -> None:
    found = scored_runs.between(scored.room, AS_OF, AS_OF + 2 * DAY)
    assert [result.as_of for result in found] == [AS_OF + DAY, AS_OF + 2 * DAY]
    assert scored_runs.between(scored.room, AS_OF + 2 * DAY, AS_OF + 9 * DAY) == []


def test_a_page_says_it_to_people(scored: Parcels) -> None:
    found = watched(scored, AS_OF + 4 * DAY)["monitor"]
    page = scored.room.get("monitoring/20240208T230000Z/report.html").decode()
    assert "Will this parcel arrive late?" in page
    assert f"<li>ok: {found.verdict['reasons'][0]}</li>" in page


def _opposite(coefficient: Any) -> Any:
    """Of a number, or of each word."""
    if isinstance(coefficient, dict):
        return {word: -value for word, value in coefficient.items()}
    return -coefficient
