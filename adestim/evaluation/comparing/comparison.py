"""What a comparison of estimators yields: scores, intervals, paired differences, tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.scores import HOW_BOUNDED, N_RESAMPLES
from adestim._support.versioned import Versioned
from adestim.evaluation._tables import (
    scores_to_html,
    scores_to_latex,
    scores_to_markdown,
)
from adestim.evaluation.comparing.flow import CohortFlow
from adestim.evaluation.missing.patterns import score_by_pattern
from adestim.evaluation.scores.intervals import corrected_t_test
from adestim.evaluation.scores.out_of_fold import Pool, compare_by_delong, gather_pool, score_table
from adestim.evaluation.scores.significance import holm
from adestim.exceptions import InputError

ESTIMATES = ["mean", "estimate", "low", "high"]
FOLD_COLUMNS = [("folds", "ok"), ("folds", "failed")]

# More would not fit a line.
SCORES_SHOWN = 6


@dataclass(frozen=True, eq=False)
class Comparison(Versioned):
    """Estimators, judged on the same splits.

    Parameters
    ----------
    folds : DataFrame
        A row for each estimator, repeat and fold: ``estimator``, ``repeat``, ``fold``,
        ``n_train``, ``n_test``, every score, ``seconds``, ``status`` (``"ok"`` or ``"failed"``)
        and ``error``.
    predictions : DataFrame
        A row for each estimator, repeat and test row: ``estimator``, ``repeat``, ``fold``,
        ``row`` (position among those analysed), ``subject`` (index label), ``group``, ``y``, the
        ``threshold`` and the probability ``p_<class>`` of every class, or the ``prediction``.
    present : DataFrame of bool of shape (n_analysed, n_modalities)
        Who has what.
    flow : CohortFlow
        Who was analysed, who was left out and why.
    classes : tuple
        The classes, of two the positive one last; empty for a regression.
    scores : tuple of str
        Names of the scores.
    reference : str
        The estimator that others are compared with.
    seed : int, default=0
        Seed of the bootstrap.
    controls : tuple of str, default=()
        Names of the estimators that are controls, which see no measurement of interest.

    See Also
    --------
    adestim.evaluation.compare : Makes it.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from adestim.evaluation import compare
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(80, 2)), columns=["mri__volume", "csf__tau"])
    >>> y = np.where(X["mri__volume"] + rng.normal(size=80) > 0, "AD", "CN")
    >>> comparison = compare({"logistic": LogisticRegression()}, X, y, scoring="roc_auc")
    >>> comparison.differences()[["reference", "n_folds"]]
              reference  n_folds
    estimator
    mask only  logistic        5
    >>> bool(comparison.differences().loc["mask only", "p"] < 0.05)
    True
    """

    folds: pd.DataFrame
    predictions: pd.DataFrame
    present: pd.DataFrame
    flow: CohortFlow
    classes: tuple
    scores: tuple[str, ...]
    reference: str
    seed: int = 0
    controls: tuple[str, ...] = ()

    @property
    def estimators(self) -> list[str]:
        """Names of the estimators, in order."""
        return list(self.folds["estimator"].unique())

    @property
    def rivals(self) -> list[str]:
        """Names of the estimators that are neither the reference nor a control."""
        return [name for name in self.estimators if name not in (self.reference, *self.controls)]

    def summary(
        self,
        *,
        level: float = 0.95,
        n_resamples: int = N_RESAMPLES,
        scores: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return every estimator's scores with intervals.

        Parameters
        ----------
        level : float, default=0.95
            Level of the intervals.
        n_resamples : int, default=2000
            Resamples of the bootstrap; 0 leaves the intervals out.
        scores : sequence of str, default=None
            Which scores; None for all.

        Returns
        -------
        DataFrame
            A row for each estimator. Columns are pairs of a score and ``"mean"`` (over folds),
            ``"estimate"``, ``"low"`` and ``"high"``; and ``("folds", "ok")``,
            ``("folds", "failed")``.

        Notes
        -----
        ``"estimate"`` is the score of all out-of-fold predictions of a repeat at once, averaged
        over repeats, and the interval is its own: whole groups of subjects are drawn with
        replacement. It tells how far the score depends on who is tested, not on who is trained on.
        Proportions of subjects (accuracy, sensitivity, specificity, PPV, NPV, and F1, which is a
        function of one [2]_) have Wilson's interval [3]_ instead, as the bootstrap is too sure of
        few subjects and of 12 of 12 says 1 to 1. It counts as many subjects as would tell as much
        were none related: ``p (1 - p)`` over the variance of the proportion by whole groups, all
        repeats together, but no more than there are subjects [4]_; where all agree, and the
        variance is not known, groups count as if their rows were copies. Balanced accuracy, and
        averages over classes, join the intervals of their parts [5]_. An area under the ROC curve
        of 1 has the score interval of Newcombe [6]_; a ``pr_auc`` of 1 has none, NaN.
        ``roc_auc`` and ``pr_auc`` compare subjects with each other, and models of different folds
        differ in level: they are computed within every fold and averaged [1]_. The ``"mean"``
        over folds weighs small folds like large ones.

        References
        ----------
        .. [1] Forman, G., & Scholz, M. (2010). Apples-to-apples in cross-validation studies:
           pitfalls in classifier performance measurement. ACM SIGKDD Explorations, 12(1), 49-57.
        .. [2] Lam, K. F. Y., Gopal, V., & Qian, J. (2023). Confidence intervals for the F1 score:
           a comparison of four methods. arXiv:2309.14621.
        .. [3] Wilson, E. B. (1927). Probable inference, the law of succession, and statistical
           inference. Journal of the American Statistical Association, 22(158), 209-212.
        .. [4] Korn, E. L., & Graubard, B. I. (1998). Confidence intervals for proportions with
           small expected number of positive counts estimated from survey data. Survey Methodology,
           24(2), 193-201.
        .. [5] Zou, G. Y., & Donner, A. (2008). Construction of confidence limits about effect
           measures: a general approach. Statistics in Medicine, 27(10), 1693-1702.
        .. [6] Newcombe, R. G. (2006). Confidence intervals for an effect size measure based on the
           Mann-Whitney statistic. Part 2. Statistics in Medicine, 25(4), 559-573.
        """
        names = self._require_scores(scores)
        rows = {}
        for estimator in self.estimators:
            own = self.folds[self.folds["estimator"] == estimator]
            pool = gather_pool(self._select(estimator), self.classes)
            values = np.stack([own[names].mean(), *self._estimate(pool, names, level, n_resamples)])
            rows[estimator] = [*values.T.ravel(), *count_folds(own)]
        columns = pd.MultiIndex.from_tuples(
            [*((name, kind) for name in names for kind in ESTIMATES), *FOLD_COLUMNS]
        )
        summary = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
        return summary.astype(dict.fromkeys(FOLD_COLUMNS, int)).rename_axis(index="estimator")

    def differences(
        self,
        score: str | None = None,
        *,
        reference: str | None = None,
        level: float = 0.95,
    ) -> pd.DataFrame:
        """Return how much better or worse the reference is than each of the others.

        Parameters
        ----------
        score : str, default=None
            Which score; None for ``"roc_auc"``, or the first of a regression.
        reference : str, default=None
            Name of the reference; None for that of the comparison.
        level : float, default=0.95
            Level of the intervals.

        Returns
        -------
        DataFrame
            A row for each of the others: ``reference``, ``score``, ``n_folds``, then the mean
            of the differences, reference minus other, over folds with its interval ``low``,
            ``high`` and ``p`` by the corrected resampled t-test, and ``p_holm``, adjusted for
            the number of others. For ``"roc_auc"`` of two classes also DeLong's test of
            probabilities averaged over repeats: ``delong`` (the difference), ``delong_low``,
            ``delong_high``, ``delong_p`` and ``delong_p_holm``; NaN where a group has several rows,
            which are not independent.

        Notes
        -----
        Only folds in which neither failed, and rows that both predict, are compared.

        References
        ----------
        Nadeau and Bengio, "Inference for the generalization error", Machine Learning 52, 2003.

        DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated
        receiver operating characteristic curves", Biometrics 44, 1988.

        Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
        Statistics 6, 1979.
        """
        [name] = self._require_scores([score or self._choose_score()])
        reference = self._require_estimator(reference)
        rivals = [rival for rival in self.estimators if rival != reference]
        rows = [
            {"reference": reference, "score": name}
            | self._compare_pair(rival, reference, name, level)
            for rival in rivals
        ]
        table = pd.DataFrame(rows, index=pd.Index(rivals, name="estimator"))
        for column in [column for column in ("p", "delong_p") if column in table]:
            place = table.columns.get_loc(column) + 1
            table.insert(place, f"{column}_holm", holm(table[column]))
        return table

    def by_pattern(self, estimators: Sequence[str] | None = None, **settings: Any) -> pd.DataFrame:
        """Return scores for every pattern of missing modalities.

        Parameters
        ----------
        estimators : sequence of str, default=None
            Of which estimators; None for all.
        **settings : dict
            Further parameters of :func:`adestim.evaluation.score_by_pattern`; ``random_state`` is
            that of the comparison unless it is given.

        Returns
        -------
        DataFrame
        """
        # Rows are told apart by their place, as a subject may have several.
        wanted = self.estimators if estimators is None else estimators
        own = self.predictions[self.predictions["estimator"].isin(wanted)]
        predictions = own.assign(subject=own["row"])
        present = self.present.reset_index(drop=True)
        return score_by_pattern(predictions, present, **{"random_state": self.seed} | settings)

    def to_markdown(
        self,
        *,
        scores: Sequence[str] | None = None,
        digits: int = 3,
        level: float = 0.95,
        n_resamples: int = N_RESAMPLES,
    ) -> str:
        """Return the scores and their intervals as a table in Markdown, the best in bold.

        Parameters
        ----------
        scores : sequence of str, default=None
            Which scores; None for all.
        digits : int, default=3
            Decimals.
        level : float, default=0.95
            Level of the intervals.
        n_resamples : int, default=2000
            Resamples of the bootstrap; 0 leaves the intervals out.

        Returns
        -------
        str
        """
        summary = self.summary(level=level, n_resamples=n_resamples, scores=scores)
        table = scores_to_markdown(summary, digits=digits, controls=self.controls)
        return f"{table}\n\n{self._describe(level, n_resamples)}"

    def to_latex(
        self,
        *,
        scores: Sequence[str] | None = None,
        digits: int = 3,
        level: float = 0.95,
        n_resamples: int = N_RESAMPLES,
        caption: str | None = None,
        label: str | None = None,
    ) -> str:
        """Return the scores and their intervals as a table in LaTeX, for the package booktabs.

        Parameters
        ----------
        scores : sequence of str, default=None
            Which scores; None for all.
        digits : int, default=3
            Decimals.
        level : float, default=0.95
            Level of the intervals.
        n_resamples : int, default=2000
            Resamples of the bootstrap; 0 leaves the intervals out.
        caption : str, default=None
            Caption; None says what the numbers are.
        label : str, default=None
            Label of the table.

        Returns
        -------
        str
        """
        summary = self.summary(level=level, n_resamples=n_resamples, scores=scores)
        caption = self._describe(level, n_resamples) if caption is None else caption
        return scores_to_latex(
            summary, digits=digits, caption=caption, label=label, controls=self.controls
        )

    def __repr__(self) -> str:
        """Return what was compared, and the first scores' means over folds."""
        means = self.folds.groupby("estimator", sort=False)[list(self.scores[:SCORES_SHOWN])].mean()
        return (
            f"Comparison of {len(self.estimators)} estimators, reference {self.reference!r}; "
            f"means over folds:\n{means.round(3).to_string()}"
        )

    def _repr_html_(self) -> str:
        # Without intervals, which take long for a mere display.
        table = scores_to_html(self.summary(n_resamples=0), controls=self.controls)
        return f"{table}<p>{self._describe(0, 0)}</p>"

    def _select(self, estimator: str) -> pd.DataFrame:
        """Return an estimator's predictions."""
        return self.predictions[self.predictions["estimator"] == estimator]

    def _estimate(self, pool: Pool, names: list[str], level: float, n_resamples: int) -> Iterator:
        """Yield estimates and both ends of their intervals."""
        nothing = np.full(len(names), np.nan)
        if not pool.repeats:
            yield from [nothing] * 3
            return
        yield pool.score(names, pool.rows)
        if not n_resamples:
            yield from [nothing] * 2
            return
        yield from pool.find_interval(
            names, pool.rows, n_resamples=n_resamples, level=level, random_state=self.seed
        )

    def _compare_pair(self, rival: str, reference: str, name: str, level: float) -> dict:
        """Return the paired difference of two estimators."""
        keys = ["repeat", "fold", "row"]
        pairs = self._select(reference).merge(self._select(rival), on=keys, suffixes=("", "_rival"))
        first, second = pairs, pairs[[column for column in pairs if column.endswith("_rival")]]
        second = second.rename(columns=lambda column: column.removesuffix("_rival"))
        differences = [
            score_table(first.loc[rows], self.classes, [name])[name]
            - score_table(second.loc[rows], self.classes, [name])[name]
            for rows in pairs.groupby(["repeat", "fold"]).groups.values()
        ]
        sizes = self.folds[self.folds["estimator"] == reference]
        share = float((sizes["n_test"] / (sizes["n_train"] + sizes["n_test"])).mean())
        result: dict[str, Any] = {"n_folds": len(differences)}
        result |= corrected_t_test(differences, share, level)._asdict()
        if name == "roc_auc" and len(self.classes) == 2:
            result |= compare_by_delong(first, second, self.classes, level)
        return result

    def _require_scores(self, scores: Sequence[str] | None) -> list[str]:
        """Return names of scores, all of which were computed."""
        chosen = list(self.scores if scores is None else scores)
        unknown = [name for name in chosen if name not in self.scores]
        if unknown:
            raise InputError(
                "Only scores that were computed can be shown",
                got=", ".join(map(repr, unknown)),
                remedy=f"Choose from {', '.join(self.scores)}",
            )
        return chosen

    def _require_estimator(self, name: str | None) -> str:
        """Return the name of an estimator that was compared."""
        if name is not None and name not in self.estimators:
            raise InputError(
                "The reference is one of the estimators",
                got=repr(name),
                remedy=f"Choose from {', '.join(map(repr, self.estimators))}",
            )
        return self.reference if name is None else name

    def _choose_score(self) -> str:
        """Return the score that comparisons are made by unless another is named."""
        return "roc_auc" if "roc_auc" in self.scores else self.scores[0]

    def _describe(self, level: float, n_resamples: int) -> str:
        """Say what the numbers of a table are, and what failed."""
        interval = f" [{level:.0%} intervals {HOW_BOUNDED}]" if n_resamples else ""
        note = f"Scores of out-of-fold predictions, averaged over repeats{interval}."
        if len(self.classes) == 2:
            note += f" The positive class is {self.classes[1]}."
        failed = self.folds[self.folds["status"] == "failed"]["estimator"].value_counts(sort=False)
        told = [f" {n} folds of {name} failed." for name, n in failed.items()]
        return note + "".join(told)


def count_folds(folds: pd.DataFrame) -> list[int]:
    """Return how many folds went well and how many failed."""
    return [int((folds["status"] == status).sum()) for status in ("ok", "failed")]
