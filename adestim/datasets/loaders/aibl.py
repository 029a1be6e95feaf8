"""AIBL: the Australian Imaging, Biomarkers and Lifestyle study, from the files it hands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.utils import Bunch

from adestim.datasets.labelling.labels import diagnosis_labels
from adestim.datasets.loaders.adni_forms import Form, read_form, settle_visits
from adestim.datasets.loaders.adni_tables import (
    compute_ages_at,
    read_apoe_genotypes,
    settle_lasting,
    translate_sexes,
)
from adestim.datasets.loaders.study import Request, Study, assemble_cohort, check_request
from adestim.datasets.tables.cells import read_birth_dates
from adestim.datasets.tables.visit_codes import add_times, find_origins, merge_visit_rows

WHERE = "the AIBL tables at ida.loni.usc.edu"
PATTERN = r"(?i)^(?:sub-)?(?:AIBL)?0*(\d+)$"
DIAGNOSES = Form(("aibl_pdxconv",), {"diagnosis": "DXCURREN"}, needed=("code", "diagnosis"))
DEMOGRAPHICS = Form(
    ("aibl_ptdemog",), {"sex": "PTGENDER", "birth": "PTDOB"}, needed=("sex",), expected=("birth",)
)
APOE = Form(
    ("aibl_apoeres",),
    {"genotype": "GENOTYPE", "first": "APGEN1", "second": "APGEN2"},
    expected=(("genotype", "first"),),
)
MEASURES = (
    Form(("aibl_mmse",), {"mmse": "MMSCORE"}, numeric=("mmse",), expected=("mmse",)),
    Form(("aibl_cdr",), {"cdr": "CDGLOBAL"}, numeric=("cdr",), expected=("cdr",)),
)
# They have dates of visits, which the form with the diagnosis does not.
OTHERS = (Form(("aibl_neurobat",), {}), Form(("aibl_mri3meta",), {}))
CLINICAL = ("age", "sex")
DIAGNOSTIC = ("mmse", "cdr")
NOTE = "Of the date of birth only the year is known: ages are right to half a year."


def load_aibl(
    root: str | Path,
    task: str = "nc_ad",
    *,
    images: str | Path | pd.DataFrame | None = None,
    window_days: float | None = 183,
    horizon: float = 36,
    history_months: float | None = None,
    require: Sequence[str] = (),
    label_params: Mapping[str, Any] | None = None,
) -> Bunch:
    r"""Load AIBL from its tables and images.

    Parameters
    ----------
    root : str or Path
        Folder with the tables, under the names that they are handed out with
        (``aibl_pdxconv_01-Jun-2018.csv``).
    task : {"nc_ad", "nc_mci", "cn_mci_ad", "smci_pmci", "time_to_ad"}, default="nc_ad"
        Diagnosis at baseline: controls and Alzheimer's dementia, controls and mild cognitive
        impairment, or all three; or stable and progressive mild cognitive impairment. Or, of
        mild cognitive impairment, ``"time_to_ad"``: years to Alzheimer's dementia, or without.
    images : str, Path or DataFrame, default=None
        Folder of images in BIDS, CAPS, or as downloaded from the image archive; or what
        :func:`adestim.datasets.index_images` says of one.
    window_days : float or None, default=183
        Largest distance between the index visit and an image. None: any distance, and images
        whose time is not known.
    horizon : float, default=36
        Months within which progression counts, for ``"smci_pmci"``. Visits are 18 months apart.
    history_months : float, default=None
        Months of earlier visits: the index visit is the first with a diagnosis that comes at least
        so long after a subject's first visit, and the column ``visits`` has all visits up to it,
        :class:`~adestim.datasets.Visits` for :class:`~adestim.VisitSummary`. None: the index
        visit is the first, and there is no such column.
    require : sequence of str, default=()
        Columns without which a subject is excluded, such as ``["t1w"]``.
    label_params : mapping, default=None
        Further parameters of :func:`adestim.datasets.progression_labels`,
        :func:`adestim.datasets.baseline_labels` or :func:`adestim.datasets.conversion_labels`.

    Returns
    -------
    Bunch
        As of :func:`adestim.datasets.load_adni`: ``frame`` (index RID), ``target``, ``groups``,
        ``site``, ``columns``, ``flow``, ``labels``, ``images``, ``description``, ``name``. The
        frame has ``age`` and ``sex``, ``apoe``, ``mmse`` and ``cdr``, and the images.

    Raises
    ------
    TableError
        When a table, a column or a code is not what it should be, or nobody has a label.
    InputError
        When a parameter is out of range, or images are of another study.

    See Also
    --------
    load_adni : Its model, which AIBL follows in forms and codes.
    acknowledgement : What to cite.

    Notes
    -----
    Diagnoses are ``DXCURREN`` (1, 2, 3), -4 is missing. The date of a visit is taken from whichever
    table has one; without any, ``VISCODE`` says when it was. Visits at which one has no date
    follow from the others.

    References
    ----------
    .. [1] Ellis et al. (2009), International Psychogeriatrics 21, 672.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from adestim.datasets import load_aibl
    >>> tables = {
    ...     "pdxconv": "RID,VISCODE,DXCURREN\n9001,bl,1\n9002,bl,3\n",
    ...     "ptdemog": "RID,VISCODE,PTGENDER,PTDOB\n9001,bl,2,/1940\n9002,bl,1,/1932\n",
    ...     "mmse": "RID,VISCODE,EXAMDATE,MMSCORE\n9001,bl,7/15/2010,29\n9002,bl,7/15/2010,-4\n",
    ... }
    >>> with TemporaryDirectory() as folder:
    ...     for name, text in tables.items():
    ...         _ = Path(folder, f"aibl_{name}_01-Jun-2018.csv").write_text(text)
    ...     cohort = load_aibl(folder)
    >>> cohort.frame[["age", "sex", "mmse"]]
              age sex  mmse
    subject
    9001     70.0   F  29.0
    9002     78.0   M   NaN
    """
    request = Request(
        task, images, None, window_days, horizon, require, "keep", label_params or {},
        history=history_months,
    )  # fmt: skip
    check_request(request)
    return assemble_cohort(read_aibl(root), request)


def read_aibl(root: str | Path) -> Study:
    """Read AIBL's tables."""
    forms = {"pdxconv": read_form(root, DIAGNOSES, required=True, where=WHERE)}
    forms["ptdemog"] = read_form(root, DEMOGRAPHICS, required=True, where=WHERE)
    for form in (APOE, *MEASURES, *OTHERS):
        table = read_form(root, form)
        if table is not None:
            forms[form.names[0].removeprefix("aibl_")] = table
    visits = build_visits(forms)
    people = build_people(forms).assign(origin=find_origins(visits))
    people = people.loc[sorted(people.index, key=int)]
    visits = visits.assign(age=compute_ages_at(visits, people), subject=visits["number"])
    people.index = people.index.rename("subject")
    return Study("AIBL", people, visits, PATTERN, CLINICAL, DIAGNOSTIC, notes=(NOTE,))


def build_visits(forms: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row a visit with date, diagnosis and scores."""
    key = ["number", "slot"]
    dated = pd.concat([table[["number", "code", "slot", "date"]] for table in forms.values()])
    rows = settle_visits(forms["pdxconv"], "aibl_pdxconv")
    rows["diagnosis"] = diagnosis_labels(rows, "dxcurren")
    visits = merge_visit_rows(rows[["number", "code", "slot", "diagnosis"]])
    visits = visits.merge(merge_visit_rows(dated), how="left", on=key)
    for name, score in (("mmse", "mmse"), ("cdr", "cdr")):
        if name in forms:
            scores = settle_visits(forms[name], f"aibl_{name}")
            scores = merge_visit_rows(scores[["number", "code", "slot", score]])
            visits = visits.merge(scores, how="left", on=key)
    return add_times(visits)


def build_people(forms: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return sex, birth, APOE and centre by roster number, of everybody in any table."""
    every = pd.concat([table[["number", "site"]] for table in forms.values()], ignore_index=True)
    people = every.groupby("number", sort=False)[["site"]].first()
    table = forms["ptdemog"]
    people["sex"] = settle_lasting(
        table.assign(sex=translate_sexes(table["sex"])), "sex", "aibl_ptdemog"
    )
    births = table.assign(birth=read_birth_dates(table["birth"]))
    people["birth"] = births.groupby("number")["birth"].first()
    if "apoeres" in forms:
        apoe = forms["apoeres"].assign(apoe=read_apoe_genotypes(forms["apoeres"]))
        people["apoe"] = settle_lasting(apoe, "apoe", "aibl_apoeres")
    return people.assign(number=people.index, person=people.index)
