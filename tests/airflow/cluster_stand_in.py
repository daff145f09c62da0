"""A stand-in for a Kubernetes cluster: the few calls of its API that stages need, and pods that are local processes.

It is no cluster: nothing is scheduled, pulled, mounted or bounded. What is real is the HTTP between it and the client,
and the program that a pod runs, which really starts, speaks, ends and is killed.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

PROGRAM = Path(__file__).with_name("stand_in.py")
PODS = re.compile(r"/api/v1/namespaces/(?P<namespace>[^/]+)/pods(?:/(?P<name>[^/]+)(?P<log>/log)?)?")


class Pod:
    """One pod: what was asked for, and the process that runs its container; none where it cannot start."""

    def __init__(self, asked: dict[str, Any], *, starts: bool) -> None:
        self.asked, self.lines = asked, list[str]()
        self.deleted, self.reason, self.evicted = "", "", False
        container = asked["spec"]["containers"][0]
        environment = {one["name"]: one["value"].replace("$$", "$") for one in container["env"]}
        self.process: subprocess.Popen[str] | None = None
        if starts:
            self.process = subprocess.Popen(
                [sys.executable, str(PROGRAM), *(one.replace("$$", "$") for one in container["args"])],
                env={"PATH": os.environ["PATH"], **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            self.reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
            self.reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        with process.stdout as said:
            for line in said:
                self.lines.append(f"{dt.datetime.now(dt.UTC).isoformat()[:26]}000Z {line}")

    def told(self) -> dict[str, Any]:
        """As the API tells it."""
        metadata = {**self.asked["metadata"], "uid": "0", "creationTimestamp": "2024-01-01T00:00:00Z"}
        metadata |= {"deletionTimestamp": self.deleted} if self.deleted else {}
        return {**self.asked, "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": self._status()}

    def _status(self) -> dict[str, Any]:
        if self.evicted:
            return {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory"}
        code = self.process.poll() if self.process else None
        state: dict[str, Any] = {"running": {}}
        phase = "Running"
        if not self.process:
            phase, state = "Pending", {"waiting": {"reason": "ErrImagePull", "message": "there is no such image"}}
        elif code is not None:
            code = 128 - code if code < 0 else code
            phase = "Failed" if code else "Succeeded"
            state = {"terminated": {"exitCode": code, "reason": self.reason or ("Error" if code else "Completed")}}
        common = {"name": "base", "image": "", "imageID": "", "ready": False, "restartCount": 0}
        return {"phase": phase, "containerStatuses": [{**common, "state": state}]}

    def end(self, grace: float) -> None:
        """SIGTERM, then SIGKILL."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(grace)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGKILL)
                self.process.wait()


class ClusterStandIn(ThreadingHTTPServer):
    """The server; `pods` by name, and `made`, all that were ever asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Calls)
        self.pods: dict[str, Pod] = {}
        self.made: list[dict[str, Any]] = []
        self.refuses: tuple[int, str] | None = None
        self.pulls = True

    def at_work(self) -> list[str]:
        """Names of pods whose process runs."""
        return [name for name, pod in self.pods.items() if pod.process and pod.process.poll() is None]

    def delete(self, name: str, grace: float) -> None:
        """As a cluster does: the pod is there until its container has ended."""
        pod = self.pods[name]
        pod.deleted = "2024-01-01T00:00:00Z"

        def go() -> None:
            pod.end(grace)
            self.pods.pop(name, None)

        threading.Thread(target=go, daemon=True).start()


class _Calls(BaseHTTPRequestHandler):
    server: ClusterStandIn

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = asked["metadata"]["name"]
        if self.server.refuses:
            return self._fail(*self.server.refuses)
        if name in self.server.pods:
            return self._fail(409, "AlreadyExists")
        self.server.made.append(asked)
        self.server.pods[name] = pod = Pod(asked, starts=self.server.pulls)
        return self._answer(201, pod.told())

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        found = PODS.fullmatch(address.path)
        assert found, self.path
        pod = self.server.pods.get(found["name"] or "")
        if not pod:
            return self._fail(404, "NotFound")
        if not found["log"]:
            return self._answer(200, pod.told())
        return self._log(pod, follow=parse_qs(address.query).get("follow") == ["True"])

    def do_DELETE(self) -> None:
        address = urlsplit(self.path)
        found = PODS.fullmatch(address.path)
        assert found
        pod = self.server.pods.get(found["name"])
        if not pod:
            return self._fail(404, "NotFound")
        grace = float(parse_qs(address.query).get("gracePeriodSeconds", ["30"])[0])
        self.server.delete(found["name"], grace)
        return self._answer(200, pod.told())

    def _log(self, pod: Pod, *, follow: bool) -> None:
        if not pod.process:
            return self._fail(400, "container is waiting to start")
        self.send_response(200)
        self.end_headers()  # the end of a log is the end of the connection
        at = 0
        while True:
            over = not pod.reader.is_alive()
            for line in pod.lines[at:]:
                self.wfile.write(line.encode())
                at += 1
            self.wfile.flush()
            if over or not follow:
                return None
            time.sleep(0.05)

    def _fail(self, code: int, reason: str) -> None:
        self._answer(code, {"kind": "Status", "status": "Failure", "reason": reason, "code": code})

    def _answer(self, code: int, told: dict[str, Any]) -> None:
        body = json.dumps(told).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def cluster_stand_in(folder: Path) -> Iterator[ClusterStandIn]:
    """One at work, and in `folder` a file `kubeconfig` that leads to it."""
    with ClusterStandIn() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "stand-in",
            "clusters": [{"name": "stand-in", "cluster": {"server": address}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "stand-in", "context": {"cluster": "stand-in", "user": "nobody"}}],
        }
        (folder / "kubeconfig").write_text(yaml.safe_dump(config))
        yield server
        for pod in list(server.pods.values()):
            pod.end(0)
        server.shutdown()
