"""What is measured: each job, and who does it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["limit", "product", "peer"]


class Contender(NamedTuple):
    """Who does a job: `does` is a module and a function of the folder `contenders`."""

    name: str
    does: str
    kind: Kind


class Job(NamedTuple):
    """What is done side by side.

    `datasets` are those it needs; `shows` are the measures of quality in its table; only a peer whose first measure is
    within `allowance` of the least counts as the best peer. It is done at each of the `sizes`, as shares of the rows.
    """

    title: str
    datasets: tuple[str, ...]
    contenders: tuple[Contender, ...]
    shows: tuple[str, ...] = ()
    allowance: float = 0.0
    rows: int = 2_000_000
    sizes: tuple[float, ...] = (1.0,)


JOBS = {
    "train": Job(
        "Logistic regression of 20 numbers, to the same optimum",
        ("events", "few"),
        (
            Contender("limit: decode", "limits:train", "limit"),
            Contender("ml-pipeline", "product:train", "product"),
            Contender("ml-pipeline, whole stage", "product:train_stage", "product"),
            Contender("glum", "train:glum", "peer"),
            Contender("scikit-learn newton-cholesky", "train:newton_cholesky", "peer"),
            Contender("scikit-learn lbfgs", "train:lbfgs", "peer"),
        ),
        ("distance",),
        1e-5,
    ),
    "wide": Job(
        "Logistic regression of 20 numbers and 11,160 levels",
        ("events", "few", "held-out"),
        (
            Contender("limit: decode", "limits:wide", "limit"),
            Contender("ml-pipeline", "product:wide", "product"),
            Contender("glum", "wide:glum", "peer"),
            Contender("scikit-learn SGD", "wide:sgd", "peer"),
            Contender("scikit-learn lbfgs", "wide:lbfgs", "peer"),
        ),
        ("log loss", "ROC-AUC"),
        1e-3,
    ),
    "combine": Job(
        "The latest of 1,000 stations' readings joined to each event, Parquet to Parquet",
        ("events", "readings", "joined"),
        (
            Contender("limit: read and write", "limits:combine", "limit"),
            Contender("ml-pipeline", "product:combine", "product"),
            Contender("ml-pipeline, on disk", "product:combine_on_disk", "product"),
            Contender("polars", "combine:polars", "peer"),
            Contender("DuckDB", "combine:duckdb", "peer"),
        ),
        ("wrong rows", "MB"),
    ),
    "prepare": Job(
        "A preparation written in pandas, Parquet to Parquet",
        ("raw",),
        (
            Contender("limit: read and write", "limits:prepare", "limit"),
            Contender("ml-pipeline", "product:prepare", "product"),
            Contender("pandas", "prepare:pandas", "peer"),
        ),
        ("check", "MB"),
    ),
    "score": Job(
        "The probability of each event from 20 numbers and 5 categories, Parquet to Parquet",
        ("events",),
        (
            Contender("limit: read and write", "limits:score", "limit"),
            Contender("ml-pipeline", "product:score", "product"),
            Contender("DuckDB", "score:duckdb", "peer"),
            Contender("polars", "score:polars", "peer"),
            Contender("ONNX runtime", "score:onnx_runtime", "peer"),
            Contender("scikit-learn", "score:scikit_learn", "peer"),
        ),
        ("difference", "MB"),
        1e-9,
    ),
    "scale": Job(
        "The logistic regression of 20 numbers at 1, 10 and 100 times the rows",
        ("events", "few"),
        (
            Contender("limit: decode", "limits:train", "limit"),
            Contender("ml-pipeline", "product:train", "product"),
            Contender("ml-pipeline, one worker", "product:train_alone", "product"),
        ),
        rows=100_000_000,
        sizes=(0.01, 0.1, 1.0),
    ),
}
