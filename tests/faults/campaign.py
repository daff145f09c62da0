"""The campaign: `python -m tests.faults.campaign [--cases 20] [--seed 1] [--only CASE…]`, or `make faults N=… SEED=…`.

In each case a night is struck once, at a random moment, by a fault that is real; then it is run again; then everything
that must be true of the store and the engine is looked at, and what is there is compared with a night that nothing
struck. A seed and a case's number say all that was random; what took how long on a busy machine is not part of it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from ml_pipeline import discovery
from ml_pipeline.artifacts.store import Store
from tests.faults import checks, night, place, use_case
from tests.faults.night import TRIES, Night, Run
from tests.faults.place import Place
from tests.faults.strikes import CLOCK, STRIKES
from tests.faults.table import Case, table
from tests.faults.use_case import NAME

RIVALS = "two at once"
KINDS = (*STRIKES, RIVALS)
UNSTRUCK = "unstruck"
KEPT_CONTAINER = re.compile(r"-try-\d+$")
"""How a container is called that failed, and may be looked at."""
KEPT = Path(__file__).parents[2] / ".ml-pipeline" / "faults"
"""What the workers of a case with findings said."""


class Struck(NamedTuple):
    """The nights of a case that were struck, and how."""

    nights: list[Night]
    how: str


class Campaign:
    """Cases on one place, each in a part of the store of its own."""

    def __init__(self, at: Place, seed: int, patch: pytest.MonkeyPatch) -> None:
        self.at, self.seed, self.patch = at, seed, patch
        self.key = discovery.find(NAME).config.key
        self._store(UNSTRUCK)
        usual = self._night(self._run(UNSTRUCK))
        if not usual.go():
            raise RuntimeError(f"a night fails although nothing strikes it: {usual.tries[-1].outcome}")
        self.usual, self.model = checks.digests(usual.told), usual.tries[-1].outcome["model_version"]
        self.lengths = [one.seconds for one in usual.tries]

    def case(self, number: int) -> Case:
        """One fault, a second run, and what is true then."""
        chance, kind, began = Random(f"{self.seed} {number}"), KINDS[number % len(KINDS)], time.monotonic()
        store = self._store(f"case-{number}")
        struck = self._rivals(number, chance) if kind == RIVALS else self._struck(number, kind, chance)
        self.at.store.ready()
        again = self._night(self._again(struck.nights[0].run, chance), first=1 + TRIES)
        again.go()
        found, ended = self._found(store, struck.nights, again), _ended(struck.nights)
        case = Case(number, kind, struck.how, ended, time.monotonic() - began, found)
        self._tidy(store, number, keep=any(found.values()))
        return case

    def _struck(self, number: int, kind: str, chance: Random) -> Struck:
        target = chance.randrange(len(self.lengths))
        delay = chance.uniform(0.0, 0.9 * self.lengths[target])
        blows: list[Future[str]] = []

        def strike(night: Night) -> str:
            time.sleep(delay)
            return STRIKES[kind](self.at, night, chance)

        def begun(night: Night, which: int) -> None:
            if which == target and not blows:
                blows.append(thread.submit(strike, night))

        with ThreadPoolExecutor(1) as thread:
            night = self._night(self._run(f"struck-{number}", clock=kind == CLOCK), begun=begun)
            night.go()
            how = blows[0].result()
        return Struck([night], f"task {target + 1} after {delay:.1f} s: {how}" if how else "")

    def _rivals(self, number: int, chance: Random) -> Struck:
        nights = [self._night(self._run(f"rival-{number}-{own}")) for own in "ab"]
        apart = chance.uniform(0.0, 2.0)
        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(nights[0].go)
            time.sleep(apart)
            second = threads.submit(nights[1].go)
        first.result(), second.result()
        return Struck(nights, f"{apart:.1f} s apart")

    def _again(self, run: Run, chance: Random) -> Run:
        """All tasks are cleared, or another run is triggered, as of the same day."""
        return run._replace(cleared=1, image=self.at.image) if chance.random() < 0.5 else self._run(f"{run.id}-again")

    def _run(self, name: str, *, clock: bool = False) -> Run:
        return Run(NAME, name, self.at.with_clock if clock else self.at.image)

    def _night(self, run: Run, first: int = 1, begun: Callable[[Night, int], None] = lambda *_: None) -> Night:
        return Night(run, self.at.work, first, begun)

    def _found(self, store: Store, struck: list[Night], again: Night) -> dict[str, list[str]]:
        tries = [one for night in (*struck, again) for one in night.tries]
        return {
            "lost": [*self._lost(again)],
            "half visible": [*checks.half_visible(store)],
            "champion": [*checks.champions(store, self.model)],
            "predictions": [*checks.predictions(store, self.key)],
            "leftovers": [*checks.leftovers(store)],
            "orphans": [*self._orphans(), *([] if any(one.outcome is None for one in tries) else self.at.copies())],
            "false states": [*checks.untrue(store, tries)],
            "gave up": [
                f"{one.order.name}: {one.outcome}" for one in (night.tries[-1] for night in struck) if not one.green
            ],
            "red, though done": [one.order.name for one in tries if not (one.green or one.owes)],
        }

    def _lost(self, again: Night) -> Iterator[str]:
        if not again.green:
            yield f"{again.tries[-1].order.name}: {again.tries[-1].outcome}"
        left = checks.digests(again.told)
        for key, digest in self.usual.items():
            if left.get(key) != digest:
                yield f"{key}: {left.get(key)}, not {digest}"

    def _orphans(self) -> Iterator[str]:
        """Containers that nobody looks after."""
        for own, name in self.at.engine.stages(running=False).items():
            if not KEPT_CONTAINER.search(name) or self.at.engine.process(own):
                yield name

    def _store(self, name: str) -> Store:
        uri = f"{self.at.store.endpoint.uri}/{name}"
        self.patch.setenv("ML_PIPELINE_STORE", uri)
        return Store(uri).within(NAME)

    def _tidy(self, store: Store, number: int, *, keep: bool) -> None:
        """What the case left; what its workers said is kept where it is wanted."""
        for key in store.keys(""):
            store.delete(key)
        self.at.engine.remove(*self.at.engine.stages(running=False))
        if keep:
            shutil.copytree(self.at.work, KEPT / str(number), dirs_exist_ok=True)
        shutil.rmtree(self.at.work)
        self.at.work.mkdir()


@contextmanager
def campaign(seed: int) -> Iterator[Campaign]:
    """One that is ready to begin; everything it started is gone afterwards, and the environment is as before."""
    with (
        tempfile.TemporaryDirectory(prefix="ml-pipeline-faults-", dir="/var/tmp") as name,
        pytest.MonkeyPatch.context() as patch,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        ready = night.FORKS.Process(target=night.ready)
        ready.start()
        patch.setenv(discovery.FOLDERS, str(use_case.make(folder)))
        discovery._packages.cache_clear()  # where others have looked before
        with use_case.image() as image, place.at(folder, image) as at:
            for variable, value in at.environment.items():
                patch.setenv(variable, value)
            ready.join()
            yield Campaign(at, seed, patch)
    discovery._packages.cache_clear()


def main(words: Sequence[str]) -> int:
    """Exit code 0 where nothing is wrong after any case; one that is interrupted says what it has found so far."""
    parser = argparse.ArgumentParser(description="Real faults at random moments, and what is true afterwards.")
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of cases to repeat")
    asked = parser.parse_args(words)
    cases: list[Case] = []
    with suppress(KeyboardInterrupt), campaign(asked.seed) as own:
        for number in asked.only or range(asked.cases):
            cases.append(own.case(number))
            print(cases[-1], flush=True)
    print(table(cases))
    return 1 if any(case.wrong for case in cases) else 0


def _ended(nights: Sequence[Night]) -> str:
    if not all(night.green for night in nights):
        return "run again"
    return "went on" if all(one.green for night in nights for one in night.tries) else "tried again"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
