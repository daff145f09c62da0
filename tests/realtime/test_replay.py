from __future__ import annotations

import datetime as dt
import json
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from ml_pipeline.artifacts.datasets import DatasetWriter
from ml_pipeline.columns import take
from ml_pipeline.contract import run_key
from ml_pipeline.discovery import find
from ml_pipeline.errors import DataError, SourceError, UsageError
from ml_pipeline.handlers import replay
from ml_pipeline.handlers.replay import Batch, Replayed, batch_of, replayed
from ml_pipeline.handlers.rest_door import RestDoor, opened
from ml_pipeline.realtime.service import ScoringService
from tests.conftest import AS_OF, Parcels
from tests.realtime.conftest import Directly, Scored


def again(parcels: Parcels, door: RestDoor, as_of: dt.datetime = AS_OF) -> Replayed:
    """The scoring run as of a moment, replayed."""
    use_case, run_id = find("parcels"), Parcels.run_id("online", as_of)
    return replayed(use_case, batch_of(parcels.room, use_case.config, run_id), run_id, as_of, door)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several requests."""
    monkeypatch.setattr(replay, "RECORDS", 7)


@pytest.mark.usefixtures("few")
def test_all_answers_are_those_of_batch(scored: Scored, service: ScoringService) -> None:
    found = again(scored.parcels, Directly(service))
    rows = len(scored.records)
    assert (found.records, found.scored, found.set_aside, found.left_out) == (rows, rows, 0, 0)
    assert found.requests == -(-rows // 7)
    assert found.model_version == service.champion
    assert str(found).startswith(
        f"{rows} records of parcels as of 2024-02-04T23:00:00+00:00, in {found.requests} requests"
    )


@pytest.mark.usefixtures("few")
def test_what_was_set_aside_is_compared_too(champion: Parcels, started: Callable[..., ScoringService]) -> None:
    header, *lines = champion.lines("parcels")
    tomorrow = [at for at, line in enumerate(lines) if "2024-02-05T0" in line]
    fields = lines[tomorrow[0]].split(",")
    for at in tomorrow[:2]:
        lines[at] = ",".join([*lines[at].split(",")[:3], "-3", *lines[at].split(",")[4:]])
    champion.write("parcels", [header, *lines, ",".join([lines[tomorrow[5]].split(",")[0], *fields[1:]])])
    champion.run("online", parameters={"quarantine.at_most": "50%"})
    found = again(champion, Directly(started(ScoringService(find("parcels"), champion.store))))
    assert found.set_aside == 3
    assert found.records == found.scored + 3


CHOICE = """@only
def chosen(depot: Category) -> Mask:
    return {}


class PrepareParcels"""


def choosing(parcels: Parcels, mask: str) -> ScoringService:
    """A service and a scoring run whose preparation leaves some records out."""
    parcels.replace("models.py", "chain, check, keep", "chain, check, keep, only")
    parcels.replace("models.py", "class PrepareParcels", CHOICE.format(mask))
    parcels.replace("models.py", "chain(weighed, late", "chain(weighed, chosen, late")
    parcels.run("online")
    return ScoringService(find("parcels"), parcels.store)


@pytest.mark.usefixtures("few")
def test_records_that_are_not_in_question_are_counted(
    champion: Parcels, started: Callable[..., ScoringService]
) -> None:
    service = started(choosing(champion, "depot.map([word != 'north' for word in depot.vocabulary], False)"))
    found = again(champion, Directly(service))
    assert found.left_out == found.records - found.scored > 0


@pytest.mark.usefixtures("few")
def test_a_function_that_looks_at_other_records_is_found_out(
    champion: Parcels, started: Callable[..., ScoringService]
) -> None:
    """Which depot has the code 0 depends on which came first."""
    service = started(choosing(champion, "depot.codes != 0"))
    with pytest.raises(DataError, match=r"not scored over REST.*a function that looks at more than one record"):
        again(champion, Directly(service))


def changed(column: str, value: Any) -> Callable[[Any], None]:
    def spoil(found: Any) -> None:
        found["predictions"][2][column] = value

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (changed("band", "sideways"), "band is 'low' in batch and 'sideways' over REST"),
        (changed("prediction", 0.5), "in batch and 0.5 over REST"),
        (changed("parcel_id", "p0"), "p0: scored over REST alone"),
        (lambda found: found["predictions"].pop(), "not scored over REST"),
        (lambda found: found["predictions"][0].pop("tier"), "tier is "),
        (lambda found: found["set_aside"].append({"record": 1, "reason": "no reason"}), "no reason (1)"),
    ],
)
def test_a_difference_is_named_with_both_values(
    scored: Scored, service: ScoringService, spoil: Callable[[Any], None], words: str
) -> None:
    with pytest.raises(DataError, match="the REST door answers otherwise than batch in") as caught:
        again(scored.parcels, Directly(service, spoil))
    assert words in caught.value.given
    assert caught.value.exit_code == 65


def test_a_zero_of_another_sign_is_another_number() -> None:
    assert list(replay._values_that_differ("p1", {"a": 0.0}, {"a": -0.0})) == [
        "p1: a is 0.0 in batch and -0.0 over REST"
    ]
    assert not list(replay._values_that_differ("p1", {"a": 0.1, "b": None}, {"a": 0.1, "b": None, "rank": None}))


def test_a_batch_that_says_more_was_set_aside_differs(scored: Scored, service: ScoringService) -> None:
    use_case = find("parcels")
    batch = batch_of(scored.parcels.room, use_case.config, Parcels.run_id("online", AS_OF))
    more: Batch = batch._replace(set_aside=Counter({"the weight is negative": 2}))
    with pytest.raises(DataError, match="the weight is negative: 2 records in batch and 0 over REST"):
        replayed(use_case, more, "run", AS_OF, Directly(service))


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("revised", [False, True])
def test_a_key_that_comes_in_two_requests_counts_once(
    champion: Parcels, started: Callable[..., ScoringService], revised: bool
) -> None:
    header, *lines = champion.lines("parcels")
    tomorrow = [line for line in lines if "2024-02-05T0" in line]
    again_later = [
        f"{line.split(',')[0]},c1,west,{9 + at},2024-02-05T20:00:00Z," for at, line in enumerate(tomorrow[:3])
    ]
    champion.write("parcels", [header, *lines, *again_later])
    if revised:
        champion.replace("pipeline.yaml", "    drives: true", "    drives: true\n    revised: true")
    champion.run("online", parameters={"quarantine.at_most": "50%"})
    found = again(champion, Directly(started(ScoringService(find("parcels"), champion.store))))
    assert (found.set_aside, found.left_out) == ((0, 3) if revised else (3, 0))


def test_a_run_that_is_not_there_or_not_finished_is_told(champion: Parcels) -> None:
    with pytest.raises(UsageError, match="there is no such scoring run to replay"):
        batch_of(champion.room, find("parcels").config, "nightly")
    champion.run("online", "ingest", "prepare", "combine", "serve")
    with pytest.raises(UsageError, match="of which postprocess has left nothing"):
        batch_of(champion.room, find("parcels").config, Parcels.run_id("online", AS_OF))


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(SourceError, match="gives no answer that can be used"):
        RestDoor("http://127.0.0.1:9").score("parcels", b"[]", AS_OF, "")
    with pytest.raises(UsageError, match="this is no URL of a server"):
        RestDoor("ftp://127.0.0.1")


def test_the_command_proves_it_through_http(
    scored: Scored, command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{scored.parcels.site}{os.pathsep}.")
    asked = ("replay", "parcels", "--as-of", "2024-02-05", "--store", scored.parcels.store)
    done = command(*asked, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["scored"] == len(scored.records)
    spoilt(scored.parcels)
    with opened("parcels", scored.parcels.store) as url:
        failed = command(*asked, "--url", url)
    assert failed.exit_code == 65
    assert f"{scored.table[0]['parcel_id']}: scored over REST alone" in failed.stderr
    assert not [key for key in scored.parcels.objects("runs/") if "realtime" in key]


def spoilt(parcels: Parcels) -> None:
    """Batch has one row less than it scored."""
    results = parcels.run("online")
    scored = parcels.dataset(results, "scored")
    writer = DatasetWriter(parcels.room, "data/spoilt", "scored")
    writer.write(take(scored.columns(), slice(1, None)))
    writer.close(scored.manifest.made_from)
    key = run_key(Parcels.run_id("online", AS_OF), "postprocess")
    parcels.room.put(key, parcels.room.get(key).replace(scored.key.encode(), b"data/spoilt"))


def test_it_ends_a_scoring_run_where_pipeline_yaml_says_so(champion: Parcels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{champion.site}{os.pathsep}.")
    champion.add("pipeline.yaml", "replay: true")
    results = champion.run("online")
    proof = results["replay"]
    assert (proof.status, proof.artifacts) == ("done", ())
    assert proof.metrics["scored"] == proof.rows_in == results["postprocess"].rows_out
    assert proof.model_version == champion.registry.champion()
    assert {artifact.name for artifact in proof.reads} == {"new.parcels", "predictions", "scored"}


def test_it_proves_a_run_whose_stages_share_a_container(
    champion: Parcels, started: Callable[..., ScoringService]
) -> None:
    together = "  online: {score: [ingest, prepare, combine, serve, postprocess]}"
    champion.add("pipeline.yaml", "services:", together)
    results = champion.run("online")
    assert any(artifact.passed for result in results.values() for artifact in result.artifacts)
    found = again(champion, Directly(started(ScoringService(find("parcels"), champion.store))))
    assert found.scored == results["postprocess"].rows_out
