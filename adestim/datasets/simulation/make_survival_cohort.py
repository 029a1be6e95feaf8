"""A simulated cohort whose members convert to dementia after a known time, or are censored."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils import Bunch

from adestim._support.survival_targets import make_survival
from adestim.datasets.cohort_bunch import CohortBunch
from adestim.datasets.simulation.make_cohort import draw_seed, make_cohort
from adestim.datasets.simulation.tasks import CONVERSION_AT_36_MONTHS
from adestim.exceptions import InputError

PROGRESSIVE_UNTIL = 3.0
# Of whom 38 % convert within 36 months at a hazard that does not change with time.
YEARLY_HAZARD = -np.log1p(-CONVERSION_AT_36_MONTHS) / PROGRESSIVE_UNTIL
TIMES = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
DESCRIPTION = """\
Synthetic cohort, task time_to_ad: {n} subjects, of whom {n_events} are seen to convert.

No patient's data. Subjects are those of make_cohort(task="smci_pmci"): who is progressive converts
within three years, who is stable later. Over both, the hazard is {hazard:.3f} a year at any time.
Follow-up ends at random, whatever becomes of the subject.

Performance on it says nothing about patients: it compares methods with each other and with the
survival function that is the best possible prediction (oracle), and nothing else.
"""


def make_survival_cohort(
    n_subjects: int = 200,
    *,
    times: ArrayLike = TIMES,
    follow_up: Sequence[float] = (0.5, 6.0),
    missing: str | float | None = "adni",
    resolution: float = 4.0,
    bold_resolution: float = 6.0,
    bold: bool | None = None,
    random_state: int | np.random.Generator | np.random.RandomState | None = 0,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> Bunch:
    """Simulate people with mild cognitive impairment, and when they convert to dementia.

    Subjects, modalities and what is missing are those of :func:`make_cohort` with
    ``task="smci_pmci"``. The survival function given everything at hand is known exactly.

    Parameters
    ----------
    n_subjects : int, default=200
        Number of subjects, at least 4.
    times : array-like of shape (n_times,), default=(0.5, 1, 1.5, 2, 2.5, 3, 4, 5)
        Years at which the true survival function is given, 0 or later.
    follow_up : tuple of two floats, default=(0.5, 6.0)
        Shortest and longest follow-up in years. A subject's is drawn evenly between them; who
        converts later is censored at its end.
    missing : {"adni"}, float in [0, 1), or None, default="adni"
        As for :func:`make_cohort`.
    resolution : float, default=4.0
        Voxel size of the T1-weighted volumes, in whole mm from 1 to 20.
    bold_resolution : float, default=6.0
        Voxel size of the 4-D runs, in whole mm from 1 to 20.
    bold : bool, default=None
        Whether to make 4-D runs. None: no.
    random_state : int, Generator, RandomState or None, default=0
        Seed. The same seed gives the same cohort, however many jobs.
    n_jobs : int, default=None
        Number of subjects made at the same time.
    verbose : int, default=0
        Progress messages of joblib.

    Returns
    -------
    Bunch
        With the attributes of :func:`make_cohort`, in memory, but

        target : ndarray of shape (n_subjects,)
            Structured array of ``event`` (whether conversion was seen) and ``time`` (years from
            baseline to it, or to the end of follow-up).
        oracle : DataFrame of shape (n_subjects, n_times)
            True probability of no conversion until a time, given the modalities that the subject
            has; columns are the times. Diagnostic scores and site are not used.
        truth : DataFrame
            Beside what an ideal reader measures: ``group`` (stable or progressive within 36
            months), ``years`` to conversion, and ``followed``, the years of follow-up.

    Raises
    ------
    InputError
        When a parameter is out of range.

    Notes
    -----
    **Synthetic.** Performance on it says nothing about patients.

    *Model.* Of the progressive, who are 38 % [1]_, the time to conversion is exponential, cut off
    at three years; of the stable it is three years and an exponential time. The rate is the same,
    ln(1 / 0.62) / 3 a year, so that the hazard of the cohort is constant. That it stays so, that
    the time depends on nothing beside the group, and the distribution of follow-up are assumptions.
    Given a posterior p to be progressive, survival is the mixture of both groups' at p.

    References
    ----------
    .. [1] ADNI, public aggregates by diagnosis: https://adni.loni.usc.edu.

    Examples
    --------
    >>> from adestim.datasets import make_survival_cohort
    >>> cohort = make_survival_cohort(
    ...     4, times=[1, 3], missing=None, resolution=12, random_state=0
    ... )
    >>> cohort.target.dtype.names
    ('event', 'time')
    >>> cohort.oracle.shape
    (4, 2)
    """
    asked = check_times(times)
    shortest, longest = check_follow_up(follow_up)
    seed = draw_seed(random_state)
    cohort = make_cohort(
        n_subjects,
        "smci_pmci",
        missing=missing,
        resolution=resolution,
        bold_resolution=bold_resolution,
        bold=bold,
        random_state=seed,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    # A stream of its own, so that subjects are those of make_cohort at the same seed.
    generator = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    progressive = (cohort.target == "pMCI").to_numpy()
    years = draw_years(progressive, generator)
    followed = generator.uniform(shortest, longest, size=len(years))
    target = make_survival(years <= followed, np.minimum(years, followed))
    return CohortBunch(
        **dict(cohort)
        | {
            "target": target,
            "oracle": pd.DataFrame(
                mix_survival(cohort.oracle.to_numpy(), asked),
                index=cohort.oracle.index,
                columns=pd.Index(asked, name="years"),
            ),
            "truth": cohort.truth.assign(group=cohort.target, years=years, followed=followed),
            "description": DESCRIPTION.format(
                n=len(years), n_events=int(target["event"].sum()), hazard=YEARLY_HAZARD
            ),
        }
    )


def draw_years(progressive: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return years to conversion of progressive subjects and of others, (n_subjects,)."""
    # Above 0: an event at the very baseline would be no target.
    share = 1 - generator.random(len(progressive))
    early = -np.log1p(-share * CONVERSION_AT_36_MONTHS) / YEARLY_HAZARD
    late = PROGRESSIVE_UNTIL - np.log(share) / YEARLY_HAZARD
    return np.where(progressive, early, late)


def mix_survival(posterior: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return survival of subjects who are progressive with some probability.

    posterior (n_subjects,), times (n_times,) -> (n_subjects, n_times).
    """
    converted = -np.expm1(-YEARLY_HAZARD * np.minimum(times, PROGRESSIVE_UNTIL))
    early = 1 - converted / CONVERSION_AT_36_MONTHS
    late = np.exp(-YEARLY_HAZARD * np.maximum(times - PROGRESSIVE_UNTIL, 0))
    survival = posterior[:, None] * early + (1 - posterior[:, None]) * late
    return np.clip(survival, 0, 1)


def check_times(times: Any) -> np.ndarray:
    """Return years at which survival is asked for, or say why they are none."""
    asked = np.asarray(times, dtype=np.float64)
    if asked.ndim != 1 or not len(asked) or not (np.isfinite(asked) & (asked >= 0)).all():
        raise InputError(
            "The 'times' parameter of make_survival_cohort must hold finite years of 0 or later",
            got=f"{times!r}",
        )
    return asked


def check_follow_up(follow_up: Any) -> tuple[float, float]:
    """Return the shortest and the longest follow-up, or say why they are none."""
    numbers = isinstance(follow_up, tuple | list) and len(follow_up) == 2
    numbers = numbers and all(isinstance(own, Real) for own in follow_up)
    if not numbers or not 0 < follow_up[0] <= follow_up[1] < np.inf:
        raise InputError(
            "The 'follow_up' parameter of make_survival_cohort must be the shortest and the "
            "longest follow-up in years, above 0",
            got=f"{follow_up!r}",
        )
    return float(follow_up[0]), float(follow_up[1])
