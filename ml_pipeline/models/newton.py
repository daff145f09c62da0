"""Newton's method, one step per pass over the data.

The objective is the sum of the losses plus the penalty, the bias left free. Where a step made the objective rise, half
of it is tried. The lasso has kinks, so with one a step goes to the optimum of the quadratic model of all else plus the
lasso itself, as `coordinate_descent.py` says; of too many coefficients, of those that `working_set.py` chooses.

Where there is a sample, steps on it come first: they are cheap, and leave an error of the size of the sample's noise,
which one or two steps over all rows square away. A step needs no exact Hessian, just an exact gradient, so products may
be single where columns are not nearly combinations of one another. Where there are too many coefficients for a Hessian,
each step takes several passes, as `conjugate_gradients.py` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from ml_pipeline.columns import Floats
from ml_pipeline.models.conjugate_gradients import Preconditioner, Solving
from ml_pipeline.models.coordinate_descent import lasso_step
from ml_pipeline.models.curvature import newton_step
from ml_pipeline.models.layout import Layout
from ml_pipeline.models.penalty import Penalty
from ml_pipeline.models.sums import Outline, Partial, Product, Sums
from ml_pipeline.models.working_set import WorkingSet
from ml_pipeline.templates import Parameters

PASSES = 50
"""Steps after which it is given up."""
MANY_PASSES = 400
"""Passes after which it is given up where a step takes several."""
SMALL = 5e-4
"""A step that moves no score by more, in a typical row, is the last: after it, the error is about its square."""
SMALL_OF_MANY = 2e-3
"""The same of the farthest of thousands of words and places, most of which have moved much less."""
NEGLIGIBLE = 1e-4
"""A coefficient that a lasso holds at 0 stays there if a step of its own would move a typical score by no more."""
ROUGH = 0.05
"""As `SMALL`, on a sample, whose noise is as large."""
ROUGHER = 0.5
"""As `SMALL_OF_MANY`, on a sample."""
SAMPLE_STEPS = 12
"""Steps after which a sample is given up: its rows may have an optimum that is far off, or none."""
BEGIN: Mapping[str, Any] = {
    "share": 1.0, "wide": False, "single": False, "passes": 0, "steps": 0, "objective": np.inf,
}  # fmt: skip
"""Progress before the first pass."""


def advance(parameters: Parameters, sums: Sums, unit: float) -> Parameters:
    """Parameters after the step that follows from the sums at `parameters`; with `fit` when it was the last.

    Where the Hessian is only outlined, the step begins instead, and `proceed` goes on with it.

    Args:
        parameters: `ridge`, `lasso`, and where there are any `prior`, `bias`, `coefficients` and the `progress` so far.
        sums: Over all rows, or a sample of them.
        unit: Size of a typical score, in whose terms a step is small.
    """
    theta = sums.layout.vector(parameters)
    penalty = Penalty.of(parameters, sums.layout, sums.share)
    objective = sums.loss + penalty.cost(theta)
    slope = penalty.slope(sums.gradient, theta)
    before = parameters.get("progress", BEGIN)
    progress = {**before, "share": sums.share, "passes": before["passes"] + 1, "rows": sums.rows}
    # A rise that rounding explains is none.
    if objective > before["objective"] + 1e-11 * abs(objective):
        step = before["step"] / 2
        return _moved(parameters, {**progress, "step": step, "moved": np.inf}, sums.layout, theta - step)
    progress |= {"objective": objective, "gradient": float(np.max(np.abs(slope)))}
    if isinstance(sums.hessian, Partial):
        return _among(parameters, progress, sums, penalty)
    progress["diagonal"] = _diagonal(sums)
    sizes = _sizes(sums) / unit
    if isinstance(sums.hessian, Outline) and penalty.lasso > 0.0:
        return _begun(parameters, {**progress, "sizes": sizes}, sums, penalty)
    if isinstance(sums.hessian, Outline):
        precondition = Preconditioner.of(sums.hessian, penalty.ridge, sums.layout)
        solving = Solving.begin(slope, precondition, sizes)
        known = {"wide": True, "known": (sums.layout, theta), "sizes": sizes, "solving": solving}
        return {**parameters, "progress": {**progress, **known}}
    step, single = _step(sums.hessian, sums.gradient, penalty, theta, sums.layout)
    progress |= {"single": single, "step": step, "moved": float(np.max(np.abs(step) * sizes))}
    return _moved(parameters, progress, sums.layout, theta + step)


def _begun(parameters: Parameters, progress: Mapping[str, Any], sums: Sums, penalty: Penalty) -> Parameters:
    """The same parameters, and which of too many coefficients to work on: no step, for their Hessian is not summed."""
    theta, outline = sums.layout.vector(parameters), cast(Outline, sums.hessian)
    curvature, small = outline.diagonal + penalty.ridge, NEGLIGIBLE / progress["sizes"]
    slope = penalty.slope(sums.gradient, theta)
    among = WorkingSet.first(sums.layout).next(theta, slope, curvature, small)
    known = {"wide": True, "known": (sums.layout, theta), "curvature": curvature, "small": small, "among": among}
    return {**parameters, "progress": {**progress, **known, "step": np.zeros_like(theta)}}


def _among(parameters: Parameters, progress: Mapping[str, Any], sums: Sums, penalty: Penalty) -> Parameters:
    """Parameters after a step of the coefficients that are worked on; and those to work on next."""
    theta, partial = sums.layout.vector(parameters), cast(Partial, sums.hessian)
    places, diagonal = partial.places, progress["diagonal"].copy()
    own = replace(penalty, ridge=penalty.ridge[places], centre=penalty.centre[places])
    diagonal[places] = np.diag(partial.products)
    step = np.zeros_like(theta)
    step[places], _ = _step(partial.products, sums.gradient[places], own, theta[places], sums.layout)
    slope = penalty.slope(sums.gradient, theta)
    among = progress["among"].next(theta + step, slope, progress["curvature"], progress["small"])
    moved = float(np.max(np.abs(step) * progress["sizes"])) if among.complete else np.inf
    progress = {**progress, "diagonal": diagonal, "step": step, "moved": moved, "among": among}
    return _moved(parameters, progress, sums.layout, theta + step)


def _step(hessian: Floats, gradient: Floats, penalty: Penalty, theta: Floats, layout: Layout) -> tuple[Floats, bool]:
    """Newton's step, given the derivatives of the losses, and whether single precision will do for the next."""
    hessian, gradient = hessian + np.diag(penalty.ridge), gradient + penalty.pull(theta)
    if penalty.lasso > 0.0:
        return lasso_step(hessian, gradient, theta, penalty.lasso, layout.biases()), False
    return newton_step(hessian, gradient, layout.fixed_size())


def proceed(parameters: Parameters, product: Product) -> Parameters:
    """On with a step that takes several passes; where it is done, the parameters after it."""
    progress = {**parameters["progress"], "passes": parameters["progress"]["passes"] + 1}
    layout, theta = progress["known"]
    ridge = Penalty.of(parameters, layout, progress["share"]).ridge
    solving = progress["solving"].advance(product.vector + ridge * progress["solving"].direction)
    if not solving.done:
        return {**parameters, "progress": {**progress, "solving": solving}}
    progress.pop("solving")
    moved = float(np.max(np.abs(solving.step) * progress["sizes"]))
    return _moved(parameters, {**progress, "step": solving.step, "moved": moved}, layout, theta + solving.step)


def _moved(parameters: Parameters, progress: Mapping[str, Any], layout: Layout, theta: Floats) -> Parameters:
    """Parameters at the new coefficients, and what comes next."""
    progress = {**progress, "steps": progress["steps"] + 1}
    if progress["wide"]:
        progress["known"] = (layout, theta)
    moved = {**parameters, **layout.named(theta), "progress": progress}
    if progress["share"] < 1.0:
        return _after_sample(moved)
    if progress["moved"] > _small(progress) and progress["steps"] < PASSES and progress["passes"] < MANY_PASSES:
        return moved
    precision = Penalty.of(parameters, layout).precision(progress["diagonal"], theta)
    learnt = {key: value for key, value in moved.items() if key not in ("progress", "prior")}
    return {**learnt, "precision": layout.arrays(precision), "fit": _report(progress)}


def _after_sample(parameters: Parameters) -> Parameters:
    """On with the sample, or from its optimum to all rows, or to all rows from the beginning where it has none."""
    progress = parameters["progress"]
    anew = {**BEGIN, "wide": progress["wide"], "single": progress["single"]}
    if progress["moved"] <= (ROUGHER if progress["wide"] else ROUGH):
        return {**parameters, "progress": anew}
    if progress["steps"] < SAMPLE_STEPS:
        return parameters
    kept = {key: value for key, value in parameters.items() if key not in ("bias", "coefficients")}
    return {**kept, "progress": {**anew, "single": False}}


def _sizes(sums: Sums) -> Floats:
    """How large the values are that each coefficient is multiplied by: root mean square, 1 for a word."""
    sizes = np.ones(sums.layout.size())
    dense, biases = sums.layout.dense_size(), sums.layout.biases()
    curvature = _diagonal(sums)[:dense].reshape(-1, biases)
    of_one = np.divide(curvature, curvature[0], out=np.ones_like(curvature), where=curvature[0] > 0.0)
    sizes[:dense] = np.sqrt(of_one).ravel()
    return sizes


def _diagonal(sums: Sums) -> Floats:
    hessian = sums.hessian
    return hessian.diagonal if isinstance(hessian, Outline) else np.diag(cast(Floats, hessian))


def _small(progress: Mapping[str, Any]) -> float:
    return SMALL_OF_MANY if progress["wide"] else SMALL


def _report(progress: Mapping[str, Any]) -> dict[str, Any]:
    """How the fit went, for a person: objective and gradient are those that the last step started from.

    With a lasso, the gradient is the least there is, as `Penalty.slope` says.
    """
    small = _small(progress)
    converged = progress["moved"] <= small
    given_up = (
        f"Newton's method did not converge in {progress['passes']} passes over the data: the last step was still "
        f"{progress['moved']:.2g} where {small:.0e} counts as small. Standardise the columns or raise the ridge."
    )
    return {
        "rows": progress["rows"],
        "iterations": progress["passes"],
        "objective": float(progress["objective"]),
        "gradient": progress["gradient"],
        "converged": converged,
        "note": "" if converged else given_up,
    }
