"""What linear and logistic regression share: everything but the curve between score and prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from ml_pipeline.columns import Encoded, Floats, Kind, kind
from ml_pipeline.errors import ChainError, FitError
from ml_pipeline.models import standard_errors
from ml_pipeline.models.design import Design
from ml_pipeline.models.layout import Layout
from ml_pipeline.models.linear_predictor import score
from ml_pipeline.models.newton import BEGIN, advance, penalties, proceed
from ml_pipeline.models.sums import Outline, Product, Sums
from ml_pipeline.templates import NO_PARAMETERS, BaseModel, Parameters, require

MANY = 5_000_000
"""Numbers of a batch from which on single precision saves time that is worth saving."""

WIDE = 1024
"""Coefficients up to which their Hessian is summed: beyond, it takes more room and time than all else."""


class LinearModel(BaseModel):
    """A ridge-penalised linear model, fitted by Newton's method with sums over rows.

    Works on the named columns, or on all it is given: numbers, blocks, categories as one coefficient per word, and
    bags as one per place. Learns `bias`, `coefficients`, `fit`, a report on how the fit went, and where coefficients
    are not too many, `standard_errors` of both in the same form, which `standard_errors.py` explains.
    """

    learns = True
    accepts = ("number", "block", "category", "bag")

    @classmethod
    def start(cls, *columns: str, ridge: float | Sequence[float] = 1.0) -> Parameters:
        """`ridge`: the penalty's strength, 0 or more; or several, the first to start with, for validation to choose."""
        strengths = [float(each) for each in (ridge if isinstance(ridge, Sequence) else (ridge,))]
        if not strengths or not all(each >= 0.0 for each in strengths):
            raise ChainError(
                f"{cls.__name__} cannot use that ridge",
                given=f"ridge={ridge!r}",
                expected="a number that is 0 or more, or several of them",
                do="use the default, 1.0, or a tuple such as (0.1, 1.0, 10.0)",
            )
        return {"columns": list(columns), "ridge": strengths[0], "strengths": strengths}

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
    def unit(cls, sums: Sums) -> float:
        """Size of a typical score."""
        raise NotImplementedError

    @classmethod
    def variance(cls, sums: Sums, freedom: float) -> float:
        """Of a label around its expectation, in terms of the second derivative of the loss.

        Args:
            sums: At the coefficients that are fitted.
            freedom: Degrees of freedom that the fit used.
        """
        raise NotImplementedError

    @classmethod
    def transform(cls, x: Encoded, parameters: Parameters = NO_PARAMETERS) -> Floats:
        """The expected label of each row, shape (rows,)."""
        return cls.mean(score(x, parameters["bias"], parameters["coefficients"]))

    @classmethod
    def fitted(cls, parameters: Parameters) -> bool:
        return "fit" in parameters

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
        return len(parameters["strengths"]) > 1 or bool(parameters.get("progress", BEGIN)["wide"])

    @classmethod
    def accumulate(cls, parameters: Parameters, x: Encoded, y: Floats) -> Sums | Product:
        """Losses, derivatives and labels summed over these rows; while a step takes several passes, one product.

        Raises:
            FitError: a label is missing, or a number is not finite.
        """
        cls.check_labels(y)
        kinds = {name: kind(column) for name, column in x.items()}
        names = parameters["columns"] or tuple(kinds)
        require(cls.__name__, names, kinds, *cls.accepts)
        progress = parameters.get("progress", BEGIN)
        layout, theta = progress.get("known") or _coefficients(parameters, Layout.of(x, names))
        design = Design(x, layout, len(y))
        with np.errstate(invalid="ignore", over="ignore"):
            if "solving" in progress:
                z, along = design.two_scores(theta, progress["solving"].direction)
                return Product(design.transposed(cls.derivatives(y, z)[2] * along))
            loss, residual, curvature = cls.derivatives(y, design.scores(theta))
            gradient = design.transposed(residual)
            if not np.isfinite(gradient).all():
                raise _not_finite(cls.__name__, x, layout)
            if progress["wide"] or layout.size() > WIDE:
                hessian: Floats | Outline = design.outline(curvature)
            else:
                single = progress["single"] and len(y) * layout.fixed_size() >= MANY
                hessian = design.hessian(curvature, np.float32 if single else np.float64)
        return Sums(layout, len(y), float(loss.sum()), float(y.sum()), float(y @ y), gradient, hessian)

    @classmethod
    def check_labels(cls, y: Floats) -> None:
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
        """One step, or a part of one; `FitError` without rows."""
        if isinstance(statistics, Product):
            return proceed(parameters, statistics)
        if statistics is None or statistics.rows == 0:
            raise FitError(
                f"{cls.__name__} was given no rows to learn from",
                given="0 rows",
                expected="at least one",
                do="look at what the stages before train left over",
            )
        moved = advance(parameters, statistics, cls.unit(statistics))
        if not cls.fitted(moved) or isinstance(statistics.hessian, Outline):
            return moved
        errors, freedom = standard_errors.errors(statistics.hessian, penalties(moved, statistics.layout))
        scaled = errors * np.sqrt(cls.variance(statistics, freedom))
        return {**moved, "standard_errors": standard_errors.named(scaled, statistics.layout)}

    @classmethod
    def variants(cls, parameters: Parameters) -> Sequence[Parameters]:
        """The strengths of the ridge, if there is a choice."""
        strengths = parameters["strengths"]
        return [{"ridge": strength} for strength in strengths] if len(strengths) > 1 else ()

    @classmethod
    def vary(cls, parameters: Parameters, variant: Parameters) -> Parameters:
        """Another strength, to be fitted again from the coefficients that are there."""
        unfitted = {key: value for key, value in parameters.items() if key not in ("fit", "standard_errors")}
        return {**unfitted, **variant}


def _coefficients(parameters: Parameters, layout: Layout) -> tuple[Layout, Floats]:
    return layout, layout.vector(parameters.get("bias", 0.0), parameters.get("coefficients", {}))


def _not_finite(model: str, x: Encoded, layout: Layout) -> FitError:
    names = [name for name, _ in layout.dense if not np.isfinite(cast(Floats, x[name])).all()]
    return FitError(
        f"{model} cannot learn from numbers that are missing or infinite",
        given=", ".join(names) or "coefficients that grew out of bounds",
        expected="finite numbers",
        do="put Impute before it, and look for divisions by zero in the preparation",
    )
