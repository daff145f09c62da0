"""What the types of a pipeline.yaml cannot say: how its keys go together."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo, available_timezones

from ml_pipeline.config import Join, SourceConfig, UseCaseConfig
from ml_pipeline.contract import MODES, Mode
from ml_pipeline.durations import microseconds
from ml_pipeline.errors import ConfigError

METRICS = {
    "probability": ("roc_auc", "average_precision", "log_loss", "brier", "calibration_error"),
    "number": ("rmse", "mae", "r2", "bias"),
    "count": ("deviance", "mae", "rmse", "calibration_ratio"),
    "class": ("log_loss", "accuracy", "balanced_accuracy", "macro_roc_auc", "brier"),
}
"""What a floor can be set for, by what the model predicts; `models.evaluation.JUDGES` compute them."""
DURATION = "a number and a unit, such as 90s, 15min, 2h or 30d"


class BrokenRule(Exception):
    """A rule that a configuration breaks, and the path of the key it is about."""

    def __init__(self, what: str, path: tuple[str, ...], given: object, expected: str) -> None:
        super().__init__(what)
        self.path, self.given, self.expected = path, given, expected


def check_rules(config: UseCaseConfig) -> None:
    """Check all rules.

    Raises:
        BrokenRule: the first that is broken.
    """
    _check_driving(config)
    for name, source in config.sources.items():
        _check_source(config, name, source)
    for key in ("horizon", "ahead", "behind"):
        _check_duration(getattr(config, key), (key,))
    _check_split(config)
    _check_learning(config)
    _check_monitoring(config)
    _check_floors(config)
    if not _is_share(config.quarantine.at_most):
        raise BrokenRule(
            "at_most is not a share", ("quarantine", "at_most"), config.quarantine.at_most, "a share such as 1%"
        )
    _check_schedule(config)
    _check_memory(config)
    if not _is_zone(config.timezone):
        expected = "a name such as Europe/Amsterdam or UTC"
        raise BrokenRule("timezone is not a time zone", ("timezone",), config.timezone, expected)


def _check_driving(config: UseCaseConfig) -> None:
    for mode in MODES:
        drivers = [name for name, source in config.sources.items() if source.drives_in(mode)]
        if len(drivers) != 1:
            given = f"{mode}: {', '.join(drivers) or 'none'}"
            expected = "drives: true on one source, or drives: offline on one and drives: online on another"
            raise BrokenRule("exactly one source drives", ("sources",), given, expected)


def _check_source(config: UseCaseConfig, name: str, source: SourceConfig) -> None:
    path = ("sources", name)
    if bool(source.reader) == bool(source.derived):
        given = "both" if source.reader else "neither"
        raise BrokenRule(f"{name} needs either a reader or from", path, given, "one of them")
    if source.derived and (source.derived not in config.sources or config.sources[source.derived].derived):
        known = ", ".join(other for other, its in config.sources.items() if its.reader)
        raise BrokenRule(f"{name} is made from a source that is not there", path, source.derived, f"one of {known}")
    if source.drives and source.join:
        raise BrokenRule(f"{name} drives, so others are joined to it", path, "a join", "no join")
    if source.drives_in("offline") and not (source.known or source.revised):
        expected = "known: COLUMN, or revised: true to read all of it every time"
        raise BrokenRule(f"{name} drives, so it says when a record became known", path, "no known", expected)
    if (source.revised or source.former_keys) and not (source.drives_in("offline") and source.revised):
        given, expected = f"drives: {source.drives}", "revised: true on the source that drives offline"
        raise BrokenRule(f"{name} has revisions, but does not drive offline", path, given, expected)
    if not source.drives:
        _check_join(name, source.join, path)


def _check_join(name: str, join: Join | None, path: tuple[str, ...]) -> None:
    if join is None or not join.keys:
        raise BrokenRule(
            f"{name} does not say how it is joined", path, "on: []" if join else "no join", "join: {on: [COLUMN]}"
        )
    if join.tolerance is None:
        return
    own = (*path, "join", "tolerance")
    _check_duration(join.tolerance, own)
    if not join.as_of:
        raise BrokenRule(f"{name} has a tolerance but no time to measure it by", own, join.tolerance, "as_of: COLUMN")


def _check_split(config: UseCaseConfig) -> None:
    parts = {key: getattr(config.split, key) for key in ("validation", "test")}
    for key, text in parts.items():
        if config.split.by == "time":
            _check_duration(text, ("split", key))
        elif not _is_share(text):
            raise BrokenRule(f"split.{key} is not a share", ("split", key), text, "a share such as 10%")
    if config.split.by == "hash" and sum(float(text.removesuffix("%")) for text in parts.values()) >= 100:
        raise BrokenRule(
            "validation and test leave nothing to train on", ("split",), " and ".join(parts.values()), "less than 100%"
        )


def _check_learning(config: UseCaseConfig) -> None:
    if not config.learning:
        _refuse_said_of(config, "learning", "learns online")
    elif not _is_share(config.learning.test) or not 0.0 < float(config.learning.test.removesuffix("%")) < 100.0:
        expected = "a share between 0% and 100%, such as 20%"
        raise BrokenRule("learning.test is not a share", ("learning", "test"), config.learning.test, expected)


def _check_monitoring(config: UseCaseConfig) -> None:
    if not config.monitoring:
        _refuse_said_of(config, "monitoring", "is monitored")
        return
    for key in ("window", "cooldown"):
        _check_duration(getattr(config.monitoring, key), ("monitoring", key))
    if not _is_share(config.monitoring.mature):
        path, given = ("monitoring", "mature"), config.monitoring.mature
        raise BrokenRule("monitoring.mature is not a share", path, given, "a share such as 90%")
    for name in config.monitoring.notify:
        if not all(map(str.isidentifier, name.split("."))) or "." not in name:
            what, expected = "monitoring.notify names nothing that can be imported", "a name such as team_alerts.slack"
            raise BrokenRule(what, ("monitoring", "notify", name), name, expected)
    for name in ("psi", "jensen_shannon", "wasserstein", "missing", "new"):
        levels = getattr(config.monitoring.drift, name)
        if levels.watch > levels.act:
            given, expected = f"watch {levels.watch:g}, act {levels.act:g}", "watch at most as large as act"
            raise BrokenRule(f"drift.{name} acts before it watches", ("monitoring", "drift", name), given, expected)


def _refuse_said_of(config: UseCaseConfig, mode: Mode, what: str) -> None:
    """When and how a mode runs is not to be said where there is no such mode."""
    for key in ("schedule", "services"):
        if said := getattr(config, key).of(mode):
            sentence = f"{key}.{mode} is for a use case that {what}"
            raise BrokenRule(sentence, (key, mode), said, f"{mode}: {{}} beside it")


def _check_floors(config: UseCaseConfig) -> None:
    """That they are metrics at all: which kind the model predicts, its code alone says."""
    metrics = tuple(dict.fromkeys(name for names in METRICS.values() for name in names))
    for key in ("floors", "slice_floors"):
        for name in getattr(config.evaluate, key):
            if name not in metrics:
                raise BrokenRule(
                    f"{name} is no metric, so it can have no floor",
                    ("evaluate", key, name),
                    name,
                    f"one of {', '.join(metrics)}",
                )


def _check_duration(text: str, path: tuple[str, ...]) -> None:
    try:
        microseconds(text)
    except ConfigError as error:
        raise BrokenRule(f"{'.'.join(path)} is not a duration", path, text, DURATION) from error


def _check_schedule(config: UseCaseConfig) -> None:
    for mode in config.modes:
        given = config.schedule.of(mode)
        if given and len(given.split()) != 5 and (mode, given) != ("online", "promotion"):
            expected = "a cron expression such as 0 2 * * *" + (", or promotion" if mode == "online" else "")
            raise BrokenRule(f"schedule.{mode} is no time", ("schedule", mode), given, expected)


def _check_memory(config: UseCaseConfig) -> None:
    try:
        _ = config.resources.memory_bytes
    except ConfigError as error:
        raise BrokenRule("memory is not a size", ("resources", "memory"), error.given, error.expected) from error


def _is_zone(name: str) -> bool:
    """A lean image may hold no time zones at all; then the name is taken as it stands."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # what it raises for names that are none
        return not available_timezones()
    return True


def _is_share(text: str) -> bool:
    return re.fullmatch(r"[0-9]+(\.[0-9]+)?%", text) is not None
