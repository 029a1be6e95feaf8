"""The method for the time to an event."""

from __future__ import annotations

from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit
from sklearn.utils.validation import check_is_fitted

from adestim._support.concordance import compute_concordance
from adestim._support.docs import fill_docs
from adestim._support.numbers import require_finite_predictions
from adestim._support.ranges import OF_THE_QUESTION, Choice, Range
from adestim._support.sklearn import Interval, StrOptions
from adestim._support.survival_targets import read_survival, read_times_within
from adestim.encoding.tables import check_fusion_table
from adestim.exceptions import InputError
from adestim.fusion._anchored import (
    ANCHORED_CONSTRAINTS,
    ANCHORED_NOT_SEARCHED,
    ANCHORED_SPACE,
    AnchoredBase,
)
from adestim.fusion._targets import SurvivalSet, check_survival, sort_subjects
from adestim.training.aggregation import Mean
from adestim.training.intervals import TimeIntervals
from adestim.training.phase_one.hazard_loss import Periods
from adestim.training.task import Hazards


@fill_docs
class AnchoredFusionSurvival(AnchoredBase):
    """Predict the time to an event from several modalities by modality-anchored fusion.

    The event may be the conversion from MCI to dementia; who has not had it yet is censored.
    Follow-up is split into intervals, and what is learned is the hazard of each: the probability
    of the event in it for who came so far. The method is that of
    :class:`adestim.AnchoredFusionClassifier`: members of phase 1, here regressions of the hazards
    and what joins them, and a net for every anchor, which has one output an interval, are mixed
    by their out-of-fold likelihood.

    Parameters
    ----------
    %(anchor)s
    %(members_survival)s
    n_intervals : int, default=8
        Largest number of intervals; about as many events are in each. Where many events have the
        same time, as at the visits of a study, there are fewer.
    horizon : float or None, default=None
        End of the last interval in years, beyond which nothing is predicted and no event counts;
        None for the time of the last event.
    %(queries)s
    %(interaction)s
    %(start)s
    %(n_trees)s
    %(reference)s
    %(anchor_model)s
    %(fold_trainer)s
    aggregate : {"mixture", "mean"}, default="mixture"
        How anchors count. ``"mixture"`` makes every anchor a member of its own, with a share of its
        own; ``"mean"`` makes one member of the anchors that a subject has, whose log-odds it
        averages.
    calibrate : {"temperature"} or None, default=None
        Whether it is chosen with the shares, by out-of-fold likelihood, how far the mixture's
        log-odds lie from those of the cohort's own hazard.
    %(n_jobs)s
    %(device)s
    %(precision)s
    %(random_state)s
    %(verbose)s

    Attributes
    ----------
    event_times_ : ndarray of shape (n_intervals,)
        Ends of the intervals, in years.
    baseline_hazard_ : ndarray of shape (n_intervals,)
        Hazard in every interval over all training subjects.
    %(anchors_attributes)s
    phase_one_ : adestim.training.phase_one.hazard.HazardPhaseOne
        The fitted phase-1 heads, and the members that have a share.
    aggregation_ : object
        The rule that makes one member of the anchors, where ``aggregate`` asks for one.
    temperature_ : float
        What the mixture's log-odds relative to the baseline are divided by; 1 leaves them as they
        are.

    See Also
    --------
    adestim.make_survival : Makes the targets.
    adestim.AnchoredFusionClassifier : The same for classes.

    Notes
    -----
    An event counts in the interval it lies in; who is censored within an interval has been at risk
    for a part of it, and its likelihood is that of a hazard that is constant within the interval.
    Survival between the ends of intervals is interpolated in the same way. Other causes that
    end follow-up, such as death, are read as censoring: where they are common, the probability of
    the event that is predicted is that in their absence.

    %(fusion_tables)s

    References
    ----------
    Gu et al., "Joint Adaptation of Uni-modal Foundation Models for Multi-modal Alzheimer's
    Disease Diagnosis", ICLR 2026 (for classes).

    Brown, "On the use of indicator variables for studying the time-dependence of parameters in a
    response-time model", Biometrics 31, 1975.

    Gensheimer and Narasimhan, "A scalable discrete-time survival model for neural networks",
    PeerJ 7, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import AnchoredFusionSurvival, make_survival
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(
    ...     rng.normal(size=(120, 4)), columns=["mri__a", "mri__b", "csf__a", "csf__b"]
    ... )
    >>> years = rng.exponential(3 * np.exp(-X["mri__a"] - X["csf__b"]))
    >>> followed = rng.uniform(1, 5, size=120)
    >>> y = make_survival(years <= followed, np.minimum(years, followed))
    >>> X.loc[::5, ["csf__a", "csf__b"]] = np.nan
    >>> model = AnchoredFusionSurvival(anchor="mri", max_epochs=2, n_trees=20, random_state=0)
    >>> model.fit(X, y).predict_survival_function(X.head(2), times=[0, 1, 2]).shape
    (2, 3)
    >>> model.predict_risk(X, horizon=2.0).shape
    (120,)
    >>> bool(model.score(X, y) > 0.7)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **ANCHORED_CONSTRAINTS,
        "n_intervals": [Interval(Integral, 1, None, closed="left")],
        "horizon": [Interval(Real, 0, None, closed="neither"), None],
        "aggregate": [StrOptions({"mixture", "mean"})],
        "calibrate": [StrOptions({"temperature"}), None],
    }
    _search_space: ClassVar[dict] = {
        **ANCHORED_SPACE,
        "n_intervals": Range(4, 12),
        "aggregate": Choice(("mixture", "mean")),
        "calibrate": Choice((None, "temperature")),
    }
    _not_searched: ClassVar[dict] = {
        **ANCHORED_NOT_SEARCHED,
        "horizon": OF_THE_QUESTION,
    }

    def __init__(  # noqa: PLR0913, PLR0915 - flat, so that searches and studies can name them
        self,
        *,
        anchor="all",
        members="all",
        n_intervals=8,
        horizon=None,
        n_queries=4,
        cross_modal=True,
        interaction_depth=0,
        gate="learned",
        start="auto",
        n_trees=200,
        width=16,
        depth=1,
        qformer_width=None,
        lora_rank=8,
        lora_params=None,
        gradient_checkpointing=False,
        dropout=0.1,
        modality_dropout=0.1,
        max_epochs=12,
        batch_size=64,
        learning_rate=2e-3,
        weight_decay=0.05,
        patience=4,
        n_folds=5,
        aggregate="mixture",
        calibrate=None,
        n_jobs=None,
        device="auto",
        precision="float32",
        random_state=None,
        verbose=0,
    ):
        self.anchor = anchor
        self.members = members
        self.n_intervals = n_intervals
        self.horizon = horizon
        self.n_queries = n_queries
        self.cross_modal = cross_modal
        self.interaction_depth = interaction_depth
        self.gate = gate
        self.start = start
        self.n_trees = n_trees
        self.width = width
        self.depth = depth
        self.qformer_width = qformer_width
        self.lora_rank = lora_rank
        self.lora_params = lora_params
        self.gradient_checkpointing = gradient_checkpointing
        self.dropout = dropout
        self.modality_dropout = modality_dropout
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.n_folds = n_folds
        self.aggregate = aggregate
        self.calibrate = calibrate
        self.n_jobs = n_jobs
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def predict_survival_function(self, X, times: ArrayLike | None = None) -> pd.DataFrame:
        """Return the probability that a subject has had no event until some times.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Table as in ``fit``.
        times : array-like of shape (n_times,), default=None
            Years from the index date, from 0 to the last of ``event_times_``; None for
            ``event_times_``.

        Returns
        -------
        DataFrame of shape (n_subjects, n_times)
            Rows have the index of X, columns are the times. Along rising times nothing rises.

        Raises
        ------
        InputError
            When a time is negative, unknown or behind the last interval.
        """
        check_is_fitted(self, "nets_")
        asked = self.event_times_ if times is None else self._read_times(times)
        index = check_fusion_table(self, X, reset=False).index
        return pd.DataFrame(self._survive(X, asked), index=index, columns=pd.Index(asked))

    def predict_risk(self, X, horizon: float) -> np.ndarray:
        """Return the probability that a subject has the event within some years.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Table as in ``fit``.
        horizon : float
            Years from the index date, from 0 to the last of ``event_times_``.

        Returns
        -------
        ndarray of shape (n_subjects,)

        Raises
        ------
        InputError
            When the horizon is negative, unknown or behind the last interval.
        """
        check_is_fitted(self, "nets_")
        return 1 - self._survive(X, self._read_times([horizon]))[:, 0]

    def predict(self, X) -> np.ndarray:
        """Return a risk score: how many years of follow-up are expected to be lost to the event.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Table as in ``fit``.

        Returns
        -------
        ndarray of shape (n_subjects,)
            The last of ``event_times_`` less the restricted mean time to the event; higher means
            an earlier event.
        """
        check_is_fitted(self, "nets_")
        return self.event_times_[-1] - self.intervals_.restricted_mean(self._odds(X))

    def score(self, X, y) -> float:
        """Return Harrell's concordance of the risk score.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Table as in ``fit``.
        y : ndarray of shape (n_subjects,)
            Targets as in ``fit``.

        Returns
        -------
        float
            1 where who has the event earlier always has the higher score, 0.5 at random.
        """
        event, time = read_survival(y, type(self).__name__)
        return compute_concordance(event, time, self.predict(X))

    @property
    def event_times_(self) -> np.ndarray:
        """Ends of the intervals, in years."""
        return self.intervals_.ends

    @property
    def baseline_hazard_(self) -> np.ndarray:
        """Hazard in every interval over all training subjects."""
        return expit(self.baseline_)

    @property
    def temperature_(self) -> float:
        """Temperature of the mixture."""
        return 1 / self.mixture_.sharpness

    def _survive(self, X, times: np.ndarray) -> np.ndarray:
        """Return survival (n_subjects, n_times)."""
        return self.intervals_.survive(self._odds(X), times)

    def _odds(self, X) -> np.ndarray:
        """Return log-odds of hazards (n_subjects, n_intervals)."""
        odds = self._mix(X) + self.baseline_
        return require_finite_predictions(odds, type(self).__name__)

    def _read_times(self, times: ArrayLike) -> np.ndarray:
        """Return times, or say which are not within follow-up."""
        return read_times_within(times, float(self.event_times_[-1]), type(self).__name__)

    def _training_set(self, X, y, groups, sample_weight):
        data = check_survival(self, X, y, groups, sample_weight)
        self.intervals_ = self._choose_intervals(data)
        lived = self.intervals_.encode(data.event, data.time)
        self.baseline_ = Periods.of(lived, self.intervals_.n_intervals).baseline(data.weight)
        return sort_subjects(data.with_targets(lived))

    def _choose_intervals(self, data: SurvivalSet) -> TimeIntervals:
        """Return the intervals, or say why follow-up has none up to the horizon."""
        event, time = data.event, data.time
        horizon = float(time[event].max() if self.horizon is None else self.horizon)
        if horizon > time.max() or not (event & (time <= horizon)).any():
            raise InputError(
                f"The 'horizon' parameter of {type(self).__name__} lies within follow-up, behind "
                f"the first event and up to {time.max():.4g} years",
                got=f"{horizon:.4g}, the first event being at {time[event].min():.4g}",
                remedy="Pass horizon=None for the time of the last event",
            )
        return TimeIntervals.choose(event, time, data.weight, self.n_intervals, horizon)

    def _hear_members(self, scores, present, outputs):
        said = super()._hear_members(scores, present, outputs)
        own = self.phase_one_.shares
        relative = {
            name: odds - self.baseline_ if name in own else odds for name, odds in said.odds.items()
        }
        return said._replace(odds=relative)

    def _task(self):
        return Hazards(self.intervals_, self.baseline_)

    def _values_of(self, outputs):
        return outputs

    def _learn_aggregation(self, unseen):
        return Mean()

    def _is_calibrated(self):
        return self.calibrate is not None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
