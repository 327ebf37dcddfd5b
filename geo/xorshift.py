"""Random numbers for compiled searches: the state is an array, so that a seed gives one run.

References
----------
Vigna (2016), xorshift64*, doi:10.1145/2845077.
"""

from __future__ import annotations

import numpy as np

from geo.kernels import kernel


@kernel(inline="always")
def next_bits(state):  # type: ignore[no-untyped-def]
    """64 random bits; ``state`` has shape (1,), uint64, and is never 0."""
    x = state[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    state[0] = x
    return x * np.uint64(2685821657736338717)


@kernel(inline="always")
def unit(state):  # type: ignore[no-untyped-def]
    """Draw a number from 0 up to 1."""
    return np.float64(next_bits(state) >> np.uint64(11)) / 9007199254740992.0


@kernel(inline="always")
def below(state, count):  # type: ignore[no-untyped-def]
    """Draw a whole number from 0 to ``count`` - 1."""
    return min(count - 1, np.int64(unit(state) * count))
