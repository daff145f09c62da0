from __future__ import annotations

import itertools
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline import stages
from ml_pipeline.config import SourceConfig, UseCaseConfig
from ml_pipeline.contract import Mode
from ml_pipeline.discovery import find, names
from ml_pipeline.errors import ConfigError, UsageError
from ml_pipeline.run import handler_of
from ml_pipeline.stages import IMAGES, REPLAY, STAGES, needs, passing, promotes, select, steps, tasks
from ml_pipeline.templates import BaseHandler

MODES: tuple[Mode, ...] = ("offline", "online", "learning")
SOURCES: dict[str, dict[str, Any]] = {
    "trips": {"reader": "sources.trips", "prepare": "models.Trips", "known": "ended", "drives": True},
    "sky": {"reader": "sources.sky", "prepare": "models.Sky", "join": {"on": ["town"], "as_of": "seen"}},
    "rate": {"from": "trips", "prepare": "models.rate", "join": {"on": ["town"]}},
    "warmth": {"from": "sky", "prepare": "models.warmth", "join": {"on": ["town"]}},
}
ORDERS = st.permutations(list(SOURCES))


def configured(services: dict[str, Any] | None = None, order: Any = tuple(SOURCES)) -> UseCaseConfig:
    described = {
        "name": "tiny", "question": "?", "key": "trip", "time": "start", "label": "late", "model": "models.Model",
        "postprocess": "models.Post", "services": services or {}, "sources": {name: SOURCES[name] for name in order},
    }  # fmt: skip
    return msgspec.convert(described, UseCaseConfig)


def stages_of(mode: Mode) -> list[str]:
    return [stage.name for stage in STAGES if stage.flow(mode) and stage.name != REPLAY]


CONFIGS = [*[pytest.param(find(name).config, id=name) for name in names()], pytest.param(configured(), id="tiny")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("config", CONFIGS)
def test_whatever_a_step_reads_was_written_by_a_step_before_it(config: UseCaseConfig, mode: Mode) -> None:
    written: set[str] = set()
    for step in steps(config, mode):
        assert set(step.reads) <= written, step.name
        assert not set(step.writes) & written, step.name
        written |= set(step.writes)


@given(order=ORDERS, mode=st.sampled_from(MODES))
def test_the_order_of_sources_in_the_file_does_not_matter(order: list[str], mode: Mode) -> None:
    config = configured(order=order)
    before: list[str] = []
    for step in steps(config, mode):
        assert {need.name for need in needs(step, steps(config, mode))} <= set(before), step.name
        before.append(step.name)
    assert set(before) == {step.name for step in steps(configured(), mode)}


def test_names_of_the_steps() -> None:
    assert [step.name for step in steps(configured(), "offline")] == [
        "ingest.trips", "ingest.sky", "prepare.trips", "prepare.sky", "prepare.rate", "prepare.warmth",
        "combine", "split", "train", "evaluate", "promote",
    ]  # fmt: skip
    assert [step.name for step in steps(configured(), "online")] == [
        "ingest.trips", "ingest.sky", "prepare.trips", "prepare.sky", "prepare.rate", "prepare.warmth",
        "combine", "serve", "postprocess",
    ]  # fmt: skip


def flows(mode: Mode) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    return {step.name: (step.reads, step.writes) for step in steps(configured(), mode)}


def test_only_the_driving_source_has_new_records_and_only_online() -> None:
    assert flows("online")["ingest.trips"] == ((), ("raw.trips", "new.trips"))
    assert flows("online")["ingest.sky"] == ((), ("raw.sky",))
    assert flows("offline")["ingest.trips"] == ((), ("raw.trips",))


def test_a_derived_source_reads_the_history_of_the_one_it_is_made_from() -> None:
    for mode in MODES:
        assert flows(mode)["prepare.rate"] == (("history.trips",), ("prepared.rate",))
        assert flows(mode)["prepare.trips"][1][:2] == ("prepared.trips", "history.trips")
    assert flows("online")["prepare.trips"][0] == ("raw.trips", "new.trips")


def test_learning_goes_on_from_a_model_with_what_is_new_to_it() -> None:
    assert flows("learning")["ingest.trips"] == ((), ("raw.trips", "new.trips", "start.trips"))
    assert flows("learning")["ingest.sky"] == ((), ("raw.sky",))
    assert flows("learning")["prepare.trips"] == (
        ("raw.trips", "new.trips", "start.trips"),
        ("prepared.trips", "history.trips", "learnt.trips"),
    )
    assert flows("learning")["combine"][0] == (*(f"prepared.{name}" for name in SOURCES), "learnt.trips")
    assert flows("learning")["split"] == (("combined",), ("train", "test"))
    assert flows("learning")["train"] == (("train", "start.trips"), ("model",))
    assert list(flows("learning"))[-3:] == ["train", "evaluate", "promote"]


def test_a_use_case_learns_only_where_it_says_so() -> None:
    assert configured().modes == ("offline", "online")
    assert find("clinical_trials", {"learning": {}}).config.modes == ("offline", "learning", "online")


def test_monitoring_asks_for_the_truth_and_for_no_other_source() -> None:
    watched = find("flights", {"monitoring": {}}).config
    assert watched.modes == ("offline", "learning", "online", "monitoring")
    found = steps(watched, "monitoring")
    assert [step.name for step in found] == ["ingest.flights", "prepare.flights", "monitor"]
    assert [step.writes for step in found] == [
        ("raw.flights",),
        ("prepared.flights",),
        ("performance", "health", "retrain"),
    ]
    assert not promotes("monitoring")


def test_monitoring_leaves_a_promotion_only_where_it_may_go_back() -> None:
    for rollback, leaves in {"automatic": True, "propose": False}.items():
        *_, monitor = steps(find("flights", {"monitoring": {"rollback": rollback}}).config, "monitoring")
        assert ("promotion" in monitor.writes) == leaves
    by_hand = find("flights", {"monitoring": {"rollback": "automatic"}, "promotion": {"policy": "manual"}}).config
    assert tasks(by_hand, "monitoring")[-1].name == "monitor"


def test_a_use_case_is_watched_only_where_it_says_so() -> None:
    assert "monitoring" not in find("clinical_trials").config.modes


def test_all_prepared_sources_are_combined() -> None:
    assert flows("offline")["combine"] == (tuple(f"prepared.{name}" for name in SOURCES), ("combined",))


class TestOneSourceForEachMode:
    """Trains on one source and scores another."""

    CONFIG = msgspec.convert(
        {
            "name": "tiny", "question": "?", "key": "trip", "time": "start", "label": "late", "model": "models.Model",
            "postprocess": "models.Post", "sources": {
                "past": {"reader": "sources.past", "prepare": "models.Past", "known": "ended", "drives": "offline"},
                "plans": {"reader": "sources.plans", "prepare": "models.Plans", "drives": "online"},
                "sky": SOURCES["sky"],
            },
        },
        UseCaseConfig,
    )  # fmt: skip

    def names(self, config: UseCaseConfig, mode: Mode) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
        return {step.name: (step.reads, step.writes) for step in steps(config, mode)}

    def test_a_source_has_steps_only_where_it_drives(self) -> None:
        offline, online, learning = (self.names(self.CONFIG, mode) for mode in MODES)
        for trains in (offline, learning):
            assert {name for name in trains if "." in name} == {
                "ingest.past", "ingest.sky", "prepare.past", "prepare.sky",
            }  # fmt: skip
        assert {name for name in online if "." in name} == {
            "ingest.plans", "ingest.sky", "prepare.plans", "prepare.sky",
        }  # fmt: skip
        assert offline["combine"][0] == ("prepared.past", "prepared.sky")
        assert online["combine"][0] == ("prepared.plans", "prepared.sky")

    def test_what_only_scores_has_new_records_and_no_history(self) -> None:
        online = self.names(self.CONFIG, "online")
        assert online["ingest.plans"] == ((), ("new.plans",))
        assert online["prepare.plans"] == (("new.plans",), ("prepared.plans",))

    def test_what_is_derived_from_the_one_that_trains_needs_its_history_online_too(self) -> None:
        rate = msgspec.convert({"from": "past", "prepare": "models.rate", "join": {"on": ["town"]}}, SourceConfig)
        config = msgspec.structs.replace(self.CONFIG, sources={**self.CONFIG.sources, "rate": rate})
        online = self.names(config, "online")
        assert online["ingest.past"] == ((), ("raw.past",))
        assert online["prepare.past"] == (("raw.past",), ("history.past",))
        assert online["prepare.rate"] == (("history.past",), ("prepared.rate",))
        assert online["combine"][0] == ("prepared.plans", "prepared.sky", "prepared.rate")


def test_the_proof_by_replay_ends_a_scoring_run_where_it_is_asked_for() -> None:
    asked = msgspec.structs.replace(configured(), replay=True)
    assert steps(asked, "offline") == steps(configured(), "offline")
    *others, last = steps(asked, "online")
    assert tuple(others) == steps(configured(), "online")
    assert (last.name, last.writes) == ("replay", ())
    assert [step.stage.name for step in needs(last, others)] == ["ingest", "serve", "postprocess"]
    assert tasks(asked, "online")[-1].image == "api"


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_stage_has_its_handler_and_an_image_for_it(stage: Any) -> None:
    assert issubclass(handler_of(stage), BaseHandler)
    assert stage.image in IMAGES
    assert any(stage.flow(mode) for mode in get_args(Mode))


def asking(images: dict[str, str]) -> tuple[stages.Stage, ...]:
    """The table, with some stages that ask for another image."""
    return tuple(stage._replace(image=images.get(stage.name, stage.image)) for stage in STAGES)


class TestTasks:
    def test_without_services_each_step_is_a_task_that_waits_for_those_it_needs(self) -> None:
        config = configured()
        made = {task.name: task for task in tasks(config, "offline")}
        assert list(made) == [step.name for step in steps(config, "offline")]
        assert made["combine"].needs == ("prepare.trips", "prepare.sky", "prepare.rate", "prepare.warmth")
        assert made["evaluate"].needs == ("split", "train")
        assert made["ingest.sky"].needs == ()
        assert [made[name].image for name in ("combine", "train", "promote")] == ["data", "train", "serve"]

    def test_a_service_runs_all_its_stages_and_needs_what_they_need_from_outside(self) -> None:
        grouping = {"offline": {"data": ["ingest", "prepare", "combine"], "learn": ["train", "evaluate"]}}
        made = {task.name: task for task in tasks(configured(grouping), "offline")}
        assert list(made) == ["data", "split", "learn", "promote"]
        assert [task.needs for task in made.values()] == [(), ("data",), ("split",), ("learn",)]
        assert len(made["data"].steps) == 7
        assert made["data"].image == "data"
        assert next(task.name for task in tasks(configured(grouping), "online")) == "ingest.trips"

    def test_all_in_one_service_is_one_task_that_needs_nothing(self) -> None:
        (task,) = tasks(configured({"online": {"score": stages_of("online")}}), "online")
        assert (task.name, task.needs, task.image) == ("score", (), "data")

    @given(mode=st.sampled_from(MODES), cuts=st.sets(st.integers(1, 8)), order=ORDERS)
    def test_any_grouping_of_neighbours_runs_the_same_steps_in_an_order_that_works(
        self, mode: Mode, cuts: set[int], order: list[str]
    ) -> None:
        stages = stages_of(mode)
        borders = [0, *sorted(cut for cut in cuts if cut < len(stages)), len(stages)]
        groups = {f"service{at}": stages[a:b] for at, (a, b) in enumerate(itertools.pairwise(borders)) if b > a}
        config = configured({mode: groups}, order)
        done: set[str] = set()
        ran: list[str] = []
        for task in tasks(config, mode):
            assert set(task.needs) <= done
            assert task.image in {step.stage.image for step in task.steps}
            done.add(task.name)
            ran += [step.name for step in task.steps]
        assert ran == [step.name for step in steps(config, mode)]

    def test_services_that_wait_for_one_another_are_refused(self) -> None:
        around = configured({"offline": {"outer": ["ingest", "combine"]}})
        with pytest.raises(UsageError, match=r"wait for one another.*outer.*To do: group only stages that follow"):
            tasks(around, "offline")

    @pytest.mark.parametrize(
        ("asked", "image"),
        [
            ({"serve"}, "serve"),
            ({"serve", "train"}, "train"),
            ({"train", "data"}, "data"),
            ({"api"}, "api"),
            ({"api", "serve"}, "api"),
        ],
    )
    def test_the_image_is_the_leanest_that_can_run_all(
        self, asked: set[str], image: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stages, "STAGES", asking(dict(zip(stages_of("online"), [*asked] * 9, strict=False))))
        (task,) = tasks(configured({"online": {"score": stages_of("online")}}), "online")
        assert task.image == image

    def test_a_group_that_no_image_can_run_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stages, "STAGES", asking({"prepare": "data", "serve": "api"}))
        says = r"no container image can run together.*services.online.score: .*prepare in the image data.*serve in the"
        with pytest.raises(ConfigError, match=says + r" image api.*To do: make two groups of them"):
            tasks(configured({"online": {"score": stages_of("online")}}), "online")

    @pytest.mark.parametrize(
        ("groups", "says"),
        [
            ({"data": ["ingest", "prepair"]}, "'prepair', which is no stage of this mode.*data.*ingest, prepare"),
            ({"data": ["serve"]}, "'serve', which is no stage"),
            ({"data": ["prepare.sky"]}, "'prepare.sky', which is no stage"),
            ({"one": ["train"], "two": ["train"]}, "'train' twice. Given: one and two"),
            ({"train": ["evaluate", "promote"]}, "a group 'train', which is a stage outside of it"),
        ],
    )
    def test_groups_that_mean_nothing_are_refused(self, groups: Any, says: str) -> None:
        with pytest.raises(ConfigError, match=rf"tiny, services.offline, .*{says}"):
            tasks(configured({"offline": groups}), "offline")

    def test_a_service_may_be_called_like_a_stage_in_it(self) -> None:
        made = tasks(configured({"offline": {"train": ["train", "evaluate"]}}), "offline")
        assert [task.name for task in made][-2:] == ["train", "promote"]


class TestPassing:
    def passing(self, groups: Any, *names: str) -> set[str]:
        config = configured({"offline": groups})
        return set(passing(config, "offline", select(config, "offline", names)))

    def test_stages_alone_pass_nothing(self) -> None:
        assert self.passing({}) == set()

    def test_what_only_the_group_reads_passes(self) -> None:
        assert self.passing({"data": ["prepare", "combine"], "learn": ["split", "train"]}) == {
            "prepared.trips", "prepared.sky", "prepared.rate", "prepared.warmth", "history.trips", "history.sky",
            "train", "validation",
        }  # fmt: skip

    def test_what_is_left_for_later_never_passes(self) -> None:
        everything = {"all": stages_of("offline")}
        assert not {"raw.trips", "model", "verdict", "promotion"} & self.passing(everything)
        online = configured({"online": {"all": stages_of("online")}})
        assert "predictions" not in passing(online, "online", steps(online, "online"))
        assert "scored" not in passing(online, "online", steps(online, "online"))

    def test_what_a_step_reads_that_was_not_ordered_does_not_pass(self) -> None:
        groups = {"all": stages_of("offline")}
        assert self.passing(groups, "prepare", "combine") == self.passing({"data": ["prepare", "combine"]})
        assert self.passing(groups, "prepare.trips", "combine", "train") == {"prepared.trips"} | {
            name for name in self.passing(groups) if name.startswith("prepared.")
        } | {"train", "validation"}


class TestSelect:
    def test_nothing_named_is_everything(self) -> None:
        assert select(configured(), "online", []) == steps(configured(), "online")

    def test_stages_and_steps_come_in_running_order(self) -> None:
        chosen = select(configured(), "offline", ["train", "prepare.sky", "ingest"])
        assert [step.name for step in chosen] == ["ingest.trips", "ingest.sky", "prepare.sky", "train"]

    @pytest.mark.parametrize("name", ["fly", "serve", "prepare.moon", "ingest.rate"])
    def test_what_the_mode_has_not_is_refused(self, name: str) -> None:
        with pytest.raises(UsageError, match=rf"offline has no stage '{name}'.*ingest.trips.*ml-pipeline graph tiny"):
            select(configured(), "offline", ["train", name])
