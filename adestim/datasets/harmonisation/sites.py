"""Sites as names and numbers, and whether they can be told from what stands beside them."""

from __future__ import annotations

from warnings import warn

import numpy as np
import pandas as pd

from adestim._support.words import first_names
from adestim.exceptions import DataWarning, InputError


def site_labels(column: pd.Series) -> np.ndarray:
    """Return sites as words; a whole number has the same one, however it is stored."""
    column = column.infer_objects()
    if pd.api.types.is_float_dtype(column) and (column % 1 == 0).all():
        column = column.astype("int64")
    return column.map(str).to_numpy(dtype=object)


def site_numbers(labels: np.ndarray, min_site_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of the sites from 0, small ones with one number, the last.

    labels (n_rows,) -> numbers (n_rows,).
    """
    names, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    large = counts >= min_site_size
    numbers = np.where(large, np.cumsum(large) - 1, large.sum())
    return numbers[codes], names[~large]


def require_separable(numbers: np.ndarray, covariates: np.ndarray) -> None:
    """Refuse covariates that the sites explain, or that explain each other."""
    varying = covariates[:, np.ptp(covariates, axis=0) > 0]
    design = np.hstack([np.eye(numbers.max() + 1)[numbers], varying])
    n_columns = design.shape[1]
    if len(design) <= n_columns:
        raise InputError(
            "There are more rows than sites and coded covariates",
            got=f"{len(design)} row(s) for {n_columns}",
            remedy="Pass more rows, or fewer covariates",
        )
    if np.linalg.matrix_rank(design) < n_columns:
        raise InputError(
            "Covariates vary within sites and differ from each other",
            got=f"{np.linalg.matrix_rank(design)} directions for {n_columns} sites and covariates",
            remedy="Leave out the covariate that tells the site, or that repeats another",
        )


def unadjusted_sites(labels: np.ndarray, min_site_size: int) -> None:
    """Warn of sites that are too small even together."""
    warn(
        f"{len(labels)} row(s) of sites with fewer than {min_site_size} rows, too few to be one "
        f"site together, are not adjusted: {first_names(np.unique(labels))}.",
        DataWarning,
        stacklevel=4,
    )


def require_rows(labels: np.ndarray, sites: np.ndarray, min_site_size: int) -> None:
    """Refuse sites of which too few rows are there to learn them from."""
    small = [site for site in sites if (labels == site).sum() < min_site_size]
    if small:
        raise InputError(
            f"A site that was not in training is learned from {min_site_size} rows or more",
            got=f"fewer of {first_names(small)}",
            remedy="Transform its rows together, or pass unseen='reference'",
        )
