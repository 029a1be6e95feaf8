"""What of a volume is background, and where its intensities begin, whatever their scale."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import label

BRIGHTEST_PERCENTILE = 99.0
DARKEST_PERCENTILE = 1.0
# Intensities beyond this multiple of the brightest tissue are artefacts.
BRIGHTEST_KEPT = 1.5


def find_background(values: np.ndarray) -> float | None:
    """Return the value that at least half of a volume's outer faces share, None without one.

    A skull-stripped or zero-padded image has one; a full head with noisy air has none, nor has
    one whose faces are mostly NaN.

    values (n_x, n_y, n_z).
    """
    faces = np.concatenate([values.take([0, -1], axis=axis).ravel() for axis in range(3)])
    known = faces[~np.isnan(faces)]
    if 2 * known.size < faces.size:
        return None
    found, count = np.unique(known, return_counts=True)
    commonest = count.argmax()
    return float(found[commonest]) if 2 * count[commonest] >= known.size else None


def settle_background(values: np.ndarray) -> np.ndarray:
    """Return a volume whose background, if it is NaN or a constant below the rest, is zero.

    values (n_x, n_y, n_z) -> (n_x, n_y, n_z).
    """
    background = find_background(values)
    values = np.nan_to_num(values, nan=background or 0.0)
    if not background:
        return values
    inside = values[values != background]
    if not inside.size or background > np.percentile(inside, DARKEST_PERCENTILE):
        return values
    return values - np.float32(background)


def count_holes(values: np.ndarray) -> int:
    """Count the NaN that do not hang together with an outer face, and so are no background."""
    blank = np.isnan(values)
    if not blank.any():
        return 0
    parts, _ = label(blank)
    faces = [parts.take([0, -1], axis=axis).ravel() for axis in range(3)]
    return int(np.count_nonzero(blank & ~np.isin(parts, np.unique(np.concatenate(faces)))))


def find_zero(inside: np.ndarray) -> tuple[float, float]:
    """Return the intensities that stand for nothing and for the brightest tissue.

    Nothing is zero, unless intensities are signed or far from it: then it is the darkest of them.

    inside (n_voxels,).
    """
    low, high = np.percentile(inside, [DARKEST_PERCENTILE, BRIGHTEST_PERCENTILE])
    plain = 0 <= low <= high - low
    return (0.0 if plain else float(low)), float(high)


def lift_intensities(values: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Return intensities that begin at zero, without those far from all others; zero unsupported.

    values (n_x, n_y, n_z), support (n_x, n_y, n_z).
    """
    zero, high = find_zero(values[support])
    lifted = np.clip(values - np.float32(zero), 0, np.float32(BRIGHTEST_KEPT * (high - zero)))
    return np.where(support, lifted, np.float32(0))
