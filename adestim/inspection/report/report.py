"""A report of a fitted fusion: one page that needs nothing but itself."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, fields
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from adestim._support.files import write_whole
from adestim._support.scores import N_RESAMPLES
from adestim._support.versioned import Versioned
from adestim.exceptions import InputError
from adestim.inspection.report.card import render_markdown
from adestim.inspection.report.gather import Material, gather_material
from adestim.inspection.report.page import (
    HEADINGS,
    Section,
    collect_figures,
    fill_page,
    render_table,
    write_figures,
)
from adestim.inspection.report.provenance import list_versions
from adestim.inspection.report.sections_explanation import (
    write_anchors,
    write_modalities,
    write_subjects,
    write_tokens,
)
from adestim.inspection.report.sections_groups import write_groups
from adestim.inspection.report.sections_members import write_members
from adestim.inspection.report.sections_origin import write_limits, write_provenance
from adestim.inspection.report.sections_performance import write_cohort, write_performance
from adestim.inspection.report.sections_summary import write_summary
from adestim.inspection.report.tripod import (
    fill_checklist,
    name_sections,
    say_answered,
    write_tripod,
)

# What writes the sections of the page, from top to bottom.
WRITERS = {
    "summary": write_summary,
    "cohort": write_cohort,
    "performance": write_performance,
    "groups": write_groups,
    "members": write_members,
    "modalities": write_modalities,
    "anchors": write_anchors,
    "tokens": write_tokens,
    "subjects": write_subjects,
    "provenance": write_provenance,
    "limits": write_limits,
    "tripod": write_tripod,
}
FIGURE_FORMS = ("pdf", "svg", "eps", "png")
# What writes a checklist to a file, by the file's ending.
FORMS = {
    ".md": lambda table: render_markdown(table.set_index("item")) + "\n",
    ".csv": lambda table: table.to_csv(index=False),
    ".html": lambda table: render_table(table.set_index("item"), "Items of TRIPOD+AI"),
}


@dataclass(eq=False, repr=False)
class FusionReport(Versioned):
    """All that is known of a fitted fusion, as one page of HTML.

    The page holds its figures, runs no script and loads nothing. It begins with the main scores and
    with who the subjects are, by class. It shows who is in the study, scores and curves, for whom
    they hold, which members the prediction rests on, what modalities, anchors and tokens add,
    single subjects on request, where backbones and weights come from, and which items of TRIPOD+AI
    it answers. It names no subject unless asked to.

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
        The anchor of which attention and attribution of tokens are shown; None explains the whole
        prediction, and shows attention of the anchor whose nets have the largest share.
    subjects : sequence of labels, default=()
        Labels in the index of ``X`` of those who have a part of their own.
    title : str, default="Fusion report"
        Heading of the page.
    show_ids : bool, default=False
        Whether those who have a part of their own are named; else they are numbered.
    max_subjects : int or None, default=200
        Of more subjects so many are drawn at random to be explained; None explains all. Scores are
        of all.
    n_resamples : int, default=2000
        Resamples of the bootstrap; 0 leaves the intervals of scores out.
    random_state : int, RandomState instance or None, default=0
        Controls who is drawn, and intervals of contributions; those of scores are the
        comparison's own.
    characteristics : DataFrame of shape (n_subjects, n_characteristics), default=None
        Columns that tell who the subjects are, by class; None takes columns of ``X`` that are
        called age, sex, education or apoe.
    date : date or str, default=None
        Date on the page; None for today.
    group_scores : adestim.evaluation.GroupScores, default=None
        Scores by sex, age, site and the like, of the model of the report, for the section on whom
        it holds for.

    Raises
    ------
    InputError
        When the page is made: when the estimator is no anchored fusion, the table lacks a modality,
        ``y`` or ``groups`` do not fit it, the comparison is of other classes, or ``target``,
        ``anchor`` or ``subjects`` are not there, or ``group_scores`` are none.
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

    estimator: Any
    X: Any
    y: Any
    _: KW_ONLY
    comparison: Any = None
    groups: Any = None
    flow: Any = None
    cohort: Any = None
    target: Any = None
    anchor: str | None = None
    subjects: Sequence[Any] = ()
    title: str = "Fusion report"
    show_ids: bool = False
    max_subjects: int | None = 200
    n_resamples: int = N_RESAMPLES
    random_state: Any = 0
    characteristics: pd.DataFrame | None = None
    date: Any = None
    group_scores: Any = None

    def to_html(self) -> str:
        """Return the page.

        Returns
        -------
        str
        """
        material = self._gather()
        sections = [
            Section(name, HEADINGS[name], write(material)) for name, write in WRITERS.items()
        ]
        return self._fill(summarise_material(material), sections)

    def _gather(self) -> Material:
        """Check and gather what the page is made of."""
        names = (item.name for item in fields(self) if item.name not in ("title", "date"))
        return gather_material(**{name: getattr(self, name) for name in names})

    def _fill(self, summary: str, sections: list[Section]) -> str:
        """Return a page of sections."""
        version = list_versions()["adestim"]
        date = datetime.date.today().isoformat() if self.date is None else str(self.date)
        return fill_page(self.title, summary, sections, version, date)

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

    def save_figures(self, folder: str | Path, form: str = "pdf") -> list[Path]:
        """Write every figure of the page to a file of its own, for a paper.

        Parameters
        ----------
        folder : str or path-like
            Where the files go; it is made if need be, and files of the same names are replaced.
        form : {"pdf", "svg", "eps", "png"}, default="pdf"
            Vectors, or an image of 300 dots an inch. Brain maps have images within their vectors.

        Returns
        -------
        list of Path
            The files, in the order of the page: ``01-missing-modalities.pdf``.

        Raises
        ------
        InputError
            When there is no such form.
        """
        if form not in FIGURE_FORMS:
            raise InputError(
                f"'form' is one of {', '.join(map(repr, FIGURE_FORMS))}", got=repr(form)
            )
        with collect_figures() as figures:
            self.to_html()
        return write_figures(figures, Path(folder).expanduser(), form)

    def to_tripod(self) -> pd.DataFrame:
        """Return the checklist of TRIPOD+AI [1]_, filled with what is on the page.

        Returns
        -------
        DataFrame
            A row for each of the 52 items: ``item`` (``"23a"``), ``section`` of a paper,
            ``topic``, ``of`` (``"D"`` development, ``"E"`` evaluation), ``question``, ``answered``
            (``"yes"``, ``"in part"`` or ``"by the authors"``), ``answer``, with the values that the
            library knows, and ``where``: the section of the page. Questions are in words of
            adestim's own.

        References
        ----------
        .. [1] Collins, G. S., et al. (2024). TRIPOD+AI statement: updated guidance for reporting
           clinical prediction models that use regression or machine learning methods. BMJ, 385,
           e078378.
        """
        return name_sections(fill_checklist(self._gather()))

    def save_tripod(self, path: str | Path) -> Path:
        """Write the checklist of TRIPOD+AI to a file.

        Parameters
        ----------
        path : str or path-like
            The file, which is replaced as a whole; its ending decides: ``.md``, ``.csv`` or
            ``.html``.

        Returns
        -------
        Path

        Raises
        ------
        InputError
            When the ending is another.
        """
        path = Path(path).expanduser()
        if path.suffix not in FORMS:
            raise InputError(
                f"A checklist is written to a file that ends in {', '.join(FORMS)}",
                got=repr(path.name),
            )
        table = self.to_tripod()
        text = FORMS[path.suffix](table)
        if path.suffix == ".html":
            text = self._fill(say_answered(table), [Section("tripod", HEADINGS["tripod"], text)])
        write_whole(path, text.encode("utf-8"))
        return path

    def _repr_html_(self) -> str:
        # In a frame, so that neither the page's style nor the notebook's touches the other.
        return (
            f'<iframe title="{escape(self.title)}" sandbox srcdoc="{escape(self.to_html())}" '
            'style="width: 100%; height: 50rem; border: 1px solid #c8c8c8"></iframe>'
        )


def summarise_material(material: Material) -> str:
    """Return the first sentence of the page."""
    fusion = material.fusion
    names = ", ".join(map(str, material.present))
    kind = "classes " + ", ".join(map(str, fusion.classes_)) if material.target is not None else ""
    return (
        f"{type(fusion).__name__} of {material.present.shape[1]} modalities ({names})"
        f"{', ' + kind if kind else ''}. Anchors: {', '.join(map(str, fusion.anchors_))}."
    )
