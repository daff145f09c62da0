"""What logistic and softmax regression share: classes, of which some may count more than others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml_pipeline.columns import Encoded, Floats
from ml_pipeline.errors import ChainError
from ml_pipeline.models.linear_model import LinearModel
from ml_pipeline.templates import Parameters


class Classifier(LinearModel):
    """A linear model whose labels are the places of classes, 0.0 for the first."""

    @classmethod
    def class_weights(cls, given: Sequence[float], names: Sequence[str]) -> dict[str, list[float]]:
        """Checked, as a part of the parameters."""
        weights = [float(each) for each in given]
        if len(weights) != len(names) or not all(0.0 < each < np.inf for each in weights):
            raise ChainError(
                f"{cls.__name__} cannot use those class weights",
                given=f"class_weights={given!r}",
                expected=f"{len(names)} finite numbers above 0: of {', of '.join(names)}",
                do=f"leave it out, for 1.0 each, or use such as {(*(1.0 for _ in names[1:]), 5.0)}",
            )
        return {"class_weights": weights}

    @classmethod
    def weights(cls, parameters: Parameters, x: Encoded, y: Floats) -> Floats | None:
        weights = super().weights(parameters, x, y)
        if not _differ(parameters):
            return weights
        of_class: Floats = np.array(parameters["class_weights"])[y.astype(np.intp)]
        return of_class if weights is None else weights * of_class

    @classmethod
    def is_weighted(cls, parameters: Parameters) -> bool:
        return super().is_weighted(parameters) or _differ(parameters)


def _differ(parameters: Parameters) -> bool:
    """Whether any class counts otherwise than once a row."""
    return any(each != 1.0 for each in parameters["class_weights"])
