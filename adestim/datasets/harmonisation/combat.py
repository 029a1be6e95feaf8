"""ComBat, formula by formula, on arrays in which missing values are NaN.

Rows are subjects, columns features. Symbols are those of Johnson, Li and Rabinovic (2007),
Biostatistics 8, 118, whose method Fortin et al. (2018), NeuroImage 167, 104, brought to imaging.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

TOLERANCE = 1e-10
MOST_STEPS = 10_000
BLOCK = 256


@dataclass(frozen=True)
class Standard:
    """What all sites together say of every feature."""

    location: np.ndarray  # (n_features,); mean over sites, each weighted by its number of rows
    slopes: np.ndarray  # (n_covariates, n_features); effects of the covariates
    # (n_features,); standard deviation of the residuals, all sites together; 1 where there is none
    scale: np.ndarray
    flat: np.ndarray  # (n_features,); features without residuals, which no site can change

    @classmethod
    def learn(cls, values: np.ndarray, sites: np.ndarray, covariates: np.ndarray) -> Standard:
        """Learn it from rows, their sites as numbers from 0, and centred covariates."""
        indicators = np.eye(sites.max() + 1)[sites]
        design = np.hstack([indicators, covariates])
        coefficients = least_squares(design, values)
        intercepts, slopes = np.split(coefficients, [indicators.shape[1]])
        counts = indicators.T @ ~np.isnan(values)
        rows = np.maximum(counts.sum(axis=0), 1)
        location = (counts * intercepts).sum(axis=0) / rows
        variance = np.nansum((values - design @ coefficients) ** 2, axis=0) / rows
        flat = variance <= 1e-20 * (1 + location**2)
        return cls(location, slopes, np.where(flat, 1.0, np.sqrt(variance)), flat)

    def expected(self, covariates: np.ndarray) -> np.ndarray:
        """Return what is expected of rows of these covariates, whatever their site."""
        return self.location + covariates @ self.slopes


def least_squares(design: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return coefficients of every feature over the rows in which it is known.

    design (n_rows, n_coefficients), values (n_rows, n_features) -> (n_coefficients, n_features).
    """
    known = ~np.isnan(values)
    # Packed, columns are compared eight rows at a time.
    _, first, which = np.unique(
        np.packbits(known, axis=0), axis=1, return_index=True, return_inverse=True
    )
    coefficients = np.zeros((design.shape[1], values.shape[1]))
    for number, rows in enumerate(known[:, first].T):
        features = np.flatnonzero(which.ravel() == number)
        cells = values[np.ix_(rows, features)]
        coefficients[:, features] = np.linalg.lstsq(design[rows], cells, rcond=None)[0]
    return coefficients


@dataclass(frozen=True)
class Sums:
    """Sums over the rows of one site, of shape (n_features,)."""

    n: np.ndarray
    first: np.ndarray
    second: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean of every feature; 0 where it is never known."""
        return self.first / np.maximum(self.n, 1)

    def squares_about(self, centre: np.ndarray) -> np.ndarray:
        """Return the sum of squares about a value of each feature."""
        return np.maximum(self.second - 2 * centre * self.first + self.n * centre**2, 0)


def site_effects(
    standardised: np.ndarray, flat: np.ndarray, parametric: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return the location and the scale of one site, shrunken towards those of all features.

    standardised (n_rows, n_features), flat (n_features,) -> location, scale (n_features,).
    """
    sums = Sums(
        (~np.isnan(standardised)).sum(axis=0),
        np.nansum(standardised, axis=0),
        np.nansum(standardised**2, axis=0),
    )
    variance = sums.squares_about(sums.mean) / np.maximum(sums.n - 1, 1)
    sure = ~flat & (sums.n > 1) & (variance > 0)
    if can_shrink(sums.mean[sure], variance[sure]):
        shrink = shrink_by_moments if parametric else shrink_by_features
        location, variance = shrink(sums, variance, sure)
    else:
        location = sums.mean
    usable = ~flat & (variance > 0)
    return np.where(flat, 0.0, location), np.sqrt(np.where(usable, variance, 1.0))


def can_shrink(means: np.ndarray, variances: np.ndarray) -> bool:
    """Tell whether there are features enough that vary, for them to say what is usual."""
    return len(means) > 1 and np.var(variances) > 0 and np.var(means) > 0


def shrink_by_moments(
    sums: Sums, variance: np.ndarray, sure: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return posterior locations and variances under priors fitted by their moments.

    Each is the other's conditional posterior mean; they are taken in turn until both rest.
    """
    usual, tau2 = sums.mean[sure].mean(), sums.mean[sure].var(ddof=1)
    v, s2 = variance[sure].mean(), variance[sure].var(ddof=1)
    shape, rate = (v**2 + 2 * s2) / s2, (v**3 + v * s2) / s2
    delta2 = np.where(sure, variance, v)
    for _ in range(MOST_STEPS):
        gamma = (sums.n * tau2 * sums.mean + delta2 * usual) / (sums.n * tau2 + delta2)
        before = delta2
        delta2 = (rate + sums.squares_about(gamma) / 2) / (sums.n / 2 + shape - 1)
        if np.abs(delta2 - before).max() <= TOLERANCE * v:
            break
    return gamma, delta2


def shrink_by_features(
    sums: Sums, variance: np.ndarray, sure: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return means over the other features, weighted by the likelihood of their estimates.

    The non-parametric variant of Johnson et al. (2007).
    """
    gammas, deltas = sums.mean[sure], variance[sure]
    others = np.flatnonzero(sure)
    blocks = [
        softmax(log_likelihoods(sums, block, gammas, deltas, others), axis=1)
        for block in np.array_split(np.arange(len(sure)), len(sure) // BLOCK + 1)
    ]
    return (
        np.concatenate([weights @ gammas for weights in blocks]),
        np.concatenate([weights @ deltas for weights in blocks]),
    )


def log_likelihoods(
    sums: Sums, block: np.ndarray, gammas: np.ndarray, deltas: np.ndarray, others: np.ndarray
) -> np.ndarray:
    """Return log-likelihoods of features' rows under other features' estimates."""
    n, first, second = (part[block, None] for part in (sums.n, sums.first, sums.second))
    squares = second - 2 * gammas * first + n * gammas**2
    values = -(n * np.log(2 * np.pi * deltas) + squares / deltas) / 2
    values[block[:, None] == others] = -np.inf
    return values
