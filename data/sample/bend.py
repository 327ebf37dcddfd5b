"""From the drawing board to the ground: the bend that keeps a town from being a chessboard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bend:
    """A smooth one-to-one map of the plane: round corners, slow waves, a turn and a shift.

    Streets are drawn straight on a board in metres and bent here, so that everything that was
    planar on the board is planar on the ground.

    Attributes
    ----------
    half_u_m, half_v_m : float
        Half the width and height of the ring road on the board.
    corner : float
        Share by which the corners of the ring are pulled inwards.
    waves : ndarray, shape (k, 6)
        Amplitudes in u and v in metres, wave numbers in u and v in 1/m, two phases.
    turn_rad : float
        Counter-clockwise turn of the whole town.
    centre_m : tuple of float
        Where the middle of the board comes to lie.
    """

    half_u_m: float
    half_v_m: float
    corner: float
    waves: NDArray[np.float64]
    turn_rad: float
    centre_m: tuple[float, float]

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        *,
        half_u_m: float,
        half_v_m: float,
        centre_m: tuple[float, float],
    ) -> Bend:
        """Draw a bend at random; slopes stay below a half, so the map never folds."""
        waves = []
        for about_m, slope in ((4200.0, 0.13), (2900.0, 0.09), (1900.0, 0.07)):
            k = 2 * np.pi / (about_m * rng.uniform(0.85, 1.15))
            direction = rng.uniform(0, 2 * np.pi)
            amplitude = slope / k
            # Each wave displaces across its own direction, as a meander does.
            waves.append(
                (
                    -amplitude * np.sin(direction),
                    amplitude * np.cos(direction),
                    k * np.cos(direction),
                    k * np.sin(direction),
                    *rng.uniform(0, 2 * np.pi, 2),
                )
            )
        turn = np.radians(rng.uniform(4, 13)) * rng.choice([-1, 1])
        return cls(half_u_m, half_v_m, 0.12, np.array(waves), float(turn), centre_m)

    def __call__(self, uv: Points) -> Points:
        """Bend board coordinates (n, 2) to ground coordinates (n, 2), both in metres."""
        u, v = uv[:, 0], uv[:, 1]
        p = np.clip(np.abs(u) / self.half_u_m, 0, 1)
        q = np.clip(np.abs(v) / self.half_v_m, 0, 1)
        shrink = 1 - self.corner * p**2 * q**2
        x, y = u * shrink, v * shrink
        for du, dv, ku, kv, a, _ in self.waves:
            s = np.sin(ku * u + kv * v + a)
            x = x + du * s
            y = y + dv * s
        c, s = np.cos(self.turn_rad), np.sin(self.turn_rad)
        return np.column_stack((c * x - s * y + self.centre_m[0], s * x + c * y + self.centre_m[1]))
