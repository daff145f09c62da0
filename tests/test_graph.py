"""The picture against what runs: at each level a small use case runs with its parts listening, and both must agree."""

from __future__ import annotations

import datetime as dt
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ml_pipeline import discovery
from ml_pipeline.chain import REJECTED, Chain, Link, Preparation, chain, keep
from ml_pipeline.columns import Columns, take
from ml_pipeline.contract import Mode, StageRequest, StageResult
from ml_pipeline.data.arrow import to_columns
from ml_pipeline.data.intake import admit
from ml_pipeline.data.sources import Window
from ml_pipeline.discovery import UseCase, find, names
from ml_pipeline.graph import SAID, Drawing, Level, draw, mermaid
from ml_pipeline.run import handler_of, run
from ml_pipeline.stages import STAGES, steps, tasks
from ml_pipeline.templates import SERVE, TRAIN, BaseHandler, BaseModel

MODES: tuple[Mode, Mode] = ("offline", "online")
LEVELS: tuple[Level, ...] = ("services", "handlers", "models")
AS_OF = dt.datetime(2024, 2, 4, 23, tzinfo=dt.UTC)
OUTSIDE = "(outside)"


class Heard:
    """What ran in one step: links and models, with what each read from which; steps of the handler."""

    def __init__(self) -> None:
        self.models: list[str] = []
        self.handler: list[str] = []
        self.arrows: set[tuple[str, str]] = set()
        self.makers: dict[tuple[str, int], tuple[str, object]] = {}

    def ran(self, label: str, x: Columns, reads: list[str], result: Any) -> None:
        """Who made a column is told by the object itself, so this knows nothing of the drawing."""
        self.models.append(label)
        self.arrows |= {(self.makers.get((name, id(x[name])), (OUTSIDE,))[0], label) for name in reads}
        for name in result if isinstance(result, dict) else ():
            if result[name] is not x.get(name) and name != REJECTED:
                self.makers[name, id(result[name])] = (label, result[name])


class Listener:
    """Listens to everything that runs, step by step."""

    def __init__(self) -> None:
        self.steps: dict[tuple[Mode, str], Heard] = {}
        self.now = Heard()

    def begin(self, mode: Mode, step: str) -> None:
        """What is heard from here on belongs to this step."""
        self.now = self.steps[mode, step] = Heard()

    def listen(self, patch: pytest.MonkeyPatch) -> None:
        """Put an ear on every link, model and step of a handler."""
        patch.setattr(Link, "__call__", self._link(Link.__call__))
        for model in _below(BaseModel):
            if "transform" in model.__dict__ and model not in (BaseModel, Preparation, Chain):
                patch.setattr(model, "transform", self._model(model.__dict__["transform"].__func__))
        for handler in {handler_of(stage) for stage in STAGES} | {BaseHandler}:
            for part in {*SERVE, *TRAIN} & set(handler.__dict__):
                patch.setattr(handler, part, self._part(part, handler.__dict__[part].__func__))

    def _link(self, original: Any) -> Any:
        def call(link: Link, columns: Columns) -> Any:
            result = original(link, columns)
            self.now.ran(link.name, columns, [c for c in (*link.reads, *link.optional) if c in columns], result)
            return result

        return call

    def _model(self, original: Any) -> Any:
        def transform(model: Any, x: Columns, parameters: Any = None) -> Any:
            result = original(model, x, parameters)
            named = parameters.get("columns", ())
            label = model.__name__ + (f" ({len(named)} columns)" if len(named) > 1 else "")
            changed = [name for name in x if isinstance(result, dict) and result.get(name) is not x[name]]
            self.now.ran(label, x, list(named) or list(parameters.get("coefficients", changed)), result)
            return result

        return classmethod(transform)

    def _part(self, part: str, original: Any) -> Any:
        def call(handler: Any, *given: Any) -> Any:
            self.now.handler.append(part)
            return original(handler, *given)

        return classmethod(call)


def _below(model: type[BaseModel]) -> set[type[BaseModel]]:
    return {model}.union(*(_below(own) for own in model.__subclasses__()))


class Night(NamedTuple):
    """An offline and an online run of a small use case, and what was heard."""

    use_case: UseCase
    steps: dict[tuple[Mode, str], Heard]
    results: dict[tuple[Mode, str], StageResult]


@pytest.fixture(scope="module")
def night(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    stores: dict[Mode, Path] = {mode: tmp_path_factory.mktemp(mode) for mode in MODES}
    listener, results = Listener(), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(template))
        patch.setattr(sys, "dont_write_bytecode", True)
        discovery._packages.cache_clear()
        use_case = find("parcels")
        use_case.load("models.LateModel")
        listener.listen(patch)
        for mode, store in stores.items():
            if mode == "online":  # nothing but the champion is there, so no step finds its work done
                for folder in ("models", "promotions"):
                    shutil.copytree(stores["offline"] / "parcels" / folder, store / "parcels" / folder)
            for step in steps(use_case.config, mode):
                listener.begin(mode, step.name)
                (results[mode, step.name],) = run(StageRequest("parcels", mode, (step.name,), mode, AS_OF, str(store)))
        yield Night(use_case, listener.steps, results)
    for module in [module for module in sys.modules if module.partition(".")[0] == "parcels"]:
        del sys.modules[module]
    discovery._packages.cache_clear()


def boxes(drawing: Drawing, group: str) -> list[str]:
    """Labels of a frame's boxes, save that of a source."""
    return [node.label for node in drawing.nodes if node.group == group and not node.name.startswith("source.")]


def arrows(drawing: Drawing, group: str) -> set[tuple[str, str]]:
    """From label to label within a frame; what comes from elsewhere comes from outside."""
    label = {
        node.name: node.label for node in drawing.nodes if node.group == group and node.label in boxes(drawing, group)
    }
    return {(label.get(edge.source, OUTSIDE), label[edge.target]) for edge in drawing.edges if edge.target in label}


def test_every_step_was_done_and_heard(night: Night) -> None:
    assert {result.status for result in night.results.values()} == {"done"}
    assert all(heard.handler for heard in night.steps.values())


class TestModels:
    FRAMES = (
        ("offline", "ingest.parcels", "ingest parcels"),
        ("offline", "ingest.traffic", "ingest traffic"),
        ("offline", "ingest.customers", "ingest customers"),
        ("offline", "prepare.parcels", "prepare parcels"),
        ("offline", "prepare.traffic", "prepare traffic"),
        ("offline", "prepare.customers", "prepare customers"),
        ("offline", "prepare.late_by_depot", "prepare late_by_depot"),
        ("offline", "combine", "combine"),
        ("offline", "split", "split"),
        ("online", "serve", "LateModel"),
        ("online", "postprocess", "postprocess"),
    )

    @pytest.mark.parametrize(("mode", "step", "group"), FRAMES)
    def test_the_boxes_of_a_frame_are_what_ran_in_that_order(
        self, night: Night, mode: Mode, step: str, group: str
    ) -> None:
        ran = night.steps[mode, step].models  # several batches: several times
        assert boxes(draw(night.use_case, "models"), group) == list(dict.fromkeys(ran))

    @pytest.mark.parametrize("step", [step for _, step, group in FRAMES if group.startswith(("ingest", "prepare"))])
    @pytest.mark.parametrize("mode", MODES)
    def test_training_and_scoring_prepare_by_the_same_boxes(self, night: Night, mode: Mode, step: str) -> None:
        drawn = boxes(draw(night.use_case, "models"), step.replace(".", " "))
        assert list(dict.fromkeys(night.steps[mode, step].models)) == drawn

    @pytest.mark.parametrize("step", ["train", "evaluate"])
    def test_training_and_judging_run_the_boxes_that_scoring_runs(self, night: Night, step: str) -> None:
        drawn = boxes(draw(night.use_case, "models"), "LateModel")
        assert list(dict.fromkeys(night.steps["offline", step].models)) == drawn

    def test_frames_stand_in_the_order_they_run_and_none_is_missing(self, night: Night) -> None:
        drawing = draw(night.use_case, "models")
        assert list(dict.fromkeys(node.group for node in drawing.nodes)) == [group for _, _, group in self.FRAMES]
        others = set(night.steps) - {(mode, step) for mode, step, _ in self.FRAMES}
        again = {"ingest", "prepare", "combine", "train", "evaluate", "promote"}
        assert not [
            step for mode, step in others if step.partition(".")[0] not in again and night.steps[mode, step].models
        ]

    @pytest.mark.parametrize(("mode", "step", "group"), FRAMES)
    def test_arrows_are_the_columns_that_passed(self, night: Night, mode: Mode, step: str, group: str) -> None:
        heard = night.steps[mode, step]
        if group not in ("combine", "split"):  # all their columns come from outside, whole
            assert arrows(draw(night.use_case, "models"), group) == heard.arrows

    def test_the_table_people_get_is_made_of_the_joined_columns_and_the_prediction(self, night: Night) -> None:
        columns = _columns(night, "online", "combine", "combined")
        drawing = draw(night.use_case, "models")
        label = {node.name: node.label for node in drawing.nodes}
        ends = {(label[edge.source], edge.label) for edge in drawing.edges if edge.target == "postprocess.1"}
        assert ends == {
            ("Join", "parcel_id, pickup, tier"),
            ("LogisticRegression", "rank, prediction, model_version"),
            ("band", "band"),
        }
        assert {"parcel_id", "pickup", "tier"} <= columns
        assert not columns & {"prediction", *SAID}
        assert _columns(night, "online", "serve", "predictions") >= {"prediction", "model_version"}

    def test_the_worked_example_prepares_as_drawn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        use_case = find("flights")
        drawing = draw(use_case, "models")
        listener = Listener()
        listener.listen(monkeypatch)
        for name, source in use_case.config.sources.items():
            if source.reader:
                batches = admit(use_case.load(source.reader), name, Window(None, AS_OF), None, ())
                for stage in ("ingest", "prepare"):
                    listener.begin("offline", f"{stage} {name}")
                    if stage == "ingest":
                        columns = take(to_columns(next(batches).table), slice(0, 50))
                    else:
                        use_case.load(source.prepare).transform(columns)
                    assert boxes(drawing, f"{stage} {name}") == listener.now.models
                    assert arrows(drawing, f"{stage} {name}") <= listener.now.arrows | {(OUTSIDE, "keep")}


def _columns(night: Night, mode: Mode, step: str, name: str) -> set[str]:
    from ml_pipeline.artifacts.datasets import open_dataset
    from ml_pipeline.artifacts.store import Store

    (artifact,) = (found for found in night.results[mode, step].artifacts if found.name == name)
    store = Store(artifact.uri.removesuffix(f"/parcels/{artifact.key}")).within("parcels")
    return set(open_dataset(store, artifact.key).manifest.columns)


class TestHandlers:
    @pytest.mark.parametrize("mode", MODES)
    def test_the_steps_of_every_handler_are_those_that_ran_in_that_order(self, night: Night, mode: Mode) -> None:
        drawing = draw(night.use_case, "handlers")
        for step in steps(night.use_case.config, mode):
            assert boxes(drawing, f"{mode}: {step.stage.name}") == night.steps[mode, step.name].handler

    def test_stages_stand_in_the_order_they_run(self, night: Night) -> None:
        frames = dict.fromkeys(node.group for node in draw(night.use_case, "handlers").nodes)
        assert list(frames) == list(dict.fromkeys(f"{mode}: {step.partition('.')[0]}" for mode, step in night.steps))

    @pytest.mark.parametrize("mode", MODES)
    def test_arrows_between_stages_are_the_artifacts_that_passed(self, night: Night, mode: Mode) -> None:
        drawn = {
            (edge.source.split(".")[1], edge.target.split(".")[1], kind)
            for edge in draw(night.use_case, "handlers").edges
            for kind in filter(None, edge.label.split(", "))
            if edge.source.startswith(mode) and edge.target.startswith(mode)
        }
        writer, passed = {}, set()
        for (of, step), result in night.results.items():
            stage = step.partition(".")[0]
            if of == mode:
                found = {(writer[a.name, a.key], stage, a.name.partition(".")[0]) for a in result.reads}
                passed |= {(source, target, kind) for source, target, kind in found if source != target}
                writer |= {(artifact.name, artifact.key): stage for artifact in result.artifacts}
        assert drawn == passed

    def test_scoring_uses_the_champion_that_training_promoted(self, night: Night) -> None:
        edges = {edge[:2] for edge in draw(night.use_case, "handlers").edges if edge.label == "champion"}
        assert edges == {("offline.promote.store_output", "online.serve.load_params")}
        assert night.results["online", "serve"].model_version == night.results["offline", "promote"].model_version


class TestServices:
    GROUPINGS = (
        {},
        {"services.offline": {"data": ["ingest", "prepare", "combine"], "learn": ["train", "evaluate", "promote"]}},
        {"services.online": {"score": ["ingest", "prepare", "combine", "serve", "postprocess"]}},
    )

    @pytest.mark.parametrize("grouping", GROUPINGS)
    @pytest.mark.parametrize("name", names())
    def test_boxes_are_the_tasks_and_arrows_what_they_wait_for(self, name: str, grouping: Any) -> None:
        use_case = find(name, grouping)
        drawing = draw(use_case, "services")
        for mode in MODES:
            made = tasks(use_case.config, mode)
            assert boxes(drawing, mode) == [task.name for task in made]
            inside = [(e.source, e.target) for e in drawing.edges if e.source.split(".")[0] == e.target.split(".")[0]]
            waits = [(f"{mode}.{need}", f"{mode}.{task.name}") for task in made for need in task.needs]
            assert [edge for edge in inside if edge[0].startswith(mode)] == waits

    def test_the_champion_goes_from_the_group_that_promotes_to_the_group_that_serves(self) -> None:
        use_case = find("flights", self.GROUPINGS[1] | self.GROUPINGS[2])
        assert [edge[:2] for edge in draw(use_case, "services").edges if edge.label] == [
            ("offline.learn", "online.score"),
            ("offline.learn", "learning.train"),
            ("learning.promote", "online.score"),
            ("online.score", "monitoring.monitor"),
        ]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", names())
class TestEveryDrawing:
    def test_boxes_come_in_the_order_they_run(self, name: str, level: Level) -> None:
        drawing = draw(find(name), level)
        place = {node.name: at for at, node in enumerate(drawing.nodes)}
        assert len(place) == len(drawing.nodes)
        assert not [edge for edge in drawing.edges if place[edge.source] >= place[edge.target]]

    def test_mermaid_has_every_box_and_arrow_once(self, name: str, level: Level) -> None:
        drawing = draw(find(name), level)
        first, *lines = mermaid(drawing).splitlines()
        assert first == "flowchart LR"
        count = partial(_matching, lines)
        assert count(r'    n\d+\["[^"]+"\]') == len(drawing.nodes)
        assert count(r'  n\d+ -->(\|"[^"]+"\|)? n\d+') == len(drawing.edges)
        assert count(r'  subgraph g\d+\["[^"]+"\]') == count("  end") == len({node.group for node in drawing.nodes})
        assert count(".*") == len(drawing.nodes) + len(drawing.edges) + 2 * count("  end")


def _matching(lines: list[str], pattern: str) -> int:
    return sum(re.fullmatch(pattern, line) is not None for line in lines)


def test_two_links_of_one_name_are_two_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Twice(Preparation):
        steps = chain(keep("flight_id", "prediction"), keep("prediction"))

    use_case = find("flights")
    monkeypatch.setattr(
        UseCase,
        "load",
        lambda self, reference, load=UseCase.load: Twice if "Risk" in reference else load(self, reference),
    )
    assert boxes(draw(use_case, "models"), "postprocess") == ["keep", "keep"]


@pytest.mark.long
def test_the_same_use_case_is_drawn_the_same_in_every_process() -> None:
    script = (
        "from ml_pipeline.discovery import find; from ml_pipeline.graph import draw\n"
        "print([draw(find('flights'), level) for level in ('services', 'handlers', 'models')])"
    )
    drawn = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(discovery.__file__).parents[1])},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(drawn) == 1
