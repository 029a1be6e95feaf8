"""A report of a fitted fusion: one page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

import adestim
from adestim._support.files import write_whole
from adestim.backbone.pretraining_cohorts import cohort_name
from adestim.inspection.report.gather import Material, gather
from adestim.inspection.report.page import (
    Section,
    bullets,
    fill_page,
    folded,
    paragraph,
    table_html,
)
from adestim.inspection.report.provenance import (
    backbones_used,
    limits_of_use,
    seeds_of,
    versions,
    weights_digest,
)
from adestim.inspection.report.sections_explanation import (
    anchors_body,
    modalities_body,
    subjects_body,
    tokens_body,
)
from adestim.inspection.report.sections_performance import cohort_body, performance_body


class FusionReport:
    """All that is known of a fitted fusion, as one page of HTML.

    The page holds its figures, runs no script and loads nothing. It shows who is in the study,
    scores and curves, what modalities, anchors and tokens add, single subjects on request, and
    where backbones and weights come from. It names no subject unless asked to.

    Parameters
    ----------
    estimator : AnchoredFusionClassifier, AnchoredFusionRegressor or Pipeline
        Fitted fusion, or a fitted pipeline that ends in one.
    X : {DataFrame, array-like} of shape (n_subjects, n_columns)
        Table as ``estimator.predict`` takes it.
    y : array-like of shape (n_subjects,)
        Labels, or numbers.
    comparison : adestim.evaluation.Comparison, default=None
        Where scores of unseen subjects come from; its reference is taken as the model of the
        report. Without it scores are those of ``X``, and marked as apparent.
    groups : array-like of shape (n_subjects,), default=None
        Groups of subjects that are resampled whole.
    flow : adestim.evaluation.CohortFlow, default=None
        Who is in the study; None takes that of the comparison.
    cohort : str or Bunch, default=None
        Name of the cohort, which is looked for among those of pre-training.
    target : class label, default=None
        The explained class; None for the positive class of the comparison, or the patients' of two
        (AD beside CN, pMCI beside sMCI), or the last.
    anchor : str, default=None
        The anchor through which attention and attribution of tokens are read; None for the first.
    subjects : sequence of labels, default=()
        Labels in the index of ``X`` of those who have a part of their own.
    title : str, default="Fusion report"
        Heading of the page.
    show_ids : bool, default=False
        Whether those who have a part of their own are named; else they are numbered.
    max_subjects : int or None, default=200
        Of more subjects so many are drawn at random to be explained; None explains all. Scores are
        of all.
    n_resamples : int, default=1000
        Resamples of the bootstrap; 0 leaves the intervals of scores out.
    random_state : int, RandomState instance or None, default=0
        Controls who is drawn, and the bootstrap.

    Raises
    ------
    InputError
        When the page is made: when the estimator is no anchored fusion, the table lacks a modality,
        ``y`` or ``groups`` do not fit it, the comparison is of other classes, or ``target``,
        ``anchor`` or ``subjects`` are not there.
    MissingDependencyError
        When the page is made and matplotlib is not installed.
    sklearn.exceptions.NotFittedError
        When the page is made and the estimator is not fitted.

    See Also
    --------
    model_card : The same facts in a page of Markdown.

    Notes
    -----
    Counts of rare patterns and points of single subjects, without names, are on the page: whether
    it may leave the institution is for those to say who answer for the data.

    References
    ----------
    Collins et al., "TRIPOD+AI statement: updated guidance for reporting clinical prediction models
    that use regression or machine learning methods", BMJ 2024;385:e078378 (what is reported).

    Vickers and Elkin, "Decision curve analysis: a novel method for evaluating prediction models",
    Medical Decision Making 26, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import AnchoredFusionClassifier
    >>> from adestim.inspection import FusionReport
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(40, 2)), columns=["mri__volume", "csf__tau"])
    >>> y = np.where(X["csf__tau"] > 0, "AD", "CN")
    >>> fusion = AnchoredFusionClassifier(
    ...     anchor="mri", n_queries=2, width=8, n_trees=0, max_epochs=1, random_state=0
    ... ).fit(X, y)
    >>> page = FusionReport(fusion, X, y, target="AD").to_html()
    >>> "apparent scores" in page, "sub-" in page
    (True, False)
    """

    def __init__(  # noqa: PLR0913 - flat, as what makes a page is one list of facts
        self,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        comparison: Any = None,
        groups: Any = None,
        flow: Any = None,
        cohort: Any = None,
        target: Any = None,
        anchor: str | None = None,
        subjects: Sequence[Any] = (),
        title: str = "Fusion report",
        show_ids: bool = False,
        max_subjects: int | None = 200,
        n_resamples: int = 1000,
        random_state: Any = 0,
    ):
        self.estimator = estimator
        self.X = X
        self.y = y
        self.comparison = comparison
        self.groups = groups
        self.flow = flow
        self.cohort = cohort
        self.target = target
        self.anchor = anchor
        self.subjects = subjects
        self.title = title
        self.show_ids = show_ids
        self.max_subjects = max_subjects
        self.n_resamples = n_resamples
        self.random_state = random_state

    def to_html(self) -> str:
        """Return the page.

        Returns
        -------
        str
        """
        material = self._gathered()
        sections = [
            Section("cohort", "Cohort", cohort_body(material)),
            Section("performance", "Performance", performance_body(material)),
            Section("modalities", "Modalities", modalities_body(material)),
            Section("anchors", "Anchors", anchors_body(material)),
            Section("tokens", "Regions, SNPs and columns", tokens_body(material)),
            Section("subjects", "Single subjects", subjects_body(material)),
            *self._origin(),
        ]
        return fill_page(self.title, summary_of(material), sections, adestim.__version__)

    def save_html(self, path: str | Path) -> Path:
        """Write the page to a file.

        Parameters
        ----------
        path : str or path-like
            The file, which is replaced as a whole.

        Returns
        -------
        Path
        """
        path = Path(path).expanduser()
        page = self.to_html().encode("utf-8")
        write_whole(path, page)
        return path

    def _repr_html_(self) -> str:
        # In a frame, so that neither the page's style nor the notebook's touches the other.
        return (
            f'<iframe title="{escape(self.title)}" sandbox srcdoc="{escape(self.to_html())}" '
            'style="width: 100%; height: 50rem; border: 1px solid #c8c8c8"></iframe>'
        )

    def _gathered(self) -> Material:
        """Return what the sections read."""
        return gather(
            self.estimator,
            self.X,
            self.y,
            comparison=self.comparison,
            groups=self.groups,
            flow=self.flow,
            target=self.target,
            anchor=self.anchor,
            subjects=self.subjects,
            show_ids=self.show_ids,
            max_subjects=self.max_subjects,
            n_resamples=self.n_resamples,
            random_state=self.random_state,
        )

    def _origin(self) -> list[Section]:
        """Return the sections on where the model comes from and what it is not for."""
        name = None if self.cohort is None else cohort_name(self.cohort)
        backbones = backbones_used(self.estimator, name)
        limits = limits_of_use(backbones, judged=self.comparison is not None)
        return [
            Section("provenance", "Provenance", provenance_body(self.estimator, backbones)),
            Section("limits", "Limits of use", bullets(limits)),
        ]


def summary_of(material: Material) -> str:
    """Return the first sentence of the page."""
    fusion = material.fusion
    names = ", ".join(map(str, material.present))
    kind = "classes " + ", ".join(map(str, fusion.classes_)) if material.target is not None else ""
    return (
        f"{type(fusion).__name__} of {material.present.shape[1]} modalities ({names})"
        f"{', ' + kind if kind else ''}. Anchors: {', '.join(map(str, fusion.anchors_))}."
    )


def provenance_body(estimator: Any, backbones: pd.DataFrame) -> str:
    """Return backbones, digests, versions, seeds and parameters."""
    settings = pd.Series(
        {
            name: repr(value)
            for name, value in estimator.get_params(deep=True).items()
            if not hasattr(value, "get_params") and is_plain(value)
        },
        name="value",
        dtype=object,
    ).rename_axis("parameter")
    return "".join(
        [
            table_html(backbones, "Backbones, their licences and what they were pre-trained on"),
            paragraph(f"SHA-256 of what was trained here: {weights_digest(estimator)}"),
            table_html(versions().rename_axis("package"), "Versions"),
            table_html(seeds_of(estimator).rename_axis("parameter"), "Seeds"),
            folded("All parameters", table_html(settings, "Parameters of the estimator")),
        ]
    )


def is_plain(value: Any) -> bool:
    """Tell whether a parameter is a word, a number, or a list of these, and no path."""
    if isinstance(value, str):
        return "/" not in value and "\\" not in value
    if isinstance(value, list | tuple):
        return all(is_plain(each) for each in value)
    return value is None or isinstance(value, bool | int | float)
