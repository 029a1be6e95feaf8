"""Times to conversion from visits."""

import pandas as pd
import pytest

from adestim._support.survival_targets import read_survival
from adestim.datasets import conversion_labels
from adestim.datasets.labelling.conversions import make_conversion_target
from adestim.datasets.labelling.diagnoses import NOT_AD
from adestim.exceptions import TableError


def visits_of(**subjects):
    """Visits from one mapping of months to diagnosis a subject."""
    rows = [(name, *visit) for name, visits in subjects.items() for visit in visits.items()]
    return pd.DataFrame(rows, columns=["subject", "months", "diagnosis"])


@pytest.mark.parametrize(
    ("visits", "label", "years"),
    [
        ({0: "MCI", 12: "MCI", 24: "AD"}, "converted", 2.0),
        ({0: "MCI", 6: "AD", 12: "MCI"}, "converted", 0.5),
        ({0: "MCI", 30: "MCI"}, "censored", 2.5),
        ({0: "MCI", 12: "CN", 24: "CN"}, "censored", 2.0),
        ({0: "MCI", 12: "CN", 24: "AD"}, "converted", 2.0),
        ({0: "MCI", 12: "MCI", 24: None}, "censored", 1.0),
        ({0: "MCI", 12: NOT_AD, 24: "AD"}, "censored", 1.0),
        ({3: "MCI", 15: "AD"}, "converted", 1.0),
    ],
)
def test_outcomes_are_dated_from_the_baseline(visits, label, years):
    found = conversion_labels(visits_of(s1=visits)).loc["s1"]
    assert (found["label"], found["years"]) == (label, years)
    assert pd.isna(found["reason"])


@pytest.mark.parametrize(
    ("visits", "reason"),
    [
        ({0: "MCI"}, "no follow-up"),
        ({0: "CN", 12: "AD"}, "CN at baseline, not MCI"),
        ({0: None, 24: "MCI"}, "no diagnosis at baseline"),
    ],
)
def test_who_has_no_time_has_a_reason(visits, reason):
    found = conversion_labels(visits_of(s1=visits)).loc["s1"]
    assert found["reason"] == reason
    assert found[["label", "years"]].isna().all()


def test_the_baseline_may_be_another_diagnosis():
    visits = visits_of(s1={0: "CN", 24: "AD"})
    assert conversion_labels(visits, baseline="CN").loc["s1", "years"] == 2


def test_labels_become_targets():
    labels = conversion_labels(visits_of(s1={0: "MCI", 24: "AD"}, s2={0: "MCI", 6: "MCI"}))
    event, time = read_survival(make_conversion_target(labels))
    assert (event.tolist(), time.tolist()) == ([True, False], [2.0, 0.5])


def test_a_table_without_diagnoses_is_refused():
    with pytest.raises(TableError, match="none named 'diagnosis'"):
        conversion_labels(pd.DataFrame({"subject": ["s1"], "months": [0]}))
