from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.chain import (
    REJECTED,
    Chain,
    Link,
    Preparation,
    chain,
    check,
    check_links,
    frame,
    keep,
    only,
    run,
    split_rejected,
    writes,
)
from ml_pipeline.columns import Category, Columns, Floats, Mask, Times
from ml_pipeline.errors import ChainError
from ml_pipeline.models import Cyclic, Impute, Levels, LogisticRegression, Standardise
from ml_pipeline.templates import Parameters


def total(a: Floats, b: Floats) -> Floats:
    return a + b


def doubled(total: Floats) -> Floats:
    return 2 * total


def batch(rows: int = 3) -> dict[str, Any]:
    return {"a": np.arange(rows, dtype=np.float64), "b": np.ones(rows), "word": Category.of(["x"] * rows)}


class TestLinks:
    def test_the_signature_says_what_a_function_reads_and_its_name_what_it_gives(self) -> None:
        link = Link.of(total)
        assert (link.name, link.reads, link.writes) == ("total", ("a", "b"), ("total",))

    def test_functions_run_in_order_and_each_sees_what_those_before_it_made(self) -> None:
        assert run(chain(total, doubled, keep("doubled")), batch())["doubled"].tolist() == [2, 4, 6]  # type: ignore[union-attr]

    def test_a_link_makes_a_new_batch_and_leaves_the_given_one(self) -> None:
        given = batch()
        before = dict(given)
        run(chain(total), given)
        assert given == before

    def test_a_function_may_give_several_columns_as_a_tuple_or_a_mapping(self) -> None:
        @writes("low", "high")
        def both(a: Floats) -> tuple[Floats, Floats]:
            return a - 1, a + 1

        @writes("low", "high")
        def named(a: Floats) -> dict[str, Floats]:
            return {"high": a + 1, "low": a - 1, "unasked": a}

        for function in (both, named):
            made = run(chain(function, keep("low", "high")), batch())
            assert {name: np.asarray(column).tolist() for name, column in made.items()} == {
                "low": [-1, 0, 1],
                "high": [1, 2, 3],
            }

    def test_a_column_with_a_default_is_given_where_it_is_there(self) -> None:
        def more(a: Floats, extra: Floats | float = 10.0) -> Floats:
            return a + extra

        assert run(chain(more), batch())["more"].tolist() == [10, 11, 12]  # type: ignore[union-attr]
        with_extra = {**batch(), "extra": np.full(3, 5.0)}
        assert run(chain(more), with_extra)["more"].tolist() == [5, 6, 7]  # type: ignore[union-attr]

    def test_numbers_of_any_width_become_float64_and_moments_microseconds(self) -> None:
        def flag(a: Floats) -> Mask:
            return a > 1

        def day(a: Floats) -> Any:
            return a.astype(np.int64).astype("datetime64[D]")

        def small(a: Floats) -> Any:
            return a.astype(np.int8)

        made = run(chain(flag, day, small), batch())
        assert [made[name].dtype for name in ("flag", "day", "small")] == ["f8", "M8[us]", "f8"]  # type: ignore[union-attr]
        assert made["flag"].tolist() == [0.0, 0.0, 1.0]  # type: ignore[union-attr]

    @given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20), st.integers(0, 19))
    def test_a_row_does_not_depend_on_the_batch_it_comes_in(self, values: list[float], at: int) -> None:
        at %= len(values)
        whole = {"a": np.array(values), "b": np.array(values[::-1])}
        alone = {name: column[at : at + 1] for name, column in whole.items()}
        links = chain(total, doubled)
        assert run(links, whole)["doubled"][at] == run(links, alone)["doubled"][0]  # type: ignore[comparison-overlap]


class TestGuiltyLinks:
    """Whatever goes wrong, the error names the link."""

    def test_a_column_that_nothing_gives_is_found_before_anything_runs(self) -> None:
        ran = []

        def first(a: Floats) -> Floats:
            ran.append(1)
            return a

        with pytest.raises(ChainError, match=r"link 'doubled' needs the column 'total'.*To do: add a link"):
            run(chain(first, doubled), batch())
        assert not ran

    def test_a_column_that_was_not_kept_is_gone(self) -> None:
        with pytest.raises(ChainError, match="link 'total' needs the column 'b'"):
            check_links(chain(keep("a"), total), ["a", "b"])

    def test_keeping_what_is_not_there_is_refused(self) -> None:
        with pytest.raises(ChainError, match="link 'keep' needs the column 'nothing'"):
            check_links(chain(keep("nothing")), ["a"])

    @pytest.mark.parametrize(
        "fault",
        [TypeError, ValueError, KeyError, IndexError, AttributeError, ZeroDivisionError, OverflowError, RuntimeError],
    )
    def test_an_exception_in_a_function(self, fault: type[Exception]) -> None:
        def faulty(a: Floats, word: Category) -> Floats:
            raise fault("oops")

        with pytest.raises(
            ChainError, match=rf"link 'faulty' failed: {fault.__name__}: .*oops.*a \(float64\)"
        ) as caught:
            run(chain(faulty), batch())
        assert isinstance(caught.value.__cause__, fault)

    def test_an_error_of_our_own_passes_as_it_is(self) -> None:
        def strict(a: Floats) -> Floats:
            raise ChainError("the data is beyond hope")

        with pytest.raises(ChainError, match=r"^the data is beyond hope"):
            run(chain(strict), batch())

    @pytest.mark.parametrize(
        ("result", "says"),
        [
            (np.zeros(2), "2 rows"),
            (1.0, "a float"),
            (None, "nothing"),
            (np.float64(1), "a float64"),
            (np.zeros((3, 2, 2)), "shape"),
            (np.array(["x", "y", "z"]), "<U1"),
            (np.array([None, 1, 2]), "object"),
            (["x", "y", "z"], "a list"),
            (np.array([1, 2, 3], "timedelta64[s]"), "timedelta64"),
        ],
    )
    def test_a_result_that_is_no_column(self, result: Any, says: str) -> None:
        def odd(a: Floats) -> Any:
            return result

        with pytest.raises(ChainError, match=f"link 'odd' .*{says}"):
            run(chain(odd), batch())

    def test_fewer_columns_than_promised(self) -> None:
        @writes("low", "high")
        def odd(a: Floats) -> tuple[Floats, ...]:
            return (a, a, a)

        @writes("low", "high")
        def less(a: Floats) -> dict[str, Floats]:
            return {"low": a}

        with pytest.raises(ChainError, match=r"link 'odd'.*low, high"):
            run(chain(odd), batch())
        with pytest.raises(ChainError, match="link 'less' did not give the column 'high'"):
            run(chain(less), batch())

    @pytest.mark.parametrize("nameless", [lambda a: a, partial(total, b=1), np.abs, 3])
    def test_a_link_without_a_name_or_signature(self, nameless: Any) -> None:
        with pytest.raises(ChainError, match="expected: a function defined with def".capitalize()):
            chain(nameless)

    def test_a_function_of_whatever_there_is_cannot_be_drawn(self) -> None:
        def anything(**columns: Floats) -> Floats:
            return columns["a"]

        with pytest.raises(ChainError, match=r"'anything'.*name"):
            chain(anything)


class TestChecks:
    def test_rows_that_fail_are_set_aside_with_the_first_reason(self) -> None:
        @check("too small")
        def large(a: Floats) -> Mask:
            return a > 0

        @check("not two")
        def two(a: Floats) -> Mask:
            return a == 2

        good, bad = split_rejected(run(chain(large, two, keep("a")), batch()))
        assert np.asarray(good["a"]).tolist() == [2]
        assert REJECTED not in good
        reasons = bad[REJECTED]
        assert isinstance(reasons, Category)
        assert reasons.values() == ["too small", "not two"]

    def test_where_all_rows_are_good_nothing_is_set_aside(self) -> None:
        @check("never")
        def fine(a: Floats) -> Mask:
            return a >= 0

        good, bad = split_rejected(run(chain(fine), batch()))
        assert len(good["a"]) == 3
        assert not bad

    @pytest.mark.parametrize("mask", [np.array([True]), True, None, np.ones((3, 2), bool)])
    def test_a_check_owes_an_answer_for_every_row(self, mask: Any) -> None:
        @check("odd")
        def odd(a: Floats) -> Mask:
            return mask  # type: ignore[no-any-return]

        with pytest.raises(ChainError, match=r"link 'odd'.*3 rows"):
            run(chain(odd), batch())

    def test_the_column_of_reasons_is_reserved(self) -> None:
        def rejected(a: Floats) -> Floats:
            return a

        with pytest.raises(ChainError, match="the column 'rejected' is reserved"):
            run(chain(rejected), batch())
        with pytest.raises(ChainError, match="the column 'rejected' is reserved"):
            run(chain(total), {**batch(), REJECTED: np.zeros(3)})

    def test_an_empty_batch_passes(self) -> None:
        @check("never")
        def fine(a: Floats) -> Mask:
            return a >= 0

        good, bad = split_rejected(run(chain(fine, total, keep("total")), batch(0)))
        assert len(good["total"]) == 0
        assert not bad


class TestChoices:
    def test_rows_that_are_not_in_question_leave_without_a_fault(self) -> None:
        @only
        def grown(a: Floats) -> Mask:
            return a > 1

        batch = run(chain(grown), {"a": np.array([1.0, 2.0, 3.0]), "b": Category.of(["x", "y", None])})
        assert batch["a"].tolist() == [2.0, 3.0]
        assert batch["b"].values() == ["y", None]
        assert REJECTED not in batch

    def test_what_was_rejected_before_is_still_set_aside(self) -> None:
        @check("too small")
        def large(a: Floats) -> Mask:
            return a > 1

        @only
        def nothing(a: Floats) -> Mask:
            return a > 99

        good, bad = split_rejected(run(chain(large, nothing), {"a": np.array([1.0, 2.0])}))
        assert good["a"].tolist() == []
        assert bad["a"].tolist() == [1.0]

    def test_a_choice_owes_an_answer_for_every_row(self) -> None:
        @only
        def short(a: Floats) -> Mask:
            return np.array([True])

        with pytest.raises(ChainError, match=r"link 'short' failed.*shape \(1,\) for 2 rows"):
            run(chain(short), {"a": np.array([1.0, 2.0])})


class TestFrames:
    def test_a_function_that_asks_for_a_frame_gets_its_columns_and_no_more(self) -> None:
        @frame(reads=("a", "word"), writes=("rank", "shout"))
        def ranked(table: pd.DataFrame) -> pd.DataFrame:
            assert list(table.columns) == ["a", "word"]
            return pd.DataFrame({"rank": table["a"].rank(), "shout": table["word"].astype(str).str.upper()})

        made = run(chain(ranked), batch())
        assert made["rank"].tolist() == [1, 2, 3]  # type: ignore[union-attr]
        assert isinstance(made["shout"], Category)
        assert made["shout"].values() == ["X", "X", "X"]

    def test_a_frame_with_other_rows_is_refused(self) -> None:
        @frame(reads=("a",), writes=("a",))
        def grouped(table: pd.DataFrame) -> pd.DataFrame:
            return table.head(1)

        with pytest.raises(ChainError, match=r"link 'grouped' .*1 rows.*3 rows"):
            run(chain(grouped), batch())


class TestChainOfModels:
    """An encoder that fails to find its column is named before any row is read."""

    class Model(Chain):
        features = (Impute("a"), Cyclic("hour", period=24), Levels("word", rare=1), Standardise())
        estimator = LogisticRegression(ridge=(1.0, 10.0))

    def test_inputs_are_the_columns_nothing_before_makes(self) -> None:
        assert self.Model.inputs() == {"a": "number", "hour": "number", "word": "category"}

    def test_a_missing_column_is_named(self) -> None:
        with pytest.raises(ChainError, match=r"Model needs the column 'hour'"):
            self.Model.outputs(self.Model.start(), {"a": "number", "word": "category"})

    def test_a_column_of_the_wrong_kind_is_named(self) -> None:
        kinds: Any = {"a": "number", "hour": "number", "word": "number"}
        with pytest.raises(ChainError, match=r"Model cannot work on the column 'word'.*a number column.*category"):
            self.Model.outputs(self.Model.start(), kinds)

    def test_the_guilty_encoder_is_named(self) -> None:
        class Wrong(Chain):
            features = (Levels("word", rare=1), Impute("word"))
            estimator = LogisticRegression()

        kinds: Any = {"word": "category"}
        with pytest.raises(ChainError, match="Impute cannot work on the column 'word'"):
            Wrong.outputs(Wrong.start(), kinds)

    def test_scoring_without_a_column_names_it(self) -> None:
        x, y = self._rows(40)
        fitted = self.Model.fit(self.Model.start(), x, y)
        del x["hour"]
        with pytest.raises(ChainError, match="Model needs the column 'hour'"):
            self.Model.transform(x, fitted)

    def test_each_encoder_learns_once_what_it_reads_has_been_learnt(self) -> None:
        x, y = self._rows(200)
        passes: list[list[bool]] = []
        accumulate = self.Model.accumulate

        def total(model: Any, parameters: Parameters, x: Columns, y: Floats) -> Any:
            sums = accumulate(parameters, x, y)
            passes.append([own is not None for own in sums])
            return sums

        fitted = self.Model.fit(self.Model.start(), x, y, total)
        assert self.Model.fitted(fitted)
        impute, cyclic, levels, standardise, estimator = zip(*passes, strict=True)
        assert impute == levels  # neither reads what the other makes: both learn in the first pass
        assert impute[0]
        assert not any(impute[1:])
        assert not any(cyclic)
        assert standardise.index(True) == 1
        assert estimator.index(True) == 2

    def test_a_variant_is_fitted_again_but_not_its_encoders(self) -> None:
        x, y = self._rows(200)
        fitted = self.Model.fit(self.Model.start(), x, y)
        assert len(self.Model.variants(fitted)) == 2
        varied = self.Model.vary(fitted, self.Model.variants(fitted)[1])
        assert not self.Model.fitted(varied)
        again = self.Model.fit(varied, x, y)
        assert again["features"] == fitted["features"]
        assert again["estimator"]["ridge"] == 10.0

    def _rows(self, rows: int) -> tuple[dict[str, Any], Floats]:
        chance = np.random.default_rng(0)
        x = {
            "a": np.where(chance.random(rows) < 0.1, np.nan, chance.normal(size=rows)),
            "hour": chance.integers(0, 24, rows).astype(float),
            "word": Category(chance.integers(0, 2, rows).astype(np.int32), ("x", "y")),
        }
        return x, (chance.random(rows) < 0.4).astype(float)


def test_a_preparation_is_a_model_that_learns_nothing() -> None:
    class Prepare(Preparation):
        steps = chain(total, keep("total"))

    assert Prepare.fitted({})
    assert Prepare.transform(batch())["total"].tolist() == [1, 2, 3]  # type: ignore[union-attr]


def test_types_of_moments_are_kept() -> None:
    def later(at: Times) -> Times:
        return at + np.timedelta64(1, "h")

    at = np.array(["2013-01-01", "NaT"], "datetime64[us]")
    made: Callable[..., Any] = run(chain(later), {"at": at})["later"]  # type: ignore[assignment]
    np.testing.assert_array_equal(made, at + np.timedelta64(1, "h"))  # type: ignore[arg-type]
