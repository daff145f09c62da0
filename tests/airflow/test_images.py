"""What `ml-pipeline validate` says of container images."""

from __future__ import annotations

import pytest
from ml_pipeline_airflow import images

from ml_pipeline.discovery import UseCase, find
from ml_pipeline.errors import NothingToDo


@pytest.fixture
def elsewhere() -> UseCase:
    """A use case that would need images of its own, which nobody has built."""
    flights = find("flights")
    return flights._replace(folder=flights.folder.parent.parent / "nowhere")


def test_without_an_engine_no_images_are_needed(monkeypatch: pytest.MonkeyPatch, elsewhere: UseCase) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nothing/there.sock")
    assert images.check(elsewhere) == "no container engine answers, so stages run as processes"


@pytest.mark.containers
def test_the_shared_images_are_named_with_what_they_hold() -> None:
    found = images.check(find("flights")).split(", ")
    assert [image.split()[0] for image in found] == ["api", "data", "serve", "train"]
    assert {len(image.split()[1]) for image in found} == {12}


@pytest.mark.containers
def test_an_image_that_is_not_built_is_something_to_do_and_no_fault(elsewhere: UseCase) -> None:
    with pytest.raises(NothingToDo, match=r"ml-pipeline/flights-api:latest is not built yet.*make images"):
        images.check(elsewhere)


def test_the_images_that_count_do_not_depend_on_how_stages_are_grouped() -> None:
    grouped = {"services.offline": {"all": ["ingest", "prepare", "combine", "split", "train", "evaluate", "promote"]}}
    assert images.needed(find("flights", grouped)) == images.needed(find("flights"))
