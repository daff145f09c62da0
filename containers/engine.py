"""A container engine and a base image: `python3 containers/engine.py` gets both, with `--stop` it ends the engine.

What is there already is used. On Debian, root gets the rest: the engine from Debian's packages, and, where no image
registry answers, a base image made from Debian's packages too. Needs nothing but Python.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ml_pipeline.artifacts import process  # noqa: E402

OFFICIAL = "python:3.11-slim-bookworm"
LOCAL = "ml-pipeline-os:bookworm"
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates,tini"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
STATE = ROOT / ".ml-pipeline" / "engine"
START_SECONDS = 60
REGISTRY_SECONDS = 20


class EngineError(Exception):
    """What is missing and what to do, in a sentence."""


def main(arguments: list[str]) -> int:
    """Exit code 0 when engine and base image are there, 1 with a sentence when they cannot be."""
    if arguments not in ([], ["--stop"]):
        print("engine: give no argument, or --stop", file=sys.stderr)
        return 2
    try:
        if arguments:
            say("the engine is stopped" if process.end(STATE, patience=60) else "no engine was started from here")
        else:
            say(engine())
            say(base_image())
    except (EngineError, subprocess.CalledProcessError) as error:
        print(f"engine: {error}", file=sys.stderr)
        return 1
    return 0


def say(line: str) -> None:
    print(f"engine: {line}", flush=True)


def engine() -> str:
    """Have an engine answer; says which one."""
    if answer := version():
        return f"Docker {answer} answers"
    require_debian_and_root()
    install("dockerd", "docker.io", "iptables")
    start()
    return f"Docker {version()} started, log in {(STATE / 'log').relative_to(ROOT)}"


def version() -> str:
    """The version of the engine that answers; empty where none does."""
    if not shutil.which("docker"):
        return ""
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else ""


def require_debian_and_root() -> None:
    """Elsewhere an engine is not ours to install."""
    if sys.platform == "darwin":
        raise EngineError("no engine answers; install and start Docker Desktop or Colima, then run this again")
    if not Path("/etc/debian_version").exists():
        raise EngineError(
            "no engine answers; install Docker Engine as your distribution says, start it, run this again"
        )
    if os.geteuid() != 0:
        raise EngineError(
            "no engine answers to this user; run this as root to install and start one, "
            "or, where one runs, add the user to the group docker"
        )


def install(program: str, *packages: str) -> None:
    """Debian packages, unless their program is there."""
    if shutil.which(program):
        return
    say(f"installing {' '.join(packages)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if subprocess.run(["apt-get", "update", "-qq"], env=quiet, check=False).returncode:
        say("some package source does not answer; going on with the others")
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    subprocess.run(command, env=quiet, check=True, stdout=subprocess.DEVNULL)


def start() -> None:
    """Start the engine: by systemd where it rules, else in the background."""
    say("starting the engine")
    if Path("/run/systemd/system").exists():
        subprocess.run(["systemctl", "start", "docker"], check=True)
    elif process.running(STATE) is None:
        STATE.mkdir(parents=True, exist_ok=True)
        process.spawn(STATE, [shutil.which("dockerd") or "/usr/sbin/dockerd"], os.environ)
    deadline = time.monotonic() + START_SECONDS
    while not version():
        ended = process.running(STATE) is None and not Path("/run/systemd/system").exists()
        if ended or time.monotonic() > deadline:
            last = "\n".join((STATE / "log").read_text().splitlines()[-8:]) if ended else "it does not answer"
            raise EngineError(f"the engine does not start:\n{last}")
        time.sleep(0.5)


def base_image() -> str:
    """Have an image to build on; says which one."""
    for name in (OFFICIAL, LOCAL):
        if present(name):
            return f"base image {name} is there"
    if pulled(OFFICIAL):
        return f"base image {OFFICIAL} pulled"
    say("no image registry answers; making a base image from Debian packages, which takes a minute or two")
    require_debian_and_root()
    install("debootstrap", "debootstrap")
    with tempfile.TemporaryDirectory(prefix="ml-pipeline-os-", dir="/var/tmp") as folder:
        bootstrap(Path(folder))
        variables = trust(Path(folder))
        load(Path(folder), variables)
    return f"base image {LOCAL} made"


def present(image: str) -> bool:
    return subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode == 0


def pulled(image: str) -> bool:
    """Whether it could be pulled. A registry that says nothing for a while is none; a slow one is waited for."""
    ours, theirs = os.pipe()
    with os.fdopen(ours) as said, os.fdopen(theirs, "w") as told:
        pull = subprocess.Popen(["docker", "pull", image], stdout=told, stderr=subprocess.DEVNULL)
        told.close()
        if not select.select([said], [], [], REGISTRY_SECONDS)[0]:
            pull.kill()
        said.read()
    return pull.wait() == 0


def bootstrap(root: Path) -> None:
    """Debian with Python in a folder, without what belongs to this machine or to the packages' journey."""
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        last = (made.stdout + made.stderr).splitlines()[-8:]
        raise EngineError("\n".join(["debootstrap could not make a base image:", *last]))
    for left in ("etc/hostname", "etc/resolv.conf", "etc/machine-id"):
        (root / left).unlink(missing_ok=True)
    for folder in ("var/cache/apt", "var/lib/apt/lists", "var/log"):
        shutil.rmtree(root / folder)
        (root / folder).mkdir()


def trust(root: Path) -> dict[str, str]:
    """Add the authorities that only this machine trusts; the variables by which pip and Python then see them."""
    ours = Path(os.environ.get("SSL_CERT_FILE", f"/{BUNDLE}"))
    extra = sorted(authorities(ours) - authorities(root / BUNDLE)) if ours.is_file() else []
    if not extra:
        return {}
    say(f"adding {len(extra)} certificate authorities of this machine")
    with (root / BUNDLE).open("a") as bundle:
        bundle.writelines(extra)
    return dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT"), f"/{BUNDLE}")


def authorities(bundle: Path) -> set[str]:
    """The certificates of a bundle, each as its text."""
    mark = "-----END CERTIFICATE-----\n"
    parts = bundle.read_text().split(mark)[:-1]
    return {part[part.index("-----BEGIN CERTIFICATE") :] + mark for part in parts}


def load(root: Path, variables: dict[str, str]) -> None:
    """Make the folder an image."""
    changes = [part for name, value in variables.items() for part in ("--change", f"ENV {name}={value}")]
    packed = subprocess.Popen(
        ["tar", "--sort=name", "--numeric-owner", "-C", str(root), "-c", "."], stdout=subprocess.PIPE
    )
    command = ["docker", "import", *changes, "--change", 'CMD ["python3"]', "-", LOCAL]
    with packed:
        subprocess.run(command, stdin=packed.stdout, stdout=subprocess.DEVNULL, check=True)
    if packed.returncode:
        raise EngineError("the base image's files could not be packed")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
