"""Tissue fractions of a T1-weighted volume: a Gaussian mixture guided by spatial priors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Rows: classes of the mixture. Columns: cerebrospinal fluid, grey matter, white matter. Pure
# tissues, and voxels on the border of two: at a resolution of mm these are most of the cortex.
MIXING = np.array(
    [[3, 0, 0], [2, 1, 0], [1, 2, 0], [0, 3, 0], [0, 2, 1], [0, 1, 2], [0, 0, 3]],
    dtype=np.float32,
) / np.float32(3)
PRIOR_FLOOR = 0.01
SURE_POWER = 4
N_ITERATIONS = 20
MIN_SD = 0.02
MIN_WEIGHT = 1e-4
BIAS_FROM_ITERATION = 4
BIAS_LIMITS = (0.5, 2.0)


@dataclass(frozen=True, eq=False)
class TissueSegmentation:
    """What a volume's voxels are made of."""

    # (3, n_voxels); share of cerebrospinal fluid, grey matter and white matter; they add up to 1
    fractions: np.ndarray
    # (n_voxels,); intensities without the smooth inhomogeneity of the receiving coil
    corrected: np.ndarray
    means: np.ndarray  # (3,); mean corrected intensity of each pure tissue

    def relative_intensity(self) -> np.ndarray:
        """Return intensities on the scale where pure CSF is 0 and pure white matter is 1."""
        csf, _, white = self.means
        return (self.corrected - csf) / (white - csf)


def segment_tissues(
    intensities: np.ndarray, priors: np.ndarray, positions: np.ndarray
) -> TissueSegmentation:
    """Estimate tissue fractions by expectation maximisation.

    Seven classes, three tissues and two steps on each border between them, share one spread; the
    mean of a border is the weighted mean of its tissues. Spatial priors say where each tissue
    may be, one weight a class how much of it this brain has. A smooth multiplicative field, a
    quadratic in space, is estimated at the same time.

    intensities (n_voxels,), priors (3, n_voxels), positions (n_voxels, 3).

    Ashburner and Friston (2005). Unified segmentation. NeuroImage 26(3), 839-851.
    Van Leemput et al. (1999). Automated model-based bias field correction of MR images of the
    brain. IEEE Transactions on Medical Imaging 18(10), 885-896.
    """
    atlas = class_priors(priors)
    basis = quadratic_basis(positions)
    intensities = np.asarray(intensities, dtype=np.float32)
    corrected = intensities
    weights = np.ones(len(MIXING), dtype=np.float32)
    # The first means come from the voxels that the template is sure of.
    means, sd = gaussians(corrected, atlas**SURE_POWER)
    for iteration in range(N_ITERATIONS):
        posterior = posteriors(corrected, atlas, weights, means, sd)
        if iteration >= BIAS_FROM_ITERATION:
            corrected = intensities / bias_field(intensities, posterior, means, basis)
        means, sd = gaussians(corrected, posterior)
        weights = class_weights(posterior, atlas, weights)
    return TissueSegmentation(MIXING.T @ posterior, corrected, means)


def class_priors(priors: np.ndarray) -> np.ndarray:
    """Spread the tissues' priors over the classes, shape (n_classes, n_voxels)."""
    softened = (priors + PRIOR_FLOOR) / (1 + 3 * PRIOR_FLOOR)
    classes = np.exp(MIXING @ np.log(softened)).astype(np.float32)
    return classes / classes.sum(axis=0)


def gaussians(intensities: np.ndarray, posterior: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the tissues' means, which the borders share, and the common spread."""
    mass = posterior.sum(axis=1, dtype=float)
    total = posterior @ intensities
    means = np.linalg.solve((MIXING.T * mass) @ MIXING, MIXING.T @ total)
    squares = posterior.sum(axis=0) @ intensities**2
    class_means = MIXING @ means
    variance = (squares - 2 * class_means @ total + mass @ class_means**2) / mass.sum()
    return means, max(float(np.sqrt(max(variance, 0))), MIN_SD)


def class_weights(posterior: np.ndarray, atlas: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return how much more of each class there is than the atlas expects."""
    expected = (atlas / (weights @ atlas)).sum(axis=1)
    updated = posterior.sum(axis=1) / expected
    return np.maximum(updated / updated.sum(), MIN_WEIGHT).astype(np.float32)


def posteriors(
    intensities: np.ndarray,
    atlas: np.ndarray,
    weights: np.ndarray,
    means: np.ndarray,
    sd: float,
) -> np.ndarray:
    """Return the probability of every class in every voxel, shape (n_classes, n_voxels)."""
    distance = (intensities[None] - (MIXING @ means).astype(np.float32)[:, None]) / np.float32(sd)
    distance = distance**2
    joint = weights[:, None] * atlas * np.exp((distance.min(axis=0) - distance) / 2)
    return joint / joint.sum(axis=0)


def quadratic_basis(positions: np.ndarray) -> np.ndarray:
    """Return the quadratic polynomials of the positions without the constant, centred."""
    unit = positions / np.abs(positions).max(axis=0)
    x, y, z = unit.T
    basis = np.stack([x, y, z, x * x, y * y, z * z, x * y, x * z, y * z]).astype(np.float32)
    return basis - basis.mean(axis=1, keepdims=True)


def bias_field(
    intensities: np.ndarray, posterior: np.ndarray, means: np.ndarray, basis: np.ndarray
) -> np.ndarray:
    """Fit the smooth factor between a volume and what its tissues predict."""
    predicted = ((MIXING @ means).astype(np.float32)) @ posterior
    design = basis * predicted
    coefficients = np.linalg.solve(
        (design @ design.T).astype(float), design @ (intensities - predicted)
    )
    return np.clip(1 + coefficients.astype(np.float32) @ basis, *BIAS_LIMITS)
