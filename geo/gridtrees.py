"""Random spanning trees of cells, and cuts of a connected set in two along one.

References
----------
DeFord, Duchin, Solomon (2021), Recombination, doi:10.1162/99608f92.eb30390f.
"""

from __future__ import annotations

import numpy as np

from geo.gridgraph import LIMIT_HOUSEHOLDS, TARGET
from geo.kernels import kernel
from geo.xorshift import unit


@kernel
def root_of(parent, i):  # type: ignore[no-untyped-def]
    """Root of a node among joined sets, with the way there made shorter."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def tree(graph, member, m, local, rng):  # type: ignore[no-untyped-def]
    """A random spanning tree that runs within compounds and crosses barriers last.

    ``local`` numbers the members; other cells hold -1. Returns the order from the root, parents
    and the key of the edge to the parent, all by local number.
    """
    indptr, head, strength, compound, locked = graph[4], graph[5], graph[7], graph[8], graph[11]
    count = 0
    for s in range(m):
        i = member[s]
        for e in range(indptr[i], indptr[i + 1]):
            if head[e] > i and local[head[e]] >= 0:
                count += 1
    key = np.empty(count)
    ends = np.empty((count, 2), np.int64)
    k = 0
    for s in range(m):
        i = member[s]
        for e in range(indptr[i], indptr[i + 1]):
            j = head[e]
            if j > i and local[j] >= 0:
                apart = 0.0 if compound[i] == compound[j] else 0.6
                key[k] = unit(rng) + 1.2 * strength[e] + apart
                if locked[i] and locked[j]:
                    key[k] -= 4.0  # what is locked hangs together, so that a cut spares it
                ends[k, 0], ends[k, 1] = s, local[j]
                k += 1
    order = np.argsort(key)
    parent = np.arange(m)
    degree = np.zeros(m + 1, np.int64)
    chosen = np.empty(max(0, m - 1), np.int64)
    taken = 0
    for t in range(count):
        e = order[t]
        a, b = root_of(parent, ends[e, 0]), root_of(parent, ends[e, 1])
        if a != b:
            parent[a] = b
            chosen[taken] = e
            taken += 1
            degree[ends[e, 0]] += 1
            degree[ends[e, 1]] += 1
            if taken == m - 1:
                break
    starts = np.zeros(m + 1, np.int64)
    for s in range(m):
        starts[s + 1] = starts[s] + degree[s]
    fill = starts[:-1].copy()
    near = np.empty(starts[m], np.int64)
    near_key = np.empty(starts[m])
    for t in range(taken):
        e = chosen[t]
        a, b = ends[e, 0], ends[e, 1]
        near[fill[a]], near_key[fill[a]] = b, key[e]
        near[fill[b]], near_key[fill[b]] = a, key[e]
        fill[a] += 1
        fill[b] += 1
    up = np.full(m, -1, np.int64)
    up_key = np.zeros(m)
    walk = np.empty(m, np.int64)
    walk[0] = 0
    done, found = 0, 1
    while done < found:
        a = walk[done]
        done += 1
        for t in range(starts[a], starts[a + 1]):
            b = near[t]
            if b != up[a]:
                up[b], up_key[b] = a, near_key[t]
                walk[found] = b
                found += 1
    return walk[:found], up, up_key


@kernel
def below_edges(graph, member, walk, up):  # type: ignore[no-untyped-def]
    """Households and people on the far side of each tree edge."""
    households, people = graph[0], graph[1]
    h, p = np.empty(len(up)), np.empty(len(up))
    for s in range(len(up)):
        h[s], p[s] = households[member[s]], people[member[s]]
    for t in range(len(walk) - 1, 0, -1):
        a = walk[t]
        h[up[a]] += h[a]
        p[up[a]] += p[a]
    return h, p


@kernel
def side_of(walk, up, edge):  # type: ignore[no-untyped-def]
    """Local members on the far side of the edge from ``edge`` to its parent."""
    far = np.zeros(len(up), np.bool_)
    far[edge] = True
    for a in walk[1:]:
        if up[a] >= 0 and far[up[a]]:
            far[a] = True
    return far


@kernel
def cut_in_two(graph, terms, member, share, low, high, tries, rng):  # type: ignore[no-untyped-def]
    """Cut a connected set of cells in two connected sets.

    ``share`` of the households is wanted on the far side, between ``low`` and ``high`` of them if
    it can be; no locked cell may be there. Returns which members are on the far side; none where
    there is no cut.
    """
    m = len(member)
    fixed = 0
    for s in range(m):
        if graph[11][member[s]]:
            fixed += 1
    local = np.full(len(graph[0]), -1, np.int64)
    total = 0.0
    for s in range(m):
        local[member[s]] = s
        total += graph[0][member[s]]
    best = np.inf
    far = np.zeros(m, np.bool_)
    for _ in range(tries):
        walk, up, up_key = tree(graph, member, m, local, rng)
        h, _ = below_edges(graph, member, walk, up)
        held = np.zeros(m, np.int64)
        for t in range(len(walk) - 1, -1, -1):
            a = walk[t]
            if graph[11][member[a]]:
                held[a] += 1
            if up[a] >= 0:
                held[up[a]] += held[a]
        for a in walk[1:]:
            for turned in range(2):
                if (fixed - held[a] if turned else held[a]) > 0:
                    continue
                mine = total - h[a] if turned else h[a]
                out = max(0.0, low - mine) + max(0.0, mine - high)
                score = (
                    20.0 * out / max(terms[LIMIT_HOUSEHOLDS], 1.0)
                    + abs(mine - share * total) / max(terms[TARGET], 1.0)
                    - 0.15 * up_key[a]
                )
                if score < best:
                    best = score
                    side = side_of(walk, up, a)
                    far = ~side if turned else side
    return far
