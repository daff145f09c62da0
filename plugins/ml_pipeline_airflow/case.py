"""The case for a promotion: what a person who decides gets to read about a candidate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ml_pipeline.artifacts.registry import Registry
from ml_pipeline.artifacts.store import Store
from ml_pipeline.contract import StageResult, run_key

Metrics = Mapping[str, Mapping[str, float]]


class Case(NamedTuple):
    """A candidate, what evaluation found about it, who is champion meanwhile, where its report lies, and why it was
    taken back where it was champion before."""

    result: StageResult
    found: Mapping[str, Any]
    champion: str
    report: str
    taken_back: str = ""

    @property
    def version(self) -> str:
        """The candidate's."""
        return self.result.model_version

    @property
    def against(self) -> str:
        """Why nobody need be asked; empty where somebody must."""
        if self.result.verdict is None:
            return " ".join(["There is no verdict.", *self.result.notes])
        if not self.result.verdict["passed"]:
            return f"The verdict on {self.version}: not passed. {' '.join(self.result.verdict['reasons'])}"
        return f"{self.version} is champion already." if self.version == self.champion else ""


def find(store: str, use_case: str, run_id: str) -> Case:
    """What the evaluation of a run left.

    Raises:
        StoreError: it is not there.
    """
    import msgspec

    room = Store(store).within(use_case)
    registry = Registry(room)
    result = msgspec.json.decode(room.get(run_key(run_id, "evaluate")), type=StageResult)
    version = result.model_version
    if not version:
        return Case(result, {}, registry.champion(), "")
    report = room.address(registry.key(version, "report.html"))
    back = registry.log.taken_back(version)
    return Case(result, registry.metrics(version), registry.champion(), report, back.reason if back else "")


def markdown(case: Case) -> str:
    """The verdict in sentences, then what it rests on."""
    verdict = case.result.verdict or {}
    parts = [
        f"**The verdict: {'passed' if verdict.get('passed') else 'not passed'}.**",
        _list(verdict.get("reasons", ())),
        "\n".join(_table(case.found)),
        _list(_facts(case)),
        "Without an answer within a day the champion stays.",
    ]
    return "\n\n".join(parts)


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _facts(case: Case) -> Iterator[str]:
    yield f"Candidate: {case.version}, trained on what was known on {case.result.as_of:%Y-%m-%d %H:%M} UTC"
    yield f"Champion: {case.champion or 'none yet'}"
    if case.taken_back:
        yield f"**It was champion before, and was taken back**: {case.taken_back}"
    if case.result.synthetic:
        yield f"**Synthetic data**: records of {', '.join(case.result.synthetic)} are made up"
    yield f"Report: `{case.report}`"


def _table(found: Mapping[str, Any]) -> Iterator[str]:
    """Metrics with their 95 % intervals; the difference is that of both models on the same rows."""
    rows, difference = f"{found['rows']:,} test rows", found["difference"]
    yield f"| {rows} | candidate | champion | difference |" if difference else f"| {rows} | candidate |"
    yield "|---|---|---|---|" if difference else "|---|---|"
    for name, own in found["metrics"].items():
        cells = [name, _cell(own)]
        if difference:
            cells += [_cell(found["champion_metrics"][name]), _cell(difference[name], own)]
        yield f"| {' | '.join(cells)} |"


def _cell(metric: Mapping[str, float], like: Mapping[str, float] | None = None) -> str:
    """Value and interval; those of a difference, with a sign, are written like what differs."""
    from ml_pipeline.models.metric import interval, shown

    sign = like is not None
    return f"{shown(metric, like, sign)} ({interval(metric, like, sign)})"
