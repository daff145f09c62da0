"""What is said of a model that went on from another is true."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from ml_pipeline.artifacts import plain_yaml
from ml_pipeline.discovery import find
from ml_pipeline.errors import NotFoundError
from ml_pipeline.lineage.description import describe
from ml_pipeline.lineage.difference import difference
from ml_pipeline.lineage.reproduction import reproduce

if TYPE_CHECKING:
    from tests.conftest import Parcels

SPLIT = "split: {by"


@pytest.fixture
def learner(champion: Parcels) -> Parcels:
    """Trained, and gone on for two nights."""
    champion.replace("pipeline.yaml", SPLIT, f"learning: {{test: 20%, least: 20}}\n{SPLIT}")
    for night in (1, 2):
        champion.run("learning", as_of=champion.as_of + dt.timedelta(days=night))
    return champion


def _versions(parcels: Parcels) -> list[str]:
    found = [entry.to for entry in parcels.registry.promotions()]
    assert len(found) == 3
    return found


def test_it_is_made_again_from_the_model_it_went_on_from(learner: Parcels) -> None:
    for version in _versions(learner):
        assert reproduce(find("parcels"), learner.registry, version).outcome == "same bytes"


def test_without_that_model_it_cannot_be(learner: Parcels) -> None:
    _, second, third = _versions(learner)
    learner.room.delete(f"models/{second}/model.yaml")
    with pytest.raises(NotFoundError, match="no such model"):
        reproduce(find("parcels"), learner.registry, third)


def test_the_description_and_the_difference_name_it(learner: Parcels) -> None:
    first, second, third = _versions(learner)
    told = describe(find("parcels"), learner.registry, third)
    assert (told.start, told.snapshot_count) == (second, len(learner.registry.model(third).snapshots))
    assert describe(find("parcels"), learner.registry, first).start == ""
    causes = {
        cause.kind: (cause.change, cause.old, cause.new) for cause in difference(learner.registry, second, third).causes
    }
    assert causes["start"] == ("changed", first, second)
    assert "snapshot" in causes
    causes = {
        cause.kind: (cause.change, cause.old, cause.new) for cause in difference(learner.registry, first, second).causes
    }
    assert causes["start"] == ("added", None, first)


def test_card_and_report_say_how_many_rows_are_its_own(learner: Parcels) -> None:
    _, second, third = _versions(learner)
    rows = learner.registry.model(third).rows
    card = plain_yaml.load(learner.room.get(f"models/{third}/card.yaml"))
    assert card["data"]["went_on_from"] == second
    assert card["data"]["training_rows"] == rows
    report = learner.room.get(f"models/{third}/report.html").decode()
    assert f"It went on from the model <code>{second}</code>" in report
    assert f"{rows} rows taught it more" in report
    assert "a share of 20%, drawn by a hash of the key" in report
