"""What one pass over rows gives a linear model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import numpy.typing as npt

from ml_pipeline.columns import Floats
from ml_pipeline.models.layout import Layout


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """What is summed of a Hessian that is too large to be: its diagonal, and the products among a few directions.

    `products` is `Z'HZ` for the directions Z of `Layout.directions`.
    """

    diagonal: Floats
    products: Floats

    @classmethod
    def of(cls, hessian: Floats, layout: Layout) -> Outline:
        """The outline of a Hessian that is there in full."""
        return cls(np.diag(hessian).copy(), layout.along(layout.along(hessian).T))

    def __add__(self, other: Outline) -> Outline:
        return Outline(self.diagonal + other.diagonal, self.products + other.products)

    def __truediv__(self, share: float) -> Outline:
        return Outline(self.diagonal / share, self.products / share)


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """What is summed of a Hessian that is too large to be: the products of some coefficients, by their places."""

    places: npt.NDArray[np.intp]
    products: Floats

    def __add__(self, other: Partial) -> Partial:
        return Partial(self.places, self.products + other.products)

    def __truediv__(self, share: float) -> Partial:
        return Partial(self.places, self.products / share)


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Losses, their first and second derivatives by the coefficients, and labels, summed over rows.

    Second derivatives are an `Outline` or a `Partial` where the Hessian is too large. `weight`: how often the rows
    count together, each once where they have no weights. `labels`: their sum and that of their squares, or how often
    each class counts. `share`: of all rows; where it is less than 1, these are sums over a sample, extrapolated.
    """

    layout: Layout
    rows: int
    weight: float
    loss: float
    labels: Floats
    gradient: Floats
    hessian: Floats | Outline | Partial
    share: float = 1.0

    def __add__(self, other: Sums) -> Sums:
        """The sums of both sets of rows, over the words of both."""
        layout = self.layout if self.layout == other.layout else self.layout | other.layout
        outlined = isinstance(self.hessian, Outline) or isinstance(other.hessian, Outline)
        a, b = (_spread(_outlined(own) if outlined else own, layout) for own in (self, other))
        return Sums(
            layout,
            a.rows + b.rows,
            a.weight + b.weight,
            a.loss + b.loss,
            a.labels + b.labels,
            a.gradient + b.gradient,
            a.hessian + b.hessian,  # type: ignore[operator]
        )

    def extrapolated(self, share: float) -> Sums:
        """What the sums over all rows are about, where these are over a share of them."""
        return Sums(
            self.layout,
            round(self.rows / share),
            self.weight / share,
            self.loss / share,
            self.labels / share,
            self.gradient / share,
            self.hessian / share,
            share,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """The product of the Hessian and one direction, summed over rows."""

    vector: Floats

    def __add__(self, other: Product) -> Product:
        return Product(self.vector + other.vector)

    def extrapolated(self, share: float) -> Product:
        """What the product over all rows is about, where this is over a share of them."""
        return Product(self.vector / share)


def _outlined(sums: Sums) -> Sums:
    if isinstance(sums.hessian, Outline):
        return sums
    return replace(sums, hessian=Outline.of(cast(Floats, sums.hessian), sums.layout))


def _spread(sums: Sums, layout: Layout) -> Sums:
    """The same sums over the words of a wider layout."""
    if layout == sums.layout:
        return sums
    places, size = sums.layout.places(layout), layout.size()
    if isinstance(sums.hessian, Outline):
        hessian: Floats | Outline = replace(sums.hessian, diagonal=_placed(sums.hessian.diagonal, places, size))
    else:
        hessian = np.zeros((size, size))
        hessian[np.ix_(places, places)] = cast(Floats, sums.hessian)
    return replace(sums, layout=layout, gradient=_placed(sums.gradient, places, size), hessian=hessian)


def _placed(values: Floats, places: npt.NDArray[np.intp], size: int) -> Floats:
    placed = np.zeros(size)
    placed[places] = values
    return placed
