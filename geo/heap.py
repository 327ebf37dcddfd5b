"""A binary heap of whole numbers in an array, for compiled searches."""

from __future__ import annotations

import numpy as np

from geo.kernels import kernel


@kernel(inline="always")
def push_key(heap, size, key):  # type: ignore[no-untyped-def]
    """Add a key; ``size`` is the size before, and the heap has room for one more."""
    i = size
    while i > 0:
        parent = (i - 1) >> 1
        if heap[parent] <= key:
            break
        heap[i] = heap[parent]
        i = parent
    heap[i] = key


@kernel(inline="always")
def pop_key(heap, size):  # type: ignore[no-untyped-def]
    """Take the least key; ``size`` is the size before."""
    top = heap[0]
    last = heap[size - 1]
    size -= 1
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= last:
            break
        heap[i] = heap[child]
        i = child
    heap[i] = last
    return top


@kernel
def widened(array, room):  # type: ignore[no-untyped-def]
    """Copy into an array with more room."""
    wider = np.empty(room, array.dtype)
    for k in range(len(array)):
        wider[k] = array[k]
    return wider
