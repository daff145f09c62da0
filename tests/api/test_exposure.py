from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ml_pipeline.api.exposure import Exposure
from ml_pipeline.errors import UsageError

if TYPE_CHECKING:
    from tests.conftest import Parcels

GROUPS = """\
services:
  offline: {preprocess: [ingest, prepare, combine, split]}
  online: {score: [serve, postprocess]}
split: {"""


@pytest.fixture
def grouped(parcels: Parcels) -> Parcels:
    """The use case with two services of several stages."""
    parcels.replace("pipeline.yaml", "split: {", GROUPS)
    return parcels


def test_steps_stages_and_services_are_offered(grouped: Parcels) -> None:
    offers = Exposure(("parcels",)).offers
    assert offers["/parcels/offline/train"].steps == ("train",)
    assert offers["/parcels/offline/prepare.traffic"].steps == ("prepare.traffic",)
    assert offers["/parcels/offline/ingest"].steps == ("ingest.parcels", "ingest.traffic", "ingest.customers")
    assert offers["/parcels/offline/preprocess"].steps[-2:] == ("combine", "split")
    assert len(offers["/parcels/offline/preprocess"].steps) == 9
    assert offers["/parcels/online/score"].steps == ("serve", "postprocess")
    assert offers["/parcels/online/serve"].steps == ("serve",)


def test_only_what_is_named_is_offered(grouped: Parcels) -> None:
    exposure = Exposure(("parcels", "flights"), ("offline/preprocess", "online/serve"))
    assert sorted(exposure.offers) == [
        "/flights/online/serve",
        "/parcels/offline/preprocess",
        "/parcels/online/serve",
    ]
    assert list(exposure.scoring) == ["parcels", "flights"]
    assert exposure.learning == []


def test_what_nobody_has_cannot_be_offered(grouped: Parcels) -> None:
    with pytest.raises(UsageError, match="there is no such service"):
        Exposure(("parcels",), ("offline/serve",))
    with pytest.raises(UsageError, match="there is no such service"):
        Exposure(("parcels",), ("online/train",))
    with pytest.raises(UsageError, match="there is no use case 'parcel'"):
        Exposure(("parcel",))


def test_what_is_not_offered_is_said_with_what_is(grouped: Parcels) -> None:
    exposure = Exposure(("parcels",), ("offline/preprocess",))
    with pytest.raises(UsageError, match="offline/train of parcels is not offered here") as raised:
        exposure.offer("/parcels/offline/train")
    assert (raised.value.http_status, raised.value.expected) == (404, "one of offline/preprocess")
