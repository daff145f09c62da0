from __future__ import annotations

import numpy as np

from ml_pipeline.chain import REJECTED, chain, check, keep, run
from ml_pipeline.columns import Category, Floats, Mask
from ml_pipeline.data.rejects import set_apart


@check("too small")
def large(n: Floats) -> Mask:
    return n > 1


def batch() -> dict[str, object]:
    return {
        "n": np.array([1.0, 2.0, np.nan]),
        "w": Category.of(["a", None, "b"]),
        "t": np.array(["2013-01-01", "2013-01-02", "NaT"], "datetime64[us]"),
    }


def test_a_rejected_row_is_kept_as_a_whole_record_with_its_reason() -> None:
    good, rejects = set_apart(run(chain(large, keep("n", "w", "t")), batch()))  # type: ignore[arg-type]
    assert REJECTED not in good
    assert np.asarray(good["n"]).tolist() == [2.0]
    assert [reason for reason, _ in rejects] == ["too small", "too small"]
    first, second = (record for _, record in rejects)
    assert (first["n"], first["w"], first["t"].isoformat()) == (1.0, "a", "2013-01-01T00:00:00")
    assert (second["w"], second["t"]) == ("b", None)


def test_without_checks_every_row_is_good() -> None:
    given = batch()
    good, rejects = set_apart(given)  # type: ignore[arg-type]
    assert good == given
    assert rejects == []
