"""`make up` for real: both DAGs by REST and by hand, on both executors, the online service, and what nobody may see."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

import pytest

from containers import stack_health
from ml_pipeline.api import tokens
from tests.airflow_site import PATIENCE, wait
from tests.stack.conftest import AS_OF, NAME, PROJECT, Stack, post

OFFLINE, ONLINE = f"{NAME}.offline_training", f"{NAME}.online_scoring"
PUBLISHED = {"api-server", "online", "store"}
RECORD = {
    "visit": "v9",
    "came_at": f"{AS_OF}T10:00:00Z",
    "device": "phone",
    "came_from": "mail",
    "pages": "5",
    "basket": "9.5",
}
SWITCHES = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
ASKED = """
import sys, urllib.request, urllib.error
for line in sys.argv[1:]:
    method, path = line.split()
    try:
        print(urllib.request.urlopen(urllib.request.Request("http://proxy:2375" + path, method=method)).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""

pytestmark = [pytest.mark.airflow, pytest.mark.browser, pytest.mark.containers]


def test_both_dags_run_by_rest(running: Stack) -> None:
    for dag in (OFFLINE, ONLINE):
        running.unpause(dag)
        order = {"logical_date": None, "conf": {"as_of": AS_OF}}
        run = running.ask(f"/api/v2/dags/{dag}/dagRuns", order)["dag_run_id"]
        tasks = running.finished(dag, run)
        assert {task["state"] for task in tasks.values()} == {"success"}
        assert {task["hostname"] for task in tasks.values()} == {_host(running, "scheduler")}


def test_the_log_of_a_task_is_read_from_the_shared_volume(running: Stack) -> None:
    (run,) = running.runs(ONLINE)
    found = running.ask(f"/api/v2/dags/{ONLINE}/dagRuns/{run}/taskInstances/score/logs/1?full_content=true")
    assert re.search(r"container ml-pipeline-corner-score-\w+", json.dumps(found))


def test_the_online_service_scores_a_record_with_the_model_just_promoted(running: Stack) -> None:
    url, token = f"{running.url('online')}/{NAME}/online/serve?as_of={AS_OF}", running.secret("api_token")
    with pytest.raises(HTTPError) as refused:
        post(url, RECORD)
    with refused.value:
        assert refused.value.code == 401
    answer = post(url, RECORD, token=token)
    assert answer["set_aside"] == []
    (scored,) = answer["predictions"]
    assert 0 < scored["prediction"] < 1
    events = running.ask("/api/v2/assets/events")["asset_events"]
    (promoted,) = (event for event in events if event["uri"].endswith("/champion"))
    assert answer["model_version"] == promoted["extra"]["model_version"]


def test_a_token_that_is_added_counts_at_once(running: Stack) -> None:
    url, file = f"{running.url('online')}/{NAME}/online/serve?as_of={AS_OF}", running.folder / "tokens/tokens.yaml"
    token = tokens.add(file, "deputy", ["score"])

    def let_in() -> bool:
        with suppress(HTTPError):
            return bool(post(url, RECORD, token=token)["predictions"])
        return False

    wait(let_in, PATIENCE, lambda: running.log("online"))


def test_no_secret_is_in_sight_and_no_service_has_more_than_it_needs(running: Stack) -> None:
    secrets = _secrets(running.folder)
    for service, container in running.containers().items():
        seen, host = json.dumps(container.attrs), container.attrs["HostConfig"]
        assert not [secret for secret in secrets if secret in seen], service
        assert container.attrs["Config"]["User"].split(":")[0] not in ("", "0", "root"), service
        assert (host["Privileged"], host["ReadonlyRootfs"], host["CapDrop"]) == (False, True, ["ALL"]), service
        assert [option.startswith("no-new-privileges") for option in host["SecurityOpt"]] == [True], service
        assert min(host["Memory"], host["NanoCpus"], host["PidsLimit"]) > 0, service
        assert host["RestartPolicy"]["Name"] == ("no" if service == "prepare" else "unless-stopped"), service
        assert ("docker.sock" in json.dumps(container.attrs["Mounts"])) == (service == "proxy"), service


def test_nothing_is_published_beyond_loopback(running: Stack) -> None:
    bound = {
        service: [own for ports in one.ports.values() for own in ports or ()]
        for service, one in running.containers().items()
    }
    assert {service for service, own in bound.items() if own} == PUBLISHED
    assert {own["HostIp"] for ports in bound.values() for own in ports} == {"127.0.0.1"}


def test_the_proxy_lets_through_what_stages_need_and_nothing_else(running: Stack) -> None:
    engine = running.client.version()["ApiVersion"]
    let_through = ["GET /_ping", "GET /version", f"GET /v{engine}/info", "GET /images/ml-pipeline/serve:latest/json"]
    refused = [
        "GET /containers/json",
        "POST /containers/x/exec",
        "POST /containers/x/kill",
        "PUT /containers/x/archive",
        "POST /build",
        "GET /volumes",
        "GET /secrets",
        "GET /swarm",
        "GET /networks",
        "DELETE /images/ml-pipeline/serve:latest",
        f"GET /v{engine}//containers/json",
        "GET /containers/x/../../volumes",
        "GET /containers/%2e%2e/volumes",
    ]
    assert _through_the_proxy(running, let_through) == ["200"] * len(let_through)
    assert _through_the_proxy(running, refused) == ["403"] * len(refused)
    unknown = ["GET /containers/nobody/json", "POST /containers/nobody/start", "DELETE /containers/nobody"]
    assert _through_the_proxy(running, unknown) == ["404"] * len(unknown)


def test_what_runs_no_tasks_does_not_reach_the_engine(running: Stack) -> None:
    with_engine = {name for name, own in running.containers().items() if f"{PROJECT}_engine" in _networks(own)}
    assert with_engine == {"proxy", "scheduler"}


def test_workers_take_over_and_a_person_triggers_both_dags(running: Stack, tmp_path: Path) -> None:
    running.command("up", "--celery")
    for dag in (OFFLINE, ONLINE):
        run = _trigger(running, dag, tmp_path)
        tasks = running.finished(dag, run)
        assert {task["state"] for task in tasks.values()} == {"success"}
        assert {task["hostname"] for task in tasks.values()} == {_host(running, "worker")}
        assert running.ask(f"/api/v2/dags/{dag}/dagRuns/{run}")["conf"]["as_of"] == AS_OF


def test_nothing_is_left(running: Stack) -> None:
    running.command("down", "--volumes")
    client, ours = running.client, {"label": f"{stack_health.PROJECT}={PROJECT}"}
    assert client.containers.list(all=True, ignore_removed=True, filters=ours) == []
    assert client.networks.list(filters=ours) == []
    assert client.volumes.list(filters=ours) == []
    assert list((running.folder / "handover").iterdir()) == []


def _trigger(running: Stack, dag: str, folder: Path) -> str:
    """A run as a person orders it, in a browser, to its green end; pictures go into the folder. The run's id."""
    from playwright.sync_api import sync_playwright

    browser_path, url = shutil.which("chromium"), running.url("api-server")
    assert browser_path, "a browser is needed: install Debian's chromium"
    known = set(running.runs(dag))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=SWITCHES)
        page: Any = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(f"{url}/dags/{dag}")
        page.fill("input[name=username]", "admin")
        page.fill("input[name=password]", running.password)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Trigger").first.click()
        page.fill("#element_as_of", AS_OF)
        page.screenshot(path=folder / f"{dag}.form.png")
        page.get_by_role("dialog").get_by_role("button", name="Trigger").click()
        wait(lambda: len(running.runs(dag)) > len(known), PATIENCE, lambda: running.log("api-server"))
        (run,) = set(running.runs(dag)) - known
        tasks = running.finished(dag, run)
        page.goto(f"{url}/dags/{dag}/runs/{quote(run)}")
        page.get_by_text("Success", exact=True).nth(len(tasks)).wait_for()  # the run and all its tasks
        page.screenshot(path=folder / f"{dag}.run.png")
        browser.close()
    return run


def _secrets(folder: Path) -> set[str]:
    """All that is random in the files of secrets."""
    files = [*(folder / "secrets").iterdir(), *(folder / "tokens").iterdir(), folder / "api_token"]
    found = {word for file in files for word in re.findall(r"[\w=-]{20,}", file.read_text())}
    return {word for word in found if re.search(r"\d", word)}


def _networks(container: Any) -> dict[str, Any]:
    found: dict[str, Any] = container.attrs["NetworkSettings"]["Networks"]
    return found


def _host(running: Stack, service: str) -> str:
    return str(running.containers()[service].attrs["Config"]["Hostname"])


def _through_the_proxy(running: Stack, requests: list[str]) -> list[str]:
    """Status codes, as the scheduler gets them."""
    asked = running.containers()["scheduler"].exec_run(["python", "-c", ASKED, *requests])
    return str(asked.output.decode()).split()
