"""Parameters from the training rows alone; settings by the validation rows; a description beside them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.artifacts.registry import PROFILE
from ml_pipeline.columns import Category
from ml_pipeline.data.splits import PARTS
from ml_pipeline.errors import ChainError, FitError, SchemaError

if TYPE_CHECKING:
    from tests.conftest import Parcels


def _train(parcels: Parcels, **more: Any) -> Any:
    return parcels.run("offline", "ingest", "prepare", "combine", "split", "train", **more)["train"]


def test_the_model_says_what_it_was_made_from(champion: Parcels) -> None:
    results = champion.run("offline")
    version = results["train"].model_version
    model = champion.registry.model(version)
    content = champion.room.get(f"models/{version}/parameters.yaml")
    assert model.parameters_sha256 == hashlib.sha256(content).hexdigest()
    assert model.as_of == "2024-02-04T23:00:00+00:00"
    assert model.system_version == results["train"].system_version
    parts = {name: champion.dataset(results, name).manifest for name in PARTS}
    assert model.made_from == {name: parts[name].digest for name in ("train", "validation")}
    assert model.rows == parts["train"].rows
    raw = [a.digest for result in results.values() for a in result.artifacts if a.name.startswith("raw.")]
    assert sorted(raw) == model.snapshots


def test_the_profile_is_that_of_what_the_model_reads_in_the_training_rows(champion: Parcels) -> None:
    results = champion.run("offline")
    version, train = results["train"].model_version, champion.dataset(results, "train")
    profile = champion.registry.profile(version)
    assert {"weight", "late"} < set(profile.columns) < set(train.manifest.columns)
    assert profile.rows == train.manifest.rows
    assert profile == train.profile().only(profile.columns)
    readable = plain_yaml.load(champion.room.get(f"models/{version}/{PROFILE}"))
    assert readable == profile.described()
    weights = np.asarray(train.columns(["weight"])["weight"])
    assert readable["weight"]["mean"] == pytest.approx(np.nanmean(weights))


def test_the_setting_with_the_least_loss_on_validation_is_kept(champion: Parcels) -> None:
    result = champion.run("offline", "train", force=True)["train"]
    losses = result.metrics["validation_loss"]
    assert [*losses] == ["ridge 100", "ridge 1"]
    kept = champion.registry.parameters(result.model_version)["estimator"]["ridge"]
    assert f"ridge {kept:g}" == min(losses, key=losses.get)


def test_what_is_fitted_comes_from_the_training_rows_alone(champion: Parcels) -> None:
    results = champion.run("offline")
    train = champion.dataset(results, "train").columns(["weight"])
    impute, _, _ = champion.registry.parameters(results["train"].model_version)["features"]
    assert np.median(np.asarray(train["weight"])) == pytest.approx(impute["medians"]["weight"])


def test_rows_that_judge_change_nothing_of_what_is_learnt(champion: Parcels, parcels: Parcels) -> None:
    before = champion.registry.parameters(_train(champion).model_version)
    test = champion.dataset(champion.run("offline"), "test").columns(["parcel_id"])["parcel_id"]
    assert isinstance(test, Category)
    champion.write("parcels", [_turned(line, set(test.values())) for line in champion.lines("parcels")])
    champion.store += "-2"
    after = champion.registry.parameters(_train(champion).model_version)
    assert _plain(after) == _plain(before)


def test_another_seed_is_another_model(champion: Parcels) -> None:
    versions = {_train(champion, parameters={"seed": seed}).model_version for seed in (1, 2)}
    assert len(versions) == 2


def test_the_same_model_is_not_trained_again_by_another_run(champion: Parcels) -> None:
    assert _train(champion, run_id="another").status == "reused"


@pytest.mark.parametrize(("delay", "label"), [("5", "0"), ("99", "1")])
def test_one_class_only_is_refused_in_words(parcels: Parcels, delay: str, label: str) -> None:
    lines = parcels.lines("parcels")
    parcels.write("parcels", [lines[0], *(f"{line.rpartition(',')[0]},{delay}" for line in lines[1:])])
    with pytest.raises(FitError, match="needs rows of both classes") as caught:
        _train(parcels)
    assert f"all with label {label}" in caught.value.given
    assert parcels.objects("models/") == []


def test_a_label_that_is_no_class_is_refused_in_words(parcels: Parcels) -> None:
    parcels.replace("models.py", "np.where(np.isnan(delay), np.nan, delay >= 30)", "delay")
    with pytest.raises(FitError, match="learns from labels 0 and 1 only"):
        _train(parcels)


def test_a_column_that_the_model_needs_and_nobody_gives_is_named(parcels: Parcels) -> None:
    parcels.replace("models.py", 'keep("customer", "tier", "floor")', 'keep("customer", "tier")')
    with pytest.raises((SchemaError, ChainError), match="LateModel needs the column 'floor'"):
        _train(parcels)


def test_a_column_of_the_wrong_kind_is_named(parcels: Parcels) -> None:
    parcels.replace("models.py", 'Levels("depot", "tier", rare=5)', 'Levels("depot", "weight", rare=5)')
    with pytest.raises(ChainError, match="cannot work on the column 'weight'"):
        _train(parcels)


def _turned(line: str, keys: set[str | None]) -> str:
    key, _, rest = line.partition(",")
    return f"{key},{rest.rpartition(',')[0]},{99 if int(key[1:]) % 2 else 1}" if key in keys else line


def _plain(parameters: Any) -> Any:
    if isinstance(parameters, dict):
        return {key: _plain(value) for key, value in parameters.items() if key not in ("fit", "ridge")}
    return parameters.tolist() if isinstance(parameters, np.ndarray) else parameters
