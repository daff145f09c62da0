"""What linear and logistic regression share: everything but the curve between score and prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from ml_pipeline.chain import check_weight
from ml_pipeline.columns import Encoded, Floats, Kind, kind
from ml_pipeline.errors import FitError
from ml_pipeline.models import standard_errors
from ml_pipeline.models.design import Design
from ml_pipeline.models.layout import Layout
from ml_pipeline.models.linear_predictor import score
from ml_pipeline.models.newton import BEGIN, advance, proceed
from ml_pipeline.models.penalty import Penalty, Strength, strengths
from ml_pipeline.models.sums import Outline, Partial, Product, Sums
from ml_pipeline.models.weights import weighted, weights_of
from ml_pipeline.models.working_set import MOST
from ml_pipeline.templates import NO_PARAMETERS, BaseModel, Parameters, require

MANY = 5_000_000
"""Numbers of a batch from which on single precision saves time that is worth saving."""

WIDE = 1024
"""Coefficients up to which their Hessian is summed: beyond, it takes more room and time than all else."""


class LinearModel(BaseModel):
    """A linear model with an elastic net as its penalty, fitted by Newton's method with sums over rows.

    Its coefficients make the sum of the losses, plus `ridge / 2` times their squares, plus `lasso` times their absolute
    values the least; the bias is free. A lasso makes coefficients that hardly help exactly 0.

    Works on the named columns, or on all it is given: numbers, blocks, categories as one coefficient per word, and
    bags as one per place. Learns `bias`, `coefficients`, `precision`, how well each of them is known, as an array for
    each column; `fit`, a report on how the fit went; and where coefficients are not too many, `standard_errors` in the
    form of the coefficients, which `standard_errors.py` explains.

    From the precision on, it learns further rows without those before: `penalty.py` says how.
    """

    learns = True
    accepts = ("number", "block", "category", "bag")

    @classmethod
    def start(
        cls, *columns: str, ridge: Strength = 1.0, lasso: Strength = 0.0, weight: str | None = None
    ) -> Parameters:
        """What the fit starts from.

        Args:
            columns: To work on; all it is given, if none is named.
            ridge: Strength of the penalty on squares, 0 or more.
            lasso: Strength of the penalty on absolute values, 0 or more.
            weight: The column that says how often each row's loss counts, 0 or more; no prediction needs it.

        Ridge and lasso may be several, the first to start with, for validation to choose; if both are, in pairs.
        """
        check_weight(cls.__name__, weight, columns)
        return {"columns": list(columns), **strengths(cls.__name__, ridge, lasso), "weight": weight}

    @classmethod
    def outputs(cls, parameters: Parameters, kinds: Mapping[str, Kind]) -> dict[str, Kind]:
        require(cls.__name__, parameters["columns"] or tuple(kinds), kinds, *cls.accepts)
        return {"prediction": "number"}

    @classmethod
    def mean(cls, z: Floats) -> Floats:
        """The expected label at a score, shape (rows,)."""
        raise NotImplementedError

    @classmethod
    def derivatives(cls, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
        """Loss of each row, and its first and second derivative by the score; each of shape (rows,)."""
        raise NotImplementedError

    @classmethod
    def layout(cls, parameters: Parameters, x: Encoded, names: Sequence[str]) -> Layout:
        """Which coefficients there are for the named columns of a batch."""
        return Layout.of(x, names)

    @classmethod
    def design(cls, x: Encoded, layout: Layout, rows: int) -> Any:
        """Products with the matrix of a batch."""
        return Design(x, layout, rows)

    @classmethod
    def label_sums(cls, parameters: Parameters, y: Floats, weights: Floats | None) -> Floats:
        """What `Sums.labels` holds for these rows."""
        return np.array([weighted(each, weights).sum() for each in (y, np.square(y))])

    @classmethod
    def unit(cls, sums: Sums) -> float:
        """Size of a typical score; 1 where it is a logarithm."""
        return 1.0

    @classmethod
    def variance(cls, sums: Sums, freedom: float) -> float:
        """Of a label around its expectation, by the second derivative of the loss: 1 where they are the same.

        Args:
            sums: At the coefficients that are fitted.
            freedom: Degrees of freedom that the fit used.
        """
        return 1.0

    @classmethod
    def transform(cls, x: Encoded, parameters: Parameters = NO_PARAMETERS) -> Floats:
        """The expected label of each row, shape (rows,)."""
        return cls.mean(score(x, parameters["bias"], parameters["coefficients"]))

    @classmethod
    def fitted(cls, parameters: Parameters) -> bool:
        return "fit" in parameters

    @classmethod
    def continued(cls, parameters: Parameters) -> Parameters:
        if "precision" not in parameters:
            raise FitError(
                f"{cls.__name__} cannot go on from parameters that do not say how well they are known",
                given="parameters without a precision, of an earlier version",
                do="train offline once, and go on from that model",
            )
        prior = {key: parameters[key] for key in ("bias", "coefficients", "precision")}
        return {**_unfitted(parameters), "strengths": [], "prior": prior}

    @classmethod
    def goes_on(cls, parameters: Parameters) -> bool:
        """Whether it learns further rows, which may say little, from what it knows of those before."""
        return "prior" in parameters

    @classmethod
    def samples(cls, parameters: Parameters) -> bool:
        """Before the first coefficients, and until a sample has given its own."""
        progress = parameters.get("progress")
        return bool(progress["share"] < 1.0) if progress else "coefficients" not in parameters

    @classmethod
    def extrapolate(cls, statistics: Sums | Product, share: float) -> Sums | Product:
        return statistics.extrapolated(share)

    @classmethod
    def repeats(cls, parameters: Parameters) -> bool:
        """Where several strengths are tried, each takes passes; where there are many coefficients, each step does."""
        return bool(parameters["strengths"]) or parameters.get("progress", BEGIN)["wide"]

    @classmethod
    def accumulate(cls, parameters: Parameters, x: Encoded, y: Floats) -> Sums | Product:
        """Losses, derivatives and labels summed over these rows; while a step takes several passes, one product.

        Raises:
            FitError: a label is missing, or a number is not finite.
        """
        cls.check_labels(parameters, y)
        weights = cls.weights(parameters, x, y)
        kinds = {name: kind(column) for name, column in x.items() if name != parameters["weight"]}
        names = parameters["columns"] or tuple(kinds)
        require(cls.__name__, names, kinds, *cls.accepts)
        progress = parameters.get("progress", BEGIN)
        layout = progress["known"][0] if "known" in progress else cls._whole_layout(parameters, x, names)
        theta = progress["known"][1] if "known" in progress else layout.vector(parameters)
        design = cls.design(x, layout, len(y))
        with np.errstate(invalid="ignore", over="ignore"):
            if "solving" in progress:
                z, along = design.two_scores(theta, progress["solving"].direction)
                return Product(design.transposed(design.bent(weighted(cls.derivatives(y, z)[2], weights), along)))
            derivatives = cls.derivatives(y, design.scores(theta))
            loss, residual, curvature = (weighted(each, weights) for each in derivatives)
            gradient = design.transposed(residual)
            if not np.isfinite(gradient).all():
                raise _not_finite(cls.__name__, x, layout)
            hessian = cls._hessian(parameters, design, curvature, x)
        weight = float(len(y) if weights is None else weights.sum())
        labels = cls.label_sums(parameters, y, weights)
        return Sums(layout, len(y), weight, float(loss.sum()), labels, gradient, hessian)

    @classmethod
    def _whole_layout(cls, parameters: Parameters, x: Encoded, names: Sequence[str]) -> Layout:
        """With the coefficients that were known before, whether or not these rows have their words."""
        layout = cls.layout(parameters, x, names)
        return layout.including(parameters["prior"]["coefficients"]) if cls.goes_on(parameters) else layout

    @classmethod
    def _hessian(cls, parameters: Parameters, design: Any, curvature: Floats, x: Encoded) -> Floats | Outline | Partial:
        """What is summed of the Hessian: all of it, of few of many coefficients, or an outline."""
        progress, rows = parameters.get("progress", BEGIN), len(curvature)
        if "among" in progress:
            some = progress["among"].narrowed(x)
            narrow = cls.design(some, cls.layout(parameters, some, tuple(some)), rows)
            return Partial(progress["among"].places(), narrow.hessian(curvature))
        if progress["wide"] or design.layout.size() > WIDE:
            return cast(Outline, design.outline(curvature))
        single = progress["single"] and rows * design.layout.fixed_size() >= MANY
        return cast(Floats, design.hessian(curvature, np.float32 if single else np.float64))

    @classmethod
    def weights(cls, parameters: Parameters, x: Encoded, y: Floats) -> Floats | None:
        """How often each row counts, shape (rows,); None where each counts once."""
        name = parameters["weight"]
        return weights_of(cls.__name__, name, x) if name else None

    @classmethod
    def check_labels(cls, parameters: Parameters, y: Floats) -> None:
        """Refuse labels that nothing can be learnt from."""
        missing = int(np.count_nonzero(~np.isfinite(y)))
        if missing:
            raise FitError(
                f"{cls.__name__} cannot learn from rows without a label",
                given=f"{missing} of {len(y)} rows without a finite label",
                expected="a number in every row",
                do="set aside rows whose label is not known yet",
            )

    @classmethod
    def update(cls, parameters: Parameters, statistics: Sums | Product | None) -> Parameters:
        """One step, or a part of one; `FitError` without rows, or where a lasso leaves too many coefficients."""
        if isinstance(statistics, Product):
            moved = proceed(parameters, statistics)
        elif statistics and statistics.share < 1.0 and not cls.teaches(statistics):
            return {**parameters, "progress": BEGIN}
        else:
            sums = cls._some(statistics)
            moved = advance(parameters, sums, cls.unit(sums))
            cls._check_room(moved, sums)
        if not cls.fitted(moved):
            return moved
        if cls.goes_on(parameters):
            return _without_errors(moved, "of what was known before, no more than the precision of each is kept")
        return cls._with_errors(moved, cast("Sums | Product", statistics))

    @classmethod
    def teaches(cls, sums: Sums) -> bool:
        """Whether anything can be learnt from these rows; from a sample that teaches nothing it goes on to all rows."""
        return sums.weight > 0.0

    @classmethod
    def _some(cls, sums: Sums | None) -> Sums:
        """Sums over at least one row that counts."""
        if sums is None or sums.rows == 0:
            raise FitError(
                f"{cls.__name__} was given no rows to learn from",
                given="0 rows",
                expected="at least one",
                do="look at what the stages before train left over",
            )
        if sums.weight == 0.0:
            raise FitError(
                f"{cls.__name__} was given no rows that count",
                given=f"{sums.rows} rows, all of weight 0",
                expected="at least one weight above 0",
                do="look at how the weight is made",
            )
        return sums

    @classmethod
    def _check_room(cls, parameters: Parameters, sums: Sums) -> None:
        """Refuse a lasso that leaves more coefficients than are worked on together."""
        among = parameters.get("progress", BEGIN).get("among")
        if sums.share == 1.0 and among is not None and among.overflows:
            raise FitError(
                f"{cls.__name__} has too many coefficients that the lasso does not hold at 0",
                given=f"lasso={parameters['lasso']:g}, and more than {len(among.places()):,} of {sums.layout.size():,}",
                expected=f"{MOST:,} at most",
                do="choose a larger lasso, or none",
            )

    @classmethod
    def _with_errors(cls, fitted: Parameters, sums: Sums | Product) -> Parameters:
        """The same with standard errors, or with a sentence on why there are none."""
        if fitted["lasso"] > 0.0:
            return _without_errors(fitted, "those of a ridge do not hold for what a lasso has chosen")
        if isinstance(sums, Product) or not isinstance(sums.hessian, np.ndarray):
            size = len(sums.vector if isinstance(sums, Product) else sums.gradient)
            return _without_errors(fitted, f"{size:,} coefficients are too many to invert their Hessian")
        if cls.is_weighted(fitted):
            return _without_errors(fitted, "a row's weight does not tell how much chance there was in it")
        ridge = Penalty.of(fitted, sums.layout).ridge
        errors, freedom = standard_errors.errors(sums.hessian, ridge, sums.layout.biases())
        scaled = errors * np.sqrt(cls.variance(sums, freedom))
        return {**fitted, "standard_errors": sums.layout.named(scaled)}

    @classmethod
    def is_weighted(cls, parameters: Parameters) -> bool:
        """Whether some rows may count more often than others."""
        return parameters["weight"] is not None

    @classmethod
    def variants(cls, parameters: Parameters) -> Sequence[Parameters]:
        """The strengths of ridge and lasso, if there is a choice."""
        return cast(Sequence[Parameters], parameters["strengths"])

    @classmethod
    def vary(cls, parameters: Parameters, variant: Parameters) -> Parameters:
        """Other strengths, to be fitted again from the coefficients that are there."""
        return {**_unfitted(parameters), **variant}


def _unfitted(parameters: Parameters) -> dict[str, Any]:
    """Settings and coefficients, without what was found out about them."""
    return {key: own for key, own in parameters.items() if key not in ("fit", "standard_errors", "precision")}


def _without_errors(fitted: Parameters, why: str) -> Parameters:
    note = f"{fitted['fit']['note']} Standard errors are left out: {why}.".lstrip()
    return {**fitted, "fit": {**fitted["fit"], "note": note}}


def _not_finite(model: str, x: Encoded, layout: Layout) -> FitError:
    names = [name for name, _ in layout.dense if not np.isfinite(cast(Floats, x[name])).all()]
    return FitError(
        f"{model} cannot learn from numbers that are missing or infinite",
        given=", ".join(names) or "coefficients that grew out of bounds",
        expected="finite numbers",
        do="put Impute before it, and look for divisions by zero in the preparation",
    )
