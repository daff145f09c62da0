"""That the online benchmarks ask all contenders the same, judge rightly, and can be run on the product and the echo."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml_pipeline.discovery import FOLDERS, _packages
from tests.benchmarks import data, online, online_bodies, online_model, soak
from tests.benchmarks.online_contenders import CONTENDERS, ECHO, OURS, REAL, SERVE, SERVERS, Place, Start
from tests.benchmarks.online_figures import Case, Figures, Swapped, Target, table, tables, targets
from tests.benchmarks.online_load import Load, is_there, load
from tests.benchmarks.online_model import Learnt, Record
from tests.benchmarks.online_peers import exported
from tests.benchmarks.online_server import at_work, free_ports
from tests.benchmarks.soak import Promoted, Seen, Sent, Soak, Weight

FEW_EVENTS = 3_000


@pytest.fixture(scope="module")
def learnt() -> Learnt:
    """Coefficients of the true shape."""
    rng = np.random.default_rng(1)
    levels = {name: {word: float(rng.normal()) for word in ("a", "b", "(other)")} for name in data.LEVELS}
    return Learnt(-0.5, {name: float(rng.normal()) for name in data.NUMBERS}, levels)


@pytest.fixture(scope="module")
def records(learnt: Learnt) -> list[Record]:
    """A few, as they are sent."""
    return [{**one, "c10": "ab"[place % 2]} for place, one in enumerate(online_model.records(learnt)[:20])]


def test_records_have_only_levels_that_everybody_knows(learnt: Learnt) -> None:
    found = online_model.records(learnt)
    assert len(found) == online_model.SENT
    assert len({one["event"] for one in found}) == online_model.SENT
    assert {one["c1000"] for one in found} == {"(other)"}
    assert found[0].keys() == {"event", "at", *data.NUMBERS, *data.LEVELS}


def test_peers_models_give_the_probabilities_of_the_formula(learnt: Learnt, records: list[Record]) -> None:
    told = json.loads(json.dumps({"bias": learnt.bias, "numbers": learnt.numbers, "levels": learnt.levels}))
    expected = [learnt.probability(record) for record in records]
    of_records = exported.of_records(told).predict_proba(pd.DataFrame(records))[:, 1]
    of_numbers = exported.of_numbers(told).predict_proba([learnt.terms(record) for record in records])[:, 1]
    np.testing.assert_allclose(of_records, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(of_numbers, expected, rtol=0, atol=1e-12)
    assert len(set(expected)) == len(records)


def test_another_answer_is_refused(learnt: Learnt, records: list[Record]) -> None:
    right = [learnt.probability(record) for record in records]
    online._alike("one", right, records, learnt)
    with pytest.raises(AssertionError, match="one answers otherwise"):
        online._alike("one", [right[0] + 2e-9, *right[1:]], records, learnt)
    with pytest.raises(ValueError, match="longer"):
        online._alike("one", right[1:], records, learnt)


def test_each_contender_is_sent_the_same_rows(learnt: Learnt, records: list[Record], tmp_path: Path) -> None:
    for contender in CONTENDERS:
        for rows, requests in online_bodies.BODIES.items():
            online_bodies.write(tmp_path / "bodies", contender.words, learnt, records, rows)
            lines = (tmp_path / "bodies").read_text().splitlines()
            assert len(lines) == requests
            assert len({*lines[:3]}) == (3 if rows == 1 else 1)  # a hundred rows begin anew after five times twenty
    sent = online_bodies.tensor(learnt, records[:2])["inputs"][0]
    assert (sent["shape"], sent["data"][1]) == ([2, 25], learnt.terms(records[1]))


def test_probabilities_are_found_in_answers() -> None:
    both = {"name": "predict_proba", "shape": [2, 2], "datatype": "FP64", "data": [0.9, 0.1, 0.2, 0.8]}
    alone = {"name": "prediction", "shape": [2], "datatype": "FP64", "data": [0.1, 0.8]}
    assert online_bodies.of_outputs({"outputs": [both]}) == online_bodies.of_outputs({"outputs": [alone]}) == [0.1, 0.8]
    assert online_bodies.of_predictions({"predictions": [{"prediction": 0.1}]}) == [0.1]


def test_figures_are_medians_beside_the_best_way_of_asking_mlserver() -> None:
    case = Case(1, 1, 8)
    rounds = {
        case: {
            OURS: [_load(1000), _load(3000), _load(2000, failed=10)],
            ECHO: [_load(10_000)],
            "MLServer, numbers": [_load(500)],
            "MLServer, records": [_load(50)],
        }
    }
    figures = Figures(rounds, {1: {"ml-pipeline": 100_000_000}})
    assert case.title == "1 row a request, 8 connections, 1 worker"
    assert [line[:2] for line in table(figures, case)[1:]] == [
        [ECHO, "10,000"], [OURS, "1,990"], ["MLServer, numbers", "500"], ["MLServer, records", "50"]
    ]  # fmt: skip
    assert table(figures, case)[2][4:] == ["10", "3.98", "100"]
    found = {own.aim: own for own in targets(figures)}
    beside = found["× MLServer: 1 row a request, 8 connections, 1 worker"]
    assert (beside.found, beside.outcome) == (3.98, "missed")
    assert found["MB a worker: ml-pipeline, 1 worker"].outcome == "met"
    assert found["× BentoML: 1 row a request, 8 connections, 1 worker"].outcome == "not measured"


def test_tables_tell_of_the_swap_and_of_who_is_missing() -> None:
    figures = Figures({}, {}, Swapped(_load(100, p99=2.0), _load(100, p99=5.0), 7), {"BentoML": "it is not there"})
    text = tables(figures)
    assert "promotion under load: p99 × the calm one" in text
    assert "7 promotions" in text
    assert "BentoML was not measured: it is not there" in text


def test_a_target_is_met_at_its_limit() -> None:
    assert [Target("", 2.0, least, 2.0).outcome for least in (True, False)] == ["met", "met"]
    assert [Target("", 2.0, least, 2.1).outcome for least in (True, False)] == ["met", "missed"]


def test_an_answer_is_stale_two_seconds_after_another_was_promoted() -> None:
    promoted = [Promoted("a", 0.0, 0.0), Promoted("b", 10.0, 10.5), Promoted("a", 20.0, 20.5)]
    good = [
        Sent(1.0, 1.1, "a"), Sent(12.0, 12.1, "a"), Sent(9.8, 10.1, "b"), Sent(19.9, 20.1, "a"), Sent(22.4, 22.5, "b")
    ]  # fmt: skip
    bad = [Sent(1.0, 1.1, "b"), Sent(12.6, 12.7, "a"), Sent(22.6, 22.7, "b"), Sent(5.0, 5.1, "c")]
    assert soak.stale([*good, *bad], promoted) == bad
    assert [soak.is_near(one, promoted) for one in good] == [False, True, True, True, True]


def test_memory_that_grows_is_seen_and_a_warm_up_is_not() -> None:
    level = [Weight(float(at), 100 if at >= 20 else 50) for at in range(101)]
    assert soak.flatness(level) == pytest.approx((100, 100, 1))
    growing = [Weight(float(at), 100 + at) for at in range(101)]
    assert soak.flatness(growing) == pytest.approx((120, 200, 200 / 120))


def test_a_soak_is_judged() -> None:
    promoted = [Promoted("a", 0.0, 0.0), Promoted("b", 10.0, 10.1)]
    sent = [Sent(1.0, 1.001, "a"), Sent(11.0, 11.004, "b"), Sent(12.0, 12.1, "")]
    found = {own.aim: own.found for own in soak.aims(Seen(sent, promoted, [], 1))}
    assert (found["failed requests"], found["rows answered and not stored"]) == (1, 1)
    assert found["p99 near a promotion × the calm one"] == pytest.approx(4)


def test_ports_are_free_and_apart() -> None:
    assert len(set(free_ports(3))) == 3


@pytest.fixture
def found_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The use case is found, and forgotten after the test."""
    monkeypatch.setenv(FOLDERS, str(online_model.USE_CASES))
    _packages.cache_clear()
    yield
    _packages.cache_clear()


@pytest.mark.records
@pytest.mark.usefixtures("found_anew")
def test_the_product_and_the_echo_go_through_a_small_run(tmp_path: Path) -> None:
    servers = ["echo", "ml-pipeline"]
    site = online.prepared(tmp_path / "bench", servers, FEW_EVENTS)
    for name in servers:
        with at_work(name, site.place(name, 1), 1) as server:
            online.check(site, online._chosen([name]), {name: server})
            assert server.memory() >= server.memory("VmRSS") > 10_000_000
            if is_there():
                bodies = site.bodies(next(own for own in CONTENDERS if own.server == name), 1)
                done = load(server.url(next(own.path for own in CONTENDERS if own.server == name)), bodies, 2, 1)
                assert done.requests > 0
                assert done.failed == 0
    seen = soak.soaked(site.trained, tmp_path, Soak(3.0, 1.0, 20.0, 1))
    found = {own.aim: own.found for own in soak.aims(seen)}
    assert found["failed requests"] == 0
    assert found["rows answered and not stored"] <= 0
    assert len(seen.promoted) > 1


def test_a_server_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = Start([sys.executable, "-c", "raise SystemExit('there is no model')"], {}, "/")
    monkeypatch.setitem(SERVERS, "echo", lambda *_: ends)
    with (
        pytest.raises(RuntimeError, match="did not become ready:\nthere is no model"),
        at_work("echo", Place("", tmp_path, tmp_path / "own"), 1),
    ):
        pass


def test_every_contender_has_a_server() -> None:
    assert {own.server for own in CONTENDERS} == SERVERS.keys()
    assert {OURS, SERVE, REAL} <= {own.name for own in CONTENDERS}


def _load(requests: int, failed: int = 0, p99: float = 1.0) -> Load:
    return Load(requests, 1.0, failed, 0.5, p99, 9.0)
