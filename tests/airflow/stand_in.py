"""A program that keeps the stage contract towards Airflow and does nothing else; `STAND_IN` says how it behaves."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import sys
import time

METRICS = {"metrics": {"roc_auc": {"value": 0.7}, "brier": {"value": 0.2}}}
FAILURES = {
    "nothing": (99, "NothingToDo", "no new records"),
    "usage": (2, "UsageError", "there is no such stage"),
    "broken": (70, "PipelineError", "the stage broke"),
}
HOW = os.environ.get("STAND_IN", "done")


def say(level: str, message: str) -> None:
    sys.stderr.write(f"12:00:00 {level} {message}\n")


def leave_results(request: dict, attempt: str) -> None:
    for step in request["stages"]:
        folder = pathlib.Path(request["store"]) / request["use_case"] / "runs" / request["run_id"] / step
        folder.mkdir(parents=True, exist_ok=True)
        result = {key: request[key] for key in ("use_case", "mode", "run_id", "as_of")}
        made = {"name": step, "uri": f"{request['store']}/{step}", "key": step, "digest": "d1", "rows": 3}
        result |= {
            "stage": step,
            "attempt": attempt,
            "status": "done",
            "system_version": "s1",
            "finished": "2013-09-01T05:00:00Z",
            "rows_out": 3,
        }
        result |= {"artifacts": [made], "metrics": probe(request)}
        result |= {"model_version": "m1"} if step in ("train", "evaluate") else {}
        result |= {"verdict": {"passed": HOW != "poor", "reasons": ["It is so."]}} if step == "evaluate" else {}
        result |= promotion(request) if step == "promote" else {}
        (folder / "result.json").write_text(json.dumps(result))


def promotion(request: dict) -> dict:
    """As of a promotion: the entry of the log, and the metrics of the model."""
    room = pathlib.Path(request["store"]) / request["use_case"]
    entry = {"to": "m1", "previous": "m0", "run": request["run_id"], "as_of": request["as_of"]}
    for name, content in {"promotions/000001.yaml": entry, "models/m1/metrics.yaml": METRICS}.items():
        (room / name).parent.mkdir(parents=True, exist_ok=True)
        (room / name).write_text(json.dumps(content))
    made = {"name": "promotion", "uri": "promotions/000001.yaml", "key": "promotions/000001.yaml", "digest": "m1"}
    return {"artifacts": [made], "model_version": "m1", "status": "reused" if HOW == "reused" else "done"}


def probe(request: dict) -> dict:
    """What the stage can see, for the tests to look at."""
    secret = os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "")
    return {
        "request": request,
        "environment": dict(os.environ),
        "uid": os.getuid(),
        "root_writable": os.access("/", os.W_OK),
        "secret": pathlib.Path(secret).read_text() if pathlib.Path(secret).is_file() else "",
    }


def credentials(request: dict) -> str:
    """The credentials that the stage was given, in a file or in a variable."""
    return os.environ.get("AWS_SECRET_ACCESS_KEY") or probe(request)["secret"].split()[-1]


def fail(code: int, error: str, what: str) -> None:
    parts = {"error": error, "what": what, "given": "this", "expected": "that", "do": "mend it", "exit_code": code}
    sys.stderr.write(json.dumps(parts) + "\n")
    sys.exit(code)


def green(*_: object) -> None:
    """Exits 0 when told to stop, as many programs do."""
    say("INFO", "stopping")
    os._exit(0)


def gate(request: dict) -> None:
    """Waits for a file in the use case's part of the store, leaves one for each start, heeds SIGTERM as stages do.

    A polite one ends well when told to stop, as many programs do, and has nothing to show for it.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0 if HOW == "polite" else 143))
    folder = pathlib.Path(request["store"]) / request["use_case"]
    folder.mkdir(exist_ok=True)
    (folder / f"started-{request['attempt']}").touch()
    say("INFO", "waiting at the gate")
    while not (folder / "gate").exists():
        time.sleep(0.05)


def main() -> None:
    assert sys.argv[1] == "stage"
    request = json.loads(sys.argv[2])
    say("INFO", f"hello from {request['stages'][0]}")
    say("WARNING", "a warning")
    if HOW == "hang":
        signal.signal(signal.SIGTERM, green)
        leave_results(request, request["attempt"])
        say("INFO", "hanging")
        time.sleep(60)
    if HOW == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say("INFO", "hanging")
        time.sleep(60)
    if HOW in ("gated", "polite"):
        gate(request)
    if HOW == "leaky":
        secret = probe(request)["secret"]
        say("WARNING", f"the credentials are {secret.split()}")
        fail(70, "PipelineError", f"the stage said {secret.split()[-1]}")
    if HOW in FAILURES:
        fail(*FAILURES[HOW])
    if HOW == "dumb":
        os._exit(7)
    if HOW == "greedy":
        say("INFO", f"{len(bytearray(1 << 32))} bytes taken")
    if HOW != "silent":
        leave_results(request, "of-another-try" if HOW == "stale" else request["attempt"])
    if HOW == "confiding":
        sys.stderr.write(f"{credentials(request)}\n")


main()
