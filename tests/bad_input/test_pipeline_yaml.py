"""A pipeline.yaml that says something it must not: the line is named, exit code 2, and nothing is read or written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

if TYPE_CHECKING:
    from tests.conftest import Parcels

TAG = "!!python/object/apply:os.mkdir ['{}']"


def _refused(parcels: Parcels, command: Callable[..., Result], old: str, new: str) -> str:
    parcels.replace("pipeline.yaml", old, new)
    result = command("run", "parcels", "offline", "--as-of", "2024-02-05", "--store", parcels.store)
    assert result.exit_code == 2
    assert result.stderr.startswith("ConfigError: ")
    assert "Traceback" not in result.stderr
    assert not Path(parcels.store).exists()
    return result.stderr


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("horizon: 1h", "horizont: 1h", "line 5: 'horizont' is not a key here"),
        ("    drives: true", "    drive: true", "line 13: 'drive' is not a key here. Given: sources.parcels.drive"),
        ("replicates: 20", "replicates: many", "line 34: Expected `int`, got `str`. Given: many"),
        ("roc_auc: 0.6", "roc_auc: good", "line 32: Expected `float`, got `str`. Given: good"),
        ("slices: [depot]", "slices: depot", "line 33: Expected `array`, got `str`. Given: depot"),
        ("drives: true", "drives: perhaps", "line 13: Invalid enum value 'perhaps'. Given: perhaps"),
        ("validation: 4d", "validation: 4 days", "line 29: split.validation is not a duration. Given: 4 days"),
        ("at_most: 5%", "at_most: five", "line 36: at_most is not a share. Given: five. Expected: a share such as 1%"),
        ("label: late", "label: late\nlabel: delay", "line 7: 'label' stands twice"),
        ("label: late", "label: [late", "is not plain YAML"),
        ("label: late\n", "", "line 1: Object missing required field `label`"),
        ("    join: {on: [customer]}\n", "", "line 20: customers does not say how it is joined"),
    ],
)
def test_the_line_is_named(parcels: Parcels, command: Callable[..., Result], old: str, new: str, words: str) -> None:
    assert words in _refused(parcels, command, old, new)


def test_a_name_that_the_code_lacks_is_named(parcels: Parcels, command: Callable[..., Result]) -> None:
    parcels.replace("pipeline.yaml", "models.LateModel", "models.LaetModel")
    result = command("run", "parcels", "offline", "--as-of", "2024-02-05", "--store", parcels.store)
    assert result.exit_code == 2
    assert "pipeline.yaml names 'models.LaetModel', which cannot be loaded" in result.stderr
    assert "has no attribute 'LaetModel'" in result.stderr
    assert parcels.objects("models/") == []


def test_a_tag_of_python_is_not_carried_out(parcels: Parcels, command: Callable[..., Result], tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    said = _refused(parcels, command, "label: late", f"label: {TAG.format(trap)}")
    assert "line 6 is not plain YAML: could not determine a constructor for the tag" in said
    assert not trap.exists()
