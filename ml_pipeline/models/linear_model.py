"""What linear and logistic regression share: everything but the curve between score and prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from ml_pipeline.columns import Encoded, Floats, Kind, kind
from ml_pipeline.errors import ChainError, FitError
from ml_pipeline.models import design, standard_errors
from ml_pipeline.models.layout import Layout
from ml_pipeline.models.linear_predictor import score
from ml_pipeline.models.newton import Sums, advance, penalties
from ml_pipeline.templates import NO_PARAMETERS, BaseModel, Parameters, require


class LinearModel(BaseModel):
    """A ridge-penalised linear model, fitted by Newton's method with sums over rows.

    Works on the named columns, or on all it is given: numbers, blocks, categories as one coefficient per word, and
    bags as one per place. Learns `bias`, `coefficients`, `standard_errors` of both in the same form, which
    `standard_errors.py` explains, and `fit`, a report on how the fit went.
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
    def accumulate(cls, parameters: Parameters, x: Encoded, y: Floats) -> Sums:
        """Losses, derivatives and labels summed over these rows.

        Raises:
            FitError: a label is missing, or a number is not finite.
        """
        cls.check_labels(y)
        kinds = {name: kind(column) for name, column in x.items()}
        names = parameters["columns"] or tuple(kinds)
        require(cls.__name__, names, kinds, *cls.accepts)
        layout = Layout.of(x, names)
        z = score(x, parameters["bias"], parameters["coefficients"]) if "coefficients" in parameters else 0.0 * y
        loss, residual, curvature = cls.derivatives(y, z)
        with np.errstate(invalid="ignore", over="ignore"):
            gradient, hessian = design.sums(x, layout, residual, curvature)
        if not np.isfinite(gradient).all():
            raise _not_finite(cls.__name__, x, layout)
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
    def update(cls, parameters: Parameters, statistics: Sums | None) -> Parameters:
        """One step; `FitError` without rows."""
        if statistics is None or statistics.rows == 0:
            raise FitError(
                f"{cls.__name__} was given no rows to learn from",
                given="0 rows",
                expected="at least one",
                do="look at what the stages before train left over",
            )
        moved = advance(parameters, statistics, cls.unit(statistics))
        return {**moved, "standard_errors": cls._errors(moved, statistics)} if cls.fitted(moved) else moved

    @classmethod
    def _errors(cls, parameters: Parameters, sums: Sums) -> Parameters:
        errors, freedom = standard_errors.errors(sums.hessian, penalties(parameters, sums.layout.size()))
        return standard_errors.named(errors * np.sqrt(cls.variance(sums, freedom)), sums.layout)

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


def _not_finite(model: str, x: Encoded, layout: Layout) -> FitError:
    names = [name for name, _ in layout.dense if not np.isfinite(cast(Floats, x[name])).all()]
    return FitError(
        f"{model} cannot learn from numbers that are missing or infinite",
        given=", ".join(names) or "coefficients that grew out of bounds",
        expected="finite numbers",
        do="put Impute before it, and look for divisions by zero in the preparation",
    )
