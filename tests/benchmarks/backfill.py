"""A month of as-of dates, trained after the fact by Airflow's own backfill under a real scheduler.

    make bench-backfill

The use case is that of the scaffold, whose records are made up. Says how many models there are, what became of the
live champion, whether the oldest model can be made again to the byte, and what a backfill that may promote does.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.airflow_site import PATIENCE, wait
from tests.shop_site import OFFLINE, Site, day, site_of_shop

DAYS = 30
OLDEST = DAYS + 2
"""Days ago, of the first day of the month."""
WITH_PROMOTION = ("--dag-run-conf", json.dumps({"promote": True}), "--reprocess-behavior", "completed")


def main() -> None:
    """One champion, a month beside it, the oldest model again, then one day that may promote."""
    with tempfile.TemporaryDirectory() as folder, site_of_shop(Path(folder)) as site:
        wait(lambda: bool(site.runs(OFFLINE)), PATIENCE, lambda: "no run was due")
        run = site.runs(OFFLINE)[0]["dag_run_id"]
        site.answer(run, "Approve", "the first one")
        site.finished(run)
        print(f"champion before: {_champion(site)}")
        _month(site)
        print(f"champion after: {_champion(site)}, {_promotions(site)}")
        _again(site)
        _promoting(site)


def _month(site: Site) -> None:
    began = time.monotonic()
    runs = site.backfill(day(OLDEST), day(OLDEST - DAYS + 1))
    wait(lambda: all(run["state"] == "success" for run in _backfilled(site)), 1800, lambda: str(_backfilled(site)))
    seconds = time.monotonic() - began
    states = Counter((task, state) for run in runs for task, state in site.states(run).items())
    print(f"{len(runs)} runs in {seconds:.0f} s, {seconds / len(runs):.1f} s each")
    print(f"{len(site.stored('models/*/model.yaml'))} models in all;", ", ".join(map(str, states.items())))


def _again(site: Site) -> None:
    oldest = min(site.models("list", "shop"), key=lambda model: model["as_of"])
    began = time.monotonic()
    found = site.models("reproduce", "shop", oldest["version"])
    print(f"{oldest['version']}, as of {oldest['as_of']}: {found['outcome']}, in {time.monotonic() - began:.1f} s")


def _promoting(site: Site) -> None:
    site.backfill(day(OLDEST), day(OLDEST), *WITH_PROMOTION)
    (run,) = (run["dag_run_id"] for run in _backfilled(site) if run["state"] != "success")
    site.answer(run, "Approve", "as it was a month ago")
    print(f"with promote: {site.finished(run)['promote']}, {_promotions(site)}")


def _backfilled(site: Site) -> list[dict[str, Any]]:
    return [run for run in site.runs(OFFLINE) if run["run_type"] == "backfill"]


def _champion(site: Site) -> str:
    return str(site.models("show", "shop", "champion")["version"])


def _promotions(site: Site) -> str:
    return f"{len(site.stored('promotions/*'))} promotions, {len(site.events())} events of the asset"


if __name__ == "__main__":
    main()
