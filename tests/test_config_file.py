from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.config import UseCaseConfig
from ml_pipeline.config_file import parse
from ml_pipeline.config_rules import METRICS
from ml_pipeline.discovery import BUILT_IN
from ml_pipeline.errors import ConfigError
from ml_pipeline.models.evaluation import JUDGES

TEXT = """\
question: Will it be late?
key: trip
time: start
label: late
timezone: Europe/Amsterdam
horizon: 2h
ahead: 1d
sources:
  trips:
    reader: sources.trips
    prepare: models.Trips
    known: ended
    drives: true
    truth: [delay]
  sky:
    reader: sources.sky
    prepare: models.Sky
    known: seen
    join:
      on: [town]
      as_of: seen
      tolerance: 3h
  planes:
    reader: sources.planes
    prepare: models.Planes
    join: {on: {tail: tail_number}}
  rate:
    from: trips
    prepare: models.rate
    join: {on: [town]}
split:
  by: time
  validation: 30d
  test: 60d
model: models.Late
evaluate:
  floors:
    roc_auc: 0.68
    log_loss: 0.5
  slices: [town]
  replicates: 100
postprocess: models.Risk
schedule: {offline: "0 2 * * *"}
services:
  offline:
    learn: [train, evaluate]
quarantine: {at_most: 1%}
resources: {memory: 2GB, cpus: 2}
"""


def line_of(text: str, part: str) -> int:
    """The number of the only line that is, or else holds, this text."""
    lines = list(enumerate(text.splitlines(), 1))
    same = [number for number, line in lines if line == part]
    (found,) = same or [number for number, line in lines if part in line]
    return found


def changed(old: str, new: str) -> str:
    assert TEXT.count(old) == 1, old
    return TEXT.replace(old, new)


def refused(text: str, **overrides: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text, "tiny", overrides)
    return caught.value


def test_a_floor_can_be_set_for_every_metric_that_is_computed() -> None:
    y, p = np.array([0.0, 1.0]), {"class": np.eye(2)}
    computed = {kind: judge.of(y, p.get(kind, y)).metrics(np.ones(2)) for kind, judge in JUDGES.items()}
    assert {kind: tuple(names) for kind, names in computed.items()} == METRICS


def test_everything_that_is_written_is_read() -> None:
    config = parse(TEXT, "tiny")
    assert (config.name, config.driving("online"), config.horizon) == ("tiny", "trips", "2h")
    assert config.sources["sky"].join
    assert config.sources["sky"].join.keys == {"town": "town"}
    assert config.sources["planes"].join
    assert config.sources["planes"].join.keys == {"tail": "tail_number"}
    assert config.sources["rate"].derived == "trips"
    assert config.services.of("offline") == {"learn": ["train", "evaluate"]}
    assert (config.quarantine.share, config.resources.memory_bytes) == (0.01, 2 << 30)


def test_what_is_not_written_has_its_default() -> None:
    short = re.sub(
        r"(?ms)^(timezone|horizon|ahead|split|evaluate|schedule|services|quarantine|resources):.*?\n(?=\w|\Z)", "", TEXT
    )
    config = parse(short, "tiny")
    assert (config.timezone, config.horizon, config.split.test, config.seed) == ("UTC", "0s", "60d", 0)
    assert config.evaluate.floors == {}
    assert config.runner == "docker"


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "Yes", "True", "NO"])
def test_words_that_older_yaml_takes_for_truth_values_are_words(word: str) -> None:
    assert parse(changed("key: trip", f"key: {word}"), "tiny").key == word


FAULTS = [
    # (what is there, what stands in its place, the text on the guilty line, what the error says)
    ("horizon: 2h", "horison: 2h", "horison", "'horison' is not a key here"),
    ("    known: seen", "    knwon: seen", "knwon", "'knwon' is not a key here"),
    ("      tolerance: 3h", "      tolerence: 3h", "tolerence", "'tolerence' is not a key here"),
    ("  by: time", "  bye: time", "bye: time", "'bye' is not a key here"),
    ("label: late\n", "", "question:", "missing required field `label`"),
    ("    prepare: models.Sky\n", "", "  sky:", "missing required field `prepare`"),
    ("  validation: 30d", "  validation: 30", "validation: 30", "Expected `str`, got `int`"),
    ("  by: time", "  by: month", "by: month", "Invalid enum value 'month'"),
    ("  replicates: 100", "  replicates: 5", "replicates: 5", "Expected `int` >= 20"),
    ("    roc_auc: 0.68", "    roc_auc: high", "roc_auc: high", "Expected `float`, got `str`"),
    ("    roc_auc: 0.68", "    roc_acu: 0.68", "roc_acu: 0.68", "roc_acu is no metric, so it can have no floor"),
    ("    log_loss: 0.5", "    logloss: 0.5", "logloss: 0.5", "logloss is no metric, so it can have no floor"),
    (
        "  replicates: 100", "  replicates: 100\n  slice_floors:\n    auc: 0.5", "    auc: 0.5",
        "auc is no metric, so it can have no floor",
    ),
    ("    log_loss: 0.5", "    log_loss: [1]", "log_loss: [1]", "Expected `float`, got `array`"),
    ("    drives: true", "    drives: maybe", "drives: maybe", "Invalid enum value 'maybe'"),
    ("    learn: [train, evaluate]", "    learn: train", "learn: train", "Expected `array`, got `str`"),
    ("key: trip", "key: trip id", "key: trip id", "a name of letters, digits and underscores"),
    ("  planes:\n", "  plane s:\n", "plane s", "a name of letters, digits and underscores"),
    ("    learn: [", "    to-learn: [", "to-learn", "a name of letters, digits and underscores"),
    ("split:\n  by: time\n  validation: 30d\n  test: 60d\n", "split:\n", "split:", "Expected `object`, got `null`"),
    ("sources:\n", "sources: []\nothers:\n", "sources: []", "Expected `object`, got `array`"),
    ("cpus: 2}", "cpus: 0}", "cpus: 0", "Expected `float` > 0"),
    ("key: trip", "key: trip\nrunner: rocket", "runner: rocket", "Invalid enum value 'rocket'"),
    ("horizon: 2h", "horizon: 2 hours", "horizon: 2 hours", "horizon is not a duration"),
    ("ahead: 1d", "ahead: soon", "ahead: soon", "ahead is not a duration"),
    ("  test: 60d", "  test: 2 weeks", "test: 2 weeks", "split.test is not a duration"),
    ("      tolerance: 3h", "      tolerance: long", "tolerance: long", "sources.sky.join.tolerance is not a duration"),
    ("      as_of: seen\n", "", "tolerance: 3h", "a tolerance but no time to measure it by"),
    ("{at_most: 1%}", "{at_most: 0.01}", "at_most", "Expected `str`, got `float`"),
    ("{at_most: 1%}", "{at_most: some}", "at_most", "at_most is not a share"),
    ("memory: 2GB", "memory: 2G", "memory: 2G,", "memory is not a size"),
    ("memory: 2GB", "memory: 0GB", "memory: 0GB", "memory is not a size"),
    ("Europe/Amsterdam", "Europe/Amsterdm", "Amsterdm", "timezone is not a time zone"),
    ("    drives: true\n", "", "sources:", "exactly one source drives"),
    ("    known: seen\n", "    known: seen\n    drives: true\n", "sources:", "exactly one source drives"),
    ("    known: ended\n", "", "  trips:", "trips drives, so it says when a record became known"),
    ("    truth: [delay]", "    join: {on: [a]}", "  trips:", "trips drives, so others are joined to it"),
    ("    drives: true", "    drives: offline", "sources:", "Given: online: none"),
    ('offline: "0 2 * * *"', "offline: promotion", "schedule: {", "schedule.offline is no time"),
    ('offline: "0 2 * * *"', "online: nightly", "schedule: {", "schedule.online is no time"),
    ('offline: "0 2 * * *"', "learning: 0 5 * * *", "learning: 0 5", "schedule.learning is for a use case that learns"),
    ("    learn: [train, evaluate]", "    a: [split]\n  learning: {a: [train]}", "learning:", "services.learning is"),
    ("key: trip", "key: trip\nlearning: {test: 0%}", "test: 0%", "learning.test is not a share"),
    ("key: trip", "key: trip\nlearning: {test: 100%}", "test: 100%", "learning.test is not a share"),
    ('offline: "0 2 * * *"', "monitoring: 0 5 * * *", "monitoring: 0", "schedule.monitoring is for a use case that is"),
    ("key: trip", "key: trip\nmonitoring: {window: 30}", "window: 30", "Expected `str`"),
    ("key: trip", "key: trip\nmonitoring: {window: a month}", "window: a month", "monitoring.window is not a duration"),
    ("key: trip", "key: trip\nmonitoring: {mature: most}", "mature: most", "monitoring.mature is not a share"),
    (
        "key: trip",
        "key: trip\nmonitoring: {drift: {psi: {watch: 0.3, act: 0.2}}}",
        "psi: {watch: 0.3, act: 0.2}",
        "drift.psi acts before it watches",
    ),
    ("key: trip", "key: trip\nmonitoring: {notify: {slack: act}}", "slack: act", "names nothing that can be imported"),
    ("key: trip", "key: trip\nmonitoring: {notify: {a.slack: now}}", "slack: now", "Invalid enum value 'now'"),
    ("key: trip", "key: trip\nmonitoring: {rollback: yes}", "rollback: yes", "Invalid enum value 'yes'"),
    ("key: trip", "key: trip\nlearning: {least: 1}", "least: 1", "Expected `int` >= 2"),
    ("    drives: true", "    drives: online", "sources:", "Given: offline: none"),
    ("    known: seen\n", "    known: seen\n    revised: true\n", "  sky:", "sky has revisions, but"),
    ("    truth: [delay]", "    former_keys: old", "  trips:", "trips has revisions, but does not drive offline"),
    ("    join: {on: {tail: tail_number}}\n", "", "  planes:", "planes does not say how it is joined"),
    ("{on: {tail: tail_number}}", "{on: []}", "  planes:", "planes does not say how it is joined"),
    ("    reader: sources.planes\n", "", "  planes:", "planes needs either a reader or from"),
    ("    from: trips\n", "    from: trips\n    reader: x.y\n", "  rate:", "rate needs either a reader or from"),
    ("    from: trips\n", "    from: nowhere\n", "  rate:", "rate is made from a source that is not there"),
    ("    from: trips\n", "    from: rate\n", "  rate:", "rate is made from a source that is not there"),
    ("  by: time", "  by: hash", "validation: 30d", "split.validation is not a share"),
    ("key: trip", "key: trip\nname: other", "name: other", "'name' is not a key here"),
    ("key: trip", "key: trip\nkey: other", "key: other", "'key' stands twice"),
    ("      as_of: seen", "      on: [city]", "on: [city]", "'on' stands twice"),
    ("  sky:\n", "  trips:\n", None, "'trips' stands twice"),
    ("  slices: [town]", "  slices: [town", None, "is not plain YAML"),
    ("key: trip", "\tkey: trip", None, "is not plain YAML"),
    ("key: trip", "key: *unknown", "*unknown", "is not plain YAML"),
    ("key: trip", "key: !!python/name:os.system", "!!python", "is not plain YAML"),
    ("  slices: [town]", "  slices: &a [*a]", "&a [*a]", "a section contains itself"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "guilty", "says"), FAULTS)
def test_the_error_names_the_line_and_what_is_wrong(old: str, new: str, guilty: str | None, says: str) -> None:
    text = changed(old, new)
    error = refused(text)
    assert says in str(error)
    found = re.match(r"pipeline\.yaml of tiny, line (\d+)", str(error))
    assert found, str(error)
    if guilty:
        assert int(found[1]) == line_of(text, guilty), str(error)
    assert error.do


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("  sky:\n", "  trips:\n", 15),
        ("key: trip", "\tkey: trip", 2),
        ("  slices: [town]", "  slices: [town", 41),
    ],
)
def test_lines_that_a_text_does_not_single_out(old: str, new: str, line: int) -> None:
    assert f"line {line}" in str(refused(changed(old, new)))


def test_what_was_given_and_what_was_expected_are_said() -> None:
    error = refused(changed("  test: 60d", "  test: 2 weeks"))
    assert (error.given, error.expected) == ("2 weeks", "a number and a unit, such as 90s, 15min, 2h or 30d")


def test_of_several_sources_the_guilty_one_is_named() -> None:
    for name in ("trips", "sky", "planes"):
        text = changed(f"    reader: sources.{name}\n", f"    reader: sources.{name}\n    colour: blue # {name}\n")
        assert f"line {line_of(text, f'blue # {name}')}:" in str(refused(text))


def test_shares_leave_something_to_train_on() -> None:
    text = changed("  by: time\n  validation: 30d\n  test: 60d", "  by: hash\n  validation: 40%\n  test: 60%")
    error = refused(text)
    assert "validation and test leave nothing to train on" in str(error)
    assert f"line {line_of(text, 'split:')}" in str(error)
    assert parse(text.replace("40%", "39.5%"), "tiny").split.validation == "39.5%"


@pytest.mark.parametrize("text", ["", "# nothing\n", "a list\n", "- 1\n", "null\n", "3\n"])
def test_a_file_without_keys(text: str) -> None:
    with pytest.raises(ConfigError, match=r"pipeline.yaml of tiny holds no keys. Expected: question, key"):
        parse(text, "tiny")


def test_two_documents_are_one_too_many() -> None:
    with pytest.raises(ConfigError, match=r"is not plain YAML"):
        parse(TEXT + "---\n" + TEXT, "tiny")


def test_a_tag_of_python_is_never_obeyed(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    text = changed(
        "key: trip", f'key: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ["{mark}"]]'
    )
    assert "could not determine a constructor for the tag" in str(refused(text))
    assert not mark.exists()


def test_aliases_within_aliases_do_not_explode() -> None:
    layers = "\n".join(f"x{at}: &x{at} [{', '.join([f'*x{at - 1}' if at else 'x'] * 9)}]" for at in range(25))
    assert "'x0' is not a key here" in str(refused(layers + "\n" + TEXT))


class TestParameters:
    def test_a_dotted_key_replaces_a_value_or_adds_one(self) -> None:
        config = parse(TEXT, "tiny", {"split.test": "9d", "seed": 4, "evaluate.floors.brier": 0.1, "services": {}})
        assert (config.split.test, config.split.validation, config.seed) == ("9d", "30d", 4)
        assert config.evaluate.floors == {"roc_auc": 0.68, "log_loss": 0.5, "brier": 0.1}
        assert config.services.offline == {}

    @pytest.mark.parametrize(
        ("key", "value", "says"),
        [
            ("split.test", "soon", "the parameter 'split.test' of tiny: split.test is not a duration. Given: soon"),
            ("split.tets", "9d", "the parameter 'split.tets' of tiny: 'tets' is not a key here"),
            ("sources.sky.drives", True, "exactly one source drives"),
            ("sources.sky.join.on", 3, "the parameter 'sources.sky.join.on' of tiny: Expected"),
            ("evaluate.replicates", 5, "the parameter 'evaluate.replicates' of tiny: Expected `int` >= 20"),
            ("key.more", 1, "the parameter 'key.more' goes through 'key', which is a single value"),
            ("name", "other", "the parameter 'name' of tiny: 'name' is not a key here"),
        ],
    )
    def test_an_error_names_the_parameter_and_not_a_line(self, key: str, value: Any, says: str) -> None:
        assert says in str(refused(TEXT, **{key: value}))


PIPELINES = [TEXT, *(path.read_text(encoding="utf-8") for path in sorted(BUILT_IN.glob("*/pipeline.yaml")))]
VALUES = st.sampled_from(
    ["", " ~", " []", " {}", " 3", " x", " true", " -1.5", " '", " [", " {a: b}", " 2013-01-01", " *a"]
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PIPELINES), st.data())
def test_whatever_is_written_is_a_configuration_or_an_error_in_words(text: str, data: st.DataObject) -> None:
    lines = text.splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    replaced = lines[at].partition(":")[0] + ": " + data.draw(VALUES)
    lines[at : at + 1] = data.draw(st.sampled_from([[], [replaced], [lines[at], lines[at]], ["  " + lines[at]]]))
    try:
        made: UseCaseConfig | str = parse("\n".join(lines), "tiny")
    except ConfigError as error:
        made = str(error)
    assert isinstance(made, UseCaseConfig) or made.startswith("pipeline.yaml of tiny")
