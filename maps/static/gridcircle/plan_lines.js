/* Boundaries that grids share: who has a vertex, where two grids meet. The server decides; this only
   lets neighbours follow the pointer before it answers, and names the boundary that was drawn. */
"use strict";

GridcirclePlan.lines = (function () {
  const key = ([x, y]) => `${x.toFixed(9)},${y.toFixed(9)}`;
  const rings = (feature) => GridcirclePlan.polygons(feature.geometry).flat();

  /** Grids of `features` that have a vertex at `point`. */
  function having(features, point) {
    const wanted = key(point);
    return features.filter((feature) => rings(feature).some((ring) => ring.some((at) => key(at) === wanted)));
  }

  /** The rings of a grid with one vertex moved. */
  function moved(feature, from, to) {
    const wanted = key(from);
    return GridcirclePlan.polygons(feature.geometry).map((polygon) =>
      polygon.map((ring) => ring.map((at) => (key(at) === wanted ? to : at))));
  }

  const edgesOf = (feature) => {
    const edges = new Set();
    for (const ring of rings(feature)) {
      for (let i = 0; i + 1 < ring.length; i++) edges.add(`${key(ring[i])}|${key(ring[i + 1])}`);
    }
    return edges;
  };

  /** Neighbours of a grid with how many metres of boundary they share, longest first. */
  function neighbours(features, feature) {
    const found = [];
    for (const other of features) {
      if (other.id === feature.id) continue;
      const edges = edgesOf(other);
      let shared = 0;
      for (const ring of rings(feature)) {
        for (let i = 0; i + 1 < ring.length; i++) {
          if (edges.has(`${key(ring[i + 1])}|${key(ring[i])}`) || edges.has(`${key(ring[i])}|${key(ring[i + 1])}`)) {
            shared += L.latLng(ring[i][1], ring[i][0]).distanceTo([ring[i + 1][1], ring[i + 1][0]]);
          }
        }
      }
      if (shared > 0) found.push({ feature: other, shared });
    }
    return found.sort((a, b) => b.shared - a.shared);
  }

  /**
   * The boundary that `feature` shares with the neighbour behind the edge from `a` to `b`.
   *
   * @returns {{other: object, line: number[][], at: number} | null} the line holds a and b, b at `at`
   */
  function boundary(features, feature, a, b) {
    const pair = (edges, p, q) => edges.has(`${key(p)}|${key(q)}`) || edges.has(`${key(q)}|${key(p)}`);
    for (const other of features) {
      if (other.id === feature.id) continue;
      const edges = edgesOf(other);
      if (!pair(edges, a, b)) continue;
      for (const closed of rings(feature)) {
        const ring = closed.slice(0, -1);
        const n = ring.length;
        const i = ring.findIndex((at, k) => key(at) === key(a) && key(ring[(k + 1) % n]) === key(b));
        if (i < 0) continue;
        const line = [ring[i], ring[(i + 1) % n]];
        let first = i;
        let last = (i + 1) % n;
        let at = 1;
        while (line.length < n && pair(edges, ring[(first - 1 + n) % n], ring[first])) {
          first = (first - 1 + n) % n;
          line.unshift(ring[first]);
          at += 1;
        }
        while (line.length < n && pair(edges, ring[last], ring[(last + 1) % n])) {
          last = (last + 1) % n;
          line.push(ring[last]);
        }
        return { other, line, at };
      }
    }
    return null;
  }

  return { key, having, moved, neighbours, boundary };
})();
