"""The columns that pipeline.yaml names, against those that are there."""

from __future__ import annotations

from collections.abc import Iterable

from ml_pipeline.columns import Columns, kind
from ml_pipeline.config import UseCaseConfig
from ml_pipeline.contract import MODES
from ml_pipeline.errors import SchemaError


def check_records(config: UseCaseConfig, source: str, columns: Columns) -> None:
    """Whether a source's records, with what is added to them, have what is asked of them before they are prepared.

    Raises:
        SchemaError: a name of `truth`, `known` or `time` is no column, or one that says when holds no moments.
    """
    own = config.sources[source]
    for truth in own.truth:
        _require(truth, f"truth of {source}", columns, "correct the name in truth")
    by_time = own.drives_in("online") or (own.drives and not own.known)
    moments = {"known": own.known, "time": config.time if by_time else None}
    for key, name in moments.items():
        if name:
            do = f"correct {key} in pipeline.yaml, or add the column with `adds` in sources.py"
            _require(name, key, columns, do)
            _require_moments(name, key, columns)


def check_prepared(config: UseCaseConfig, source: str, columns: Columns) -> None:
    """Whether a driving source's preparation keeps `key` (as text) and `time`, and offline `label`.

    Raises:
        SchemaError: it does not.
    """
    driving = {mode for mode in MODES if config.sources[source].drives_in(mode)}
    wanted = {"key": config.key, "time": config.time, **({"label": config.label} if "offline" in driving else {})}
    for key, name in wanted.items() if driving else ():
        do = f"let the preparation keep it, or correct {key} in pipeline.yaml"
        _require(name, key, columns, do)
    if driving:
        _require_moments(config.time, "time", columns)
    if driving and kind(columns[config.key]) != "category":
        raise SchemaError(f"the key {config.key!r} is no text", do="make it a string in sources.py")


def _require(name: str, what: str, columns: Iterable[str], do: str) -> None:
    if name not in columns:
        raise SchemaError(
            f"there is no column {name!r}, which pipeline.yaml calls {what}", given=", ".join(columns), do=do
        )


def _require_moments(name: str, key: str, columns: Columns) -> None:
    if kind(columns[name]) != "time":
        raise SchemaError(
            f"the column {name!r}, which pipeline.yaml calls {key}, holds no moments",
            given=f"a {kind(columns[name])} column",
            expected="a column of moments",
            do=f"make it a timestamp in sources.py, or name another column as {key}",
        )
