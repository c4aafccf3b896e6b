"""The transform: its roots, its order, and the compiled one beside numpy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moretta.protection.he.parameters import ROOTS, SPECIAL, N, P, T
from moretta.protection.he.ring import backward, forward
from moretta.protection.he.transforms import ahead, back, tables, times, with_quotients

MODULI = (P, SPECIAL, T)


@pytest.mark.parametrize("modulus", MODULI)
def test_each_root_is_the_smallest_of_its_order(modulus: int) -> None:
    root = ROOTS[modulus]
    assert pow(root, N, modulus) == modulus - 1
    square = root * root % modulus
    value, others = root, []
    for _ in range(N):
        others.append(value)
        value = value * square % modulus
    assert min(others) == root


@pytest.mark.parametrize("modulus", MODULI)
def test_products_at_points_are_products_modulo_x_to_the_n_plus_one(modulus: int) -> None:
    rng = np.random.default_rng(1)
    polynomial, shift = rng.integers(0, modulus, N).astype(np.uint64), np.zeros(N, np.uint64)
    shift[5] = 1
    product = backward(forward(polynomial, modulus) * forward(shift, modulus) % np.uint64(modulus), modulus)
    assert (product[5:] == polynomial[:-5]).all()
    assert ((product[:5] + polynomial[-5:]) % np.uint64(modulus) == 0).all()


@pytest.mark.parametrize("modulus", MODULI)
@pytest.mark.parametrize("fill", ["random", "largest", "zero"])
def test_the_compiled_transform_is_numpys(modulus: int, fill: str) -> None:
    values = np.random.default_rng(2).integers(0, modulus, N).astype(np.uint64)
    if fill != "random":
        values[:] = modulus - 1 if fill == "largest" else 0
    table, p = tables(modulus), np.uint64(modulus)
    moved = values.copy()
    ahead(moved, table.ahead, p)
    assert (moved == forward(values, modulus)).all()
    back(moved, table.back, table.scale, p)
    assert (moved == values).all()


@settings(max_examples=200)
@given(x=st.integers(0, 2**32 - 1), factor=st.integers(0, P - 1))
def test_shoups_product_is_exact_for_every_32_bit_number(x: int, factor: int) -> None:
    pair = with_quotients(np.array([factor], np.uint64), P)
    assert int(times(np.uint64(x), pair[0, 0], pair[1, 0], np.uint64(P))) == x * factor % P
