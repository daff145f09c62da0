from __future__ import annotations

import numpy as np
import pytest

from ml_pipeline.columns import Bag, Category
from ml_pipeline.models.design import CELLS, Codes, Design, _groups
from ml_pipeline.models.layout import Layout


def category(chance: np.random.Generator, rows: int, size: int) -> Category:
    return Category(chance.integers(-1, size, rows).astype(np.int32), tuple(f"w{i}" for i in range(size)[::-1]))


def bag(chance: np.random.Generator, rows: int, width: int) -> Bag:
    held = chance.random((rows, width)) < 0.3
    return Bag.of(held.sum(axis=1), np.nonzero(held)[1], width)


def dense(column: Bag) -> np.ndarray:
    full = np.zeros((len(column), column.width))
    for row in range(len(column)):
        full[row, column.places[column.offsets[row] : column.offsets[row + 1]]] = 1.0
    return full


def matrix(x: dict, layout: Layout) -> np.ndarray:
    """The design matrix, made in full."""
    rows = len(next(iter(x.values())))
    parts = [np.ones((rows, 1)), *(np.reshape(x[name], (rows, width or 1)) for name, width in layout.dense)]
    parts += [dense(x[name]) for name, _, _ in layout.bags]
    for name, words in layout.words:
        values = np.array([value or "" for value in x[name].values()])
        parts.append((values[:, None] == np.array(words)).astype(float))
    return np.hstack(parts)


@pytest.mark.parametrize("rows", [0, 1, 100, 9_000])
@pytest.mark.parametrize("sizes", [(), (3,), (3, 16, 7, 100, 200)])
def test_the_sums_are_products_with_the_design_matrix(rows: int, sizes: tuple[int, ...]) -> None:
    chance = np.random.default_rng(rows)
    x: dict = {"n": chance.normal(size=rows), "b": chance.normal(size=(rows, 4)), "f": chance.normal(size=(3, rows)).T}
    x |= {"many": bag(chance, rows, 11), "few": bag(chance, rows, 1)}
    x |= {f"c{place}": category(chance, rows, size) for place, size in enumerate(sizes)}
    residual, curvature = chance.normal(size=rows), chance.random(rows)
    layout = Layout.of(x, x)
    design, full = Design(x, layout, rows), matrix(x, layout)
    theta = chance.normal(size=layout.size())
    hessian = design.hessian(curvature)
    np.testing.assert_allclose(design.scores(theta), full @ theta, atol=1e-10)
    np.testing.assert_allclose(design.transposed(residual), full.T @ residual, atol=1e-10)
    np.testing.assert_allclose(hessian, full.T @ (full * curvature[:, None]), atol=1e-10)
    assert np.array_equal(hessian, hessian.T)


def test_only_small_categories_are_counted_together() -> None:
    one = np.zeros(1, np.intp)
    groups = _groups([Codes(slice(0), one, size) for size in (4, 17, 8, 101, 201, 10_001)])
    assert [[category.size for category in group] for group in groups] == [[10_001], [201, 17], [101, 8, 4]]
    assert all(np.prod([category.size for category in group]) <= CELLS for group in groups[1:])
