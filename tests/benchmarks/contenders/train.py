"""The peers that fit a logistic regression of 20 numbers, to the same optimum: ridge 1 on all but the bias."""

from __future__ import annotations

from tests.benchmarks import judging
from tests.benchmarks.contenders.matrix import numbers
from tests.benchmarks.judging import Judge, Place, Work


def glum(place: Place) -> Work:
    """Iteratively reweighted least squares."""
    from glum import GeneralizedLinearRegressor

    def work() -> Judge:
        x, y = numbers(place.data)
        model = GeneralizedLinearRegressor(
            family="binomial", alpha=1.0 / len(y), l1_ratio=0, gradient_tol=1e-8, copy_X=False
        )
        model.fit(x, y)
        return lambda: judging.fitted(place, model.intercept_, model.coef_)

    return work


def newton_cholesky(place: Place) -> Work:
    """scikit-learn's Newton."""
    return _scikit_learn(place, "newton-cholesky", 1e-8)


def lbfgs(place: Place) -> Work:
    """scikit-learn's default."""
    return _scikit_learn(place, "lbfgs", 1e-8)


def _scikit_learn(place: Place, solver: str, tolerance: float) -> Work:
    from sklearn.linear_model import LogisticRegression

    def work() -> Judge:
        x, y = numbers(place.data)
        model = LogisticRegression(C=1.0, solver=solver, tol=tolerance, max_iter=1_000).fit(x, y)
        return lambda: judging.fitted(place, model.intercept_[0], model.coef_[0])

    return work
