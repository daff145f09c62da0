"""Stages that are ordered by their routes, one after the other, leave what `ml-pipeline run` leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from ml_pipeline.discovery import find
from ml_pipeline.stages import steps
from tests.api.conftest import Clients
from tests.api_site import Shop, await_true

AS_OF = "2024-06-16"


def ordered(client: httpx.Client, path: str, **asked: Any) -> list[dict[str, Any]]:
    """The results of an order, once it is over."""
    run = client.post(path, json={"as_of": AS_OF, **asked})
    assert run.status_code == 202, run.text

    def over() -> Any:
        said = client.get(run.headers["location"]).json()
        assert said["state"] in ("queued", "running", "done"), said
        return said if said["state"] == "done" else None

    found: list[dict[str, Any]] = await_true(over)["results"]
    return found


def digests(results: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Step, name and digest of all that was left; the promotion's entry says when it was written."""
    return [
        (result["stage"], artifact["name"], artifact["digest"])
        for result in results
        for artifact in result["artifacts"]
        if artifact["name"] != "promotion"
    ]


@pytest.mark.long
def test_rest_and_command_line_leave_the_same(empty_shop: Shop, client_of: Clients, tmp_path: Path) -> None:
    client = client_of(empty_shop.settings())
    for mode in ("offline", "online"):
        asked = ["run", "shop", mode, "--as-of", AS_OF, "--store", tmp_path / "by-command", "--json"]
        by_command = subprocess.Popen([sys.executable, "-m", "ml_pipeline", *asked], stdout=subprocess.PIPE)
        by_rest = []
        for step in steps(find("shop").config, mode):  # type: ignore[arg-type]
            run = {"run_id": f"{mode}-20240616T000000Z"}
            query = f"?run_id={run['run_id']}" if step.name == "serve" else ""
            by_rest += ordered(client, f"/shop/{mode}/{step.name}{query}", **({} if query else run))
        said, _ = by_command.communicate()
        assert by_command.returncode == 0
        assert digests(by_rest) == digests(json.loads(said))
