"""How far each modality of another cohort is from that of the training cohort."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist, pdist

from adestim._support.checks import require_count
from adestim._support.frames import read_frame
from adestim._support.sklearn import draw_seeds
from adestim._support.words import first_names
from adestim.encoding.blocks import name_blocks
from adestim.encoding.presence import find_present, modality_columns
from adestim.encoding.tables import find_encoded
from adestim.evaluation.scores.significance import holm
from adestim.exceptions import InputError
from adestim.extraction.pool_tokens import PoolTokens


def modality_shift(
    X_home: Any,
    X_external: Any,
    *,
    n_permutations: int = 999,
    max_subjects: int = 500,
    random_state: Any = 0,
) -> pd.DataFrame:
    """Return how far every modality of another cohort is from that of the training cohort.

    Parameters
    ----------
    X_home : DataFrame of shape (n_home, n_columns)
        Encodings table or numeric table of the training cohort.
    X_external : DataFrame of shape (n_external, n_columns)
        The same of the other cohort; modalities that it lacks count as missing.
    n_permutations : int, default=999
        Permutations of the test; 0 leaves p-values out.
    max_subjects : int, default=500
        Of more people of a cohort so many are drawn for each modality.
    random_state : int, RandomState instance or None, default=0
        Controls who is drawn, and the permutations.

    Returns
    -------
    DataFrame
        A row for each modality: ``n_home`` and ``n_external`` people who have it, the shares who do
        not, ``missing_home`` and ``missing_external``, the squared maximum mean discrepancy
        ``mmd2`` of those who do, its ``p``, and ``p_holm``, adjusted for the number of modalities.
        NaN where fewer than two people of a cohort have the modality.

    Raises
    ------
    InputError
        When a table holds neither encodings nor numbers, or is none of columns with names, or a
        number is none of those allowed.

    See Also
    --------
    transfer : What a shift costs.

    Notes
    -----
    Values are standardised by the training cohort; a missing value within a modality is taken for
    its mean there. The kernel is Gaussian, its width the median distance of all people; the
    estimate is the unbiased one, and may be below 0. Encodings are pooled to numbers by
    :class:`adestim.PoolTokens`, fitted on the training cohort. Of several rows with one label the
    first counts. A shift that is found need not hurt, and one that is not found may.

    References
    ----------
    Gretton, A., Borgwardt, K. M., Rasch, M. J., Schölkopf, B., & Smola, A. (2012). A kernel
    two-sample test. Journal of Machine Learning Research, 13, 723-773.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim.evaluation import modality_shift
    >>> rng = np.random.default_rng(0)
    >>> home = pd.DataFrame(rng.normal(size=(60, 2)), columns=["mri__volume", "csf__tau"])
    >>> abroad = pd.DataFrame(rng.normal(size=(40, 2)), columns=["mri__volume", "csf__tau"])
    >>> abroad["mri__volume"] += 1.0
    >>> table = modality_shift(home, abroad, n_permutations=99)
    >>> (table["p_holm"] < 0.05).to_dict()
    {'mri': True, 'csf': False}
    """
    require_count(n_permutations, "'n_permutations' is a whole number from 0", least=0)
    require_count(max_subjects, "'max_subjects' is a whole number from 2", least=2)
    home, external = (
        read_people(X, name) for X, name in ((X_home, "X_home"), (X_external, "X_external"))
    )
    external = fit_columns(external, home)
    seeds = draw_seeds(random_state, len(home.columns))
    rows = {}
    for seed, (name, places) in zip(seeds, modality_columns(home).items(), strict=False):
        own, other = (table.iloc[:, list(places)] for table in (home, external))
        rows[name] = compare_modality(own, other, n_permutations, max_subjects, seed)
    found = pd.DataFrame.from_dict(rows, orient="index").rename_axis(index="modality")
    return found.assign(p_holm=holm(found["p"]))


def read_people(X: Any, name: str) -> pd.DataFrame:
    """Return a table whose columns have names, a row a person."""
    table = read_frame(X)
    if not isinstance(table, pd.DataFrame) or not len(table):
        raise InputError(
            f"{name!r} is a frame with a row or more, as columns are matched by name",
            got=f"a {type(X).__name__}",
        )
    return name_blocks(table.loc[~table.index.duplicated()])


def fit_columns(external: pd.DataFrame, home: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the columns of the training cohort, empty where it lacks them."""
    others = external.columns.difference(home.columns, sort=False)
    if len(others):
        raise InputError(
            "The other cohort has the columns of the training cohort, or fewer",
            got=f"besides, {first_names(others)}",
            remedy="Rename or drop them",
        )
    return external.reindex(columns=home.columns)


def compare_modality(
    home: pd.DataFrame,
    external: pd.DataFrame,
    n_permutations: int,
    max_subjects: int,
    seed: int,
) -> dict[str, Any]:
    """Return who has a modality in either cohort, how far they are apart, and the p-value."""
    places = {"": list(range(home.shape[1]))}
    has = [find_present(table, places)[""].to_numpy() for table in (home, external)]
    result: dict[str, Any] = {
        "n_home": int(has[0].sum()),
        "n_external": int(has[1].sum()),
        "missing_home": 1 - float(has[0].mean()),
        "missing_external": 1 - float(has[1].mean()),
        "mmd2": np.nan,
        "p": np.nan,
    }
    if min(result["n_home"], result["n_external"]) < 2:
        return result
    rng = np.random.default_rng(seed)
    drawn = [draw_some(np.flatnonzero(rows), max_subjects, rng) for rows in has]
    first, second = standardise_pair(home.iloc[drawn[0]], external.iloc[drawn[1]])
    distance, p = run_kernel_test(first, second, n_permutations, rng)
    return result | {"mmd2": distance, "p": p}


def draw_some(rows: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return all rows, or so many of them in order."""
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def standardise_pair(home: pd.DataFrame, external: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of both cohorts, by mean and deviation of the first."""
    if len(find_encoded(home, None)):
        pool = PoolTokens().fit(home)
        home, external = (
            pd.DataFrame(np.asarray(pool.transform(each))) for each in (home, external)
        )
    try:
        first, second = (each.to_numpy(dtype=float) for each in (home, external))
    except (TypeError, ValueError) as error:
        raise InputError(
            "Modalities are compared as encodings or numbers",
            got=f"other cells in {first_names(home.columns)}",
            remedy="Pass what the extractors return",
        ) from error
    known = ~np.isnan(first).all(axis=0)
    first, second = first[:, known], second[:, known]
    mean, deviation = np.nanmean(first, axis=0), np.nanstd(first, axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    return np.nan_to_num((first - mean) / scale), np.nan_to_num((second - mean) / scale)


def run_kernel_test(
    first: np.ndarray, second: np.ndarray, n_permutations: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Return the squared discrepancy of two samples, (n, d) and (m, d), and its p-value."""
    values = np.concatenate([first, second])
    width = np.median(pdist(values)) or 1.0
    kernel = np.exp(-cdist(values, values, "sqeuclidean") / (2 * width**2))
    np.fill_diagonal(kernel, 0)
    is_first = np.arange(len(values)) < len(first)
    found = float(measure_discrepancies(kernel, is_first[None])[0])
    if not n_permutations:
        return found, np.nan
    shuffled = rng.permuted(np.tile(is_first, (n_permutations, 1)), axis=1)
    drawn = measure_discrepancies(kernel, shuffled)
    return found, float((1 + (drawn >= found).sum()) / (1 + n_permutations))


def measure_discrepancies(kernel: np.ndarray, is_first: np.ndarray) -> np.ndarray:
    """Return unbiased squared discrepancies: kernel (n, n) without diagonal, (n_draws, n) rows."""
    side = is_first.astype(float)
    other = 1 - side
    n_first, n_other = side.sum(axis=1), other.sum(axis=1)
    own, foreign = side @ kernel, other @ kernel
    within = np.einsum("ij,ij->i", own, side) / (n_first * (n_first - 1))
    beside = np.einsum("ij,ij->i", foreign, other) / (n_other * (n_other - 1))
    across = np.einsum("ij,ij->i", own, other) / (n_first * n_other)
    return within + beside - 2 * across
