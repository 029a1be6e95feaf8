"""Earlier visits of every study, from its tables to one modality of a union."""

import numpy as np
import pandas as pd
import pytest

from adestim import ClinicalExtractor, ModalityUnion, VisitSummary
from adestim.datasets import load_adni, load_aibl, load_nacc, load_oasis3
from tests.datasets.writers import adni, aibl, nacc, oasis, people

STUDIES = {
    "adni": (load_adni, people.make_people, adni.write_adni),
    "aibl": (load_aibl, people.make_people, aibl.write_aibl),
    "nacc": (load_nacc, nacc.make_participants, nacc.write_nacc),
    "oasis": (load_oasis3, oasis.make_participants, oasis.write_oasis3),
}


@pytest.fixture(scope="module", params=STUDIES)
def cohorts(request, tmp_path_factory):
    """A study as it is loaded, and from a year later on with what came before."""
    load, make, write = STUDIES[request.param]
    *_, frame, target = make(8)
    root = tmp_path_factory.mktemp(request.param)
    write(frame, target, root)
    return load(root), load(root, history_months=10)


def test_index_visit_is_a_year_later(cohorts):
    first, later = cohorts
    months = later.frame["months"] - first.frame["months"].reindex(later.frame.index)
    np.testing.assert_allclose(months, 12, atol=0.1)
    assert later.target.tolist() == first.target[later.frame.index].tolist()


def test_past_begins_with_what_the_first_visit_was(cohorts):
    first, later = cohorts
    for subject, cell in later.frame["visits"].items():
        np.testing.assert_allclose(cell.years, [-1, 0], atol=0.01)
        known = [name for name in ("age", "sex", "mmse", "cdr") if name in cell.rows]
        before, now = (cell.rows[known].iloc[place] for place in (0, -1))
        pd.testing.assert_series_equal(before, first.frame.loc[subject, known], check_names=False)
        pd.testing.assert_series_equal(now, later.frame.loc[subject, known], check_names=False)


def test_past_is_a_modality(cohorts):
    frame = cohorts[1].frame
    union = ModalityUnion([("change", VisitSummary(ClinicalExtractor(), ["age"]), "visits")])
    assert union.fit_transform(frame).notna().all(axis=None)


def test_without_a_history_nothing_is_gathered(cohorts):
    assert "visits" not in cohorts[0].frame


def test_sessions_of_oasis_follow_the_history(tmp_path):
    frame, target = oasis.make_participants(4)
    oasis.write_oasis3(frame, target, tmp_path / "tables")
    sessions = [(name, day, ["t1w"]) for name in frame.index for day in (10, 370)]
    oasis.write_sessions(sessions, tmp_path / "images")
    cohort = load_oasis3(tmp_path / "tables", images=tmp_path / "images", history_months=10)
    assert cohort.frame["t1w"].str.contains("d0370").all()
    assert all(len(cell.years) == 2 for cell in cohort.frame["visits"])
