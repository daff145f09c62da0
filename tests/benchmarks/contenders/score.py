"""The peers that predict every event's probability, from Parquet to Parquet, with coefficients read from a file."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks import data, judging
from tests.benchmarks.contenders.duck import LEVEL, connection
from tests.benchmarks.contenders.matrix import places
from tests.benchmarks.judging import Judge, Place, Work

IDENTITY = (data.KEY, data.TIME, "moment")
VERSION = "known-truth"
SCORE = """
copy (
    select e.event, e.at, e.moment, 1 / (1 + exp(-({terms}))) as prediction, '{version}' as model_version
    from read_parquet({events}) e {joins}
) to '{output}' (format parquet, compression zstd, compression_level {level})
"""


def scikit_learn(place: Place) -> Work:
    """A pipeline of one-hot columns and numbers, on a frame."""
    import joblib
    import pandas as pd

    model = _aside(place) / "model.joblib"
    joblib.dump(_pipeline(), model)

    def work() -> Judge:
        frame = pd.read_parquet(data.files(place.data, "events"), columns=[*IDENTITY, *data.NUMBERS, *data.LEVELS])
        predicted = frame[list(IDENTITY)].assign(
            prediction=joblib.load(model).predict_proba(frame)[:, 1], model_version=VERSION
        )
        predicted.to_parquet(place.output / "scored.parquet", compression="zstd", index=False)
        return _judge(place)

    return work


def polars(place: Place) -> Work:
    """An expression: the coefficient of a level by its word, lazily, on the streaming engine."""
    import polars as pl

    for name, table in _tables().items():
        pq.write_table(table, _aside(place) / f"{name}.parquet")

    def work() -> Judge:
        z: Any = pl.lit(data.truth().bias)
        for name, theta in zip(data.NUMBERS, data.truth().numbers.tolist(), strict=True):
            z = z + pl.col(name) * theta
        lazy = pl.scan_parquet(data.files(place.data, "events"))
        for name in data.LEVELS:
            table = pl.read_parquet(_aside(place) / f"{name}.parquet")
            z = z + pl.col(name).replace_strict(table["level"], table["theta"], default=0.0, return_dtype=pl.Float64)
        lazy.select(*IDENTITY, (1 / (1 + (-z).exp())).alias("prediction"), model_version=pl.lit(VERSION)).sink_parquet(
            place.output / "scored.parquet", compression="zstd", compression_level=LEVEL, engine="streaming"
        )
        return _judge(place)

    return work


def duckdb(place: Place) -> Work:
    """One statement, with a join for each category."""
    for name, table in _tables().items():
        pq.write_table(table, _aside(place) / f"{name}.parquet")
    joins = " ".join(
        f"left join read_parquet('{_aside(place) / name}.parquet') {name} on e.{name} = {name}.level"
        for name in data.LEVELS
    )
    numbers = zip(data.NUMBERS, data.truth().numbers.tolist(), strict=True)
    products = [f"{name} * {theta!r}::double" for name, theta in numbers]
    terms = " + ".join([repr(data.truth().bias), *products, *(f"coalesce({name}.theta, 0)" for name in data.LEVELS)])
    events, output = [str(path) for path in data.files(place.data, "events")], place.output / "scored.parquet"
    statement = SCORE.format(terms=terms, version=VERSION, events=events, joins=joins, output=output, level=LEVEL)

    def work() -> Judge:
        connection().execute(statement)
        return _judge(place)

    return work


def onnx_runtime(place: Place) -> Work:
    """A graph of a product and a gather for each category, batch by batch; a level's place is found by Arrow."""
    import onnxruntime

    model = _aside(place) / "model.onnx"
    model.write_bytes(_graph())

    def work() -> Judge:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(model), options, ["CPUExecutionProvider"])
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            for _ in pool.map(partial(_run, session, place.output), data.files(place.data, "events")):
                pass
        return _judge(place)

    return work


def _aside(place: Place) -> Path:
    """Where the coefficients are."""
    folder = place.output / "model"
    folder.mkdir(exist_ok=True)
    return folder


def _judge(place: Place) -> Judge:
    return partial(judging.scored, judging.parts(place.output), place)


def _tables() -> dict[str, pa.Table]:
    """Per category its levels and their coefficients."""
    levels = data.truth().levels
    return {name: pa.table({"level": data.words(name), "theta": theta}) for name, theta in levels.items()}


def _pipeline() -> Any:
    """A scikit-learn model that has the coefficients without learning them."""
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    own, names = data.truth(), list(data.LEVELS)
    encoder = OneHotEncoder(categories=[list(data.words(name)) for name in names], handle_unknown="ignore")
    columns = ColumnTransformer([("numbers", "passthrough", list(data.NUMBERS)), ("levels", encoder, names)])
    row = {**dict.fromkeys(data.NUMBERS, 0.0), **{name: data.words(name)[0] for name in names}}
    columns.fit(pd.DataFrame([row]))
    model = LogisticRegression()
    model.classes_, model.intercept_ = np.array([0.0, 1.0]), np.array([own.bias])
    model.coef_ = np.concatenate([own.numbers, *(own.levels[name] for name in names)])[None]
    return make_pipeline(columns, model)


def _graph() -> bytes:
    """An ONNX model of doubles: numbers of shape (rows, 20), and an integer per row for each category."""
    from onnx import TensorProto, checker, helper, numpy_helper

    own, names = data.truth(), list(data.LEVELS)
    weights = {"theta": own.numbers[:, None], "bias": np.array([own.bias]), "axis": np.array([1])}
    weights |= {f"{name} theta": own.levels[name] for name in names}
    terms = ["dense", *(f"{name} term" for name in names)]
    nodes = [
        helper.make_node("MatMul", ["numbers", "theta"], ["product"]),
        helper.make_node("Squeeze", ["product", "axis"], ["dense"]),
        *(helper.make_node("Gather", [f"{name} theta", name], [f"{name} term"]) for name in names),
        *(
            helper.make_node("Add", [left, right], [f"sum {place}"])
            for place, (left, right) in enumerate(
                zip(["bias", *(f"sum {n}" for n in range(len(names)))], terms, strict=True)
            )
        ),
        helper.make_node("Sigmoid", [f"sum {len(names)}"], ["probability"]),
    ]
    inputs = [helper.make_tensor_value_info("numbers", TensorProto.DOUBLE, [None, len(data.NUMBERS)])]
    inputs += [helper.make_tensor_value_info(name, TensorProto.INT32, [None]) for name in names]
    outputs = [helper.make_tensor_value_info("probability", TensorProto.DOUBLE, [None])]
    known = [numpy_helper.from_array(values, name) for name, values in weights.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "events", inputs, outputs, known), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    checker.check_model(model)
    return model.SerializeToString()


def _run(session: Any, output: Path, path: Path) -> None:
    table = pq.ParquetFile(path, pre_buffer=False).read(
        columns=[*IDENTITY, *data.NUMBERS, *data.LEVELS], use_threads=False
    )
    x = np.stack([table.column(name).to_numpy() for name in data.NUMBERS], axis=1)
    codes = {name: places(table, name) for name in data.LEVELS}
    (prediction,) = session.run(None, {"numbers": x, **codes})
    versions = pa.array([VERSION], pa.string()).dictionary_encode().take(pa.array(np.zeros(len(table), np.int32)))
    predicted = table.select(IDENTITY).append_column("prediction", [prediction]).append_column("version", [versions])
    pq.write_table(predicted, output / path.name, compression="zstd", use_dictionary=[data.KEY, "version"])
