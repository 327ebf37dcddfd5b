"""How far people walk in a town in the making: enough of a network to place its stations by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import KDTree

from data.sample.draft import OsmDraft

Points = NDArray[np.float64]
Ints = NDArray[np.int64]


class Walking:
    """The paths and streets of a draft, for walking distances from many places at once.

    Only for the making of the sample: legs to the nearest node are straight, walls are not
    looked at. What a user is told comes from `geo.search`.

    Parameters
    ----------
    draft : OsmDraft
    first_way : int
        Ways before it are another town's.
    """

    def __init__(self, draft: OsmDraft, first_way: int) -> None:
        xy = np.array(draft.xy)
        shut = {n for n, tags in draft.node_tags.items() if tags.get("locked") == "yes"}
        pairs: list[Ints] = []
        for nodes, tags in draft.ways[first_way:]:
            if "highway" in tags and not shut.intersection(nodes):
                way = np.array(nodes)
                pairs.append(np.column_stack((way[:-1], way[1:])))
        ends = np.vstack(pairs)
        used, place = np.unique(ends, return_inverse=True)
        place = place.reshape(ends.shape)
        length = np.hypot(*(xy[ends[:, 0]] - xy[ends[:, 1]]).T)
        n = len(used)
        graph = coo_array((length, (place[:, 0], place[:, 1])), shape=(n, n)).tocsr()
        graph.sum_duplicates()
        self._graph: csr_array = graph.maximum(graph.T)
        self._tree = KDTree(xy[used])

    def nearest(self, points: Points) -> tuple[Points, Ints]:
        """Straight distance to the nearest node in metres, and the node."""
        off, node = self._tree.query(points)
        return np.asarray(off), np.asarray(node, np.int64)

    def distance_m(self, demand: Points, places: Points) -> Points:
        """Metres from each demand point to the nearest of the places.

        Parameters
        ----------
        demand, places : ndarray, shape (n, 2) and (m, 2)
            Ground metres.
        """
        at, node = self.nearest(demand)
        off, start = self.nearest(places)
        reached = dijkstra(self._graph, directed=False, indices=start, min_only=True)
        # Legs at the station's end are short and alike: their mean is as good as each one.
        return np.asarray(at + reached[node] + off.mean())
