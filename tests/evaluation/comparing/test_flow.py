"""Who is in a study."""

import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from adestim import ClinicalExtractor, ModalityUnion
from adestim.evaluation import cohort_flow
from adestim.evaluation.comparing.flow import find_presence, find_union
from adestim.exceptions import MissingDependencyError
from tests.fusion_tables import encodings_table, numeric_table, with_missing


@pytest.fixture
def flow():
    present = pd.DataFrame(
        {"mri": [True, True, True, False], "csf_tau": [True, False, True, True]},
        index=["s1", "s1", "s2", "s3"],
    )
    return cohort_flow(
        present,
        ["AD", "CN", "CN", "CN"],
        left_out=[("no label", 2), ("no modality", 0)],
        groups=["s1", "s1", "s2", "s3"],
        left_out_by_estimator={"mri alone": 1},
    )


def test_counts_add_up(flow):
    assert (flow.n_rows, flow.n_analysed, flow.n_groups) == (6, 4, 3)
    assert flow.left_out == (("no label", 2),)
    assert flow.by_class.to_dict() == {"AD": 1, "CN": 3}


def test_modalities_are_counted_by_class(flow):
    assert flow.by_modality.loc["mri"].to_dict() == {"AD": 1, "CN": 2, "all": 3}
    assert flow.by_modality["all"].to_dict() == {"mri": 3, "csf_tau": 3}


def test_patterns_are_counted_the_most_frequent_first(flow):
    assert flow.by_pattern["all"].to_dict() == {"mri+csf_tau": 2, "csf_tau": 1, "mri": 1}
    assert flow.by_pattern.index[0] == "mri+csf_tau"
    assert flow.by_pattern["all"].sum() == flow.n_analysed


def test_a_regression_has_no_classes():
    flow = cohort_flow(pd.DataFrame({"mri": [True, True]}))
    assert flow.by_class.empty
    assert list(flow.by_modality.columns) == ["all"]
    assert "2 analysed\n" in str(flow)


def test_text_tells_every_step(flow):
    assert str(flow).splitlines() == [
        "6 rows in the table",
        "2 left out: no label",
        "4 analysed in 3 groups: 1 AD, 3 CN",
        "mri: 3; csf_tau: 3",
        "mri+csf_tau: 2; csf_tau: 1; mri: 1",
        "1 left out by mri alone",
    ]


def test_markdown_has_a_table_of_steps_modalities_and_patterns(flow):
    steps, modalities, patterns = flow.to_markdown().split("\n\n")
    assert "| Left out: no label | 2 |" in steps
    assert "| Left out by mri alone | 1 |" in steps
    assert modalities.splitlines()[0] == "| Modality | AD | CN | all |"
    assert "| mri+csf\\_tau | 1 | 1 | 2 |" in patterns


def test_a_notebook_shows_the_counts(flow):
    assert flow._repr_html_().count("<table") == 2


def texts_of(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def test_the_figure_has_a_box_for_each_step_and_class(flow):
    ax = flow.plot(Figure().subplots())
    texts = texts_of(ax)
    assert "In the table\nn = 6" in texts
    assert "Left out, n = 2\nno label: 2" in texts
    assert "Analysed\nn = 4 in 3 groups" in texts
    assert "CN, n = 3\nmri: 2\ncsf_tau: 2" in texts
    assert "By pattern of modalities\nmri+csf_tau: 2\ncsf_tau: 1\nmri: 1" in texts


def test_the_figure_leaves_out_what_there_is_none_of():
    ax = cohort_flow(pd.DataFrame({"mri": [True, True]})).plot(Figure().subplots())
    assert "all, n = 2\nmri: 2" in texts_of(ax)
    assert not any("Left out" in text for text in texts_of(ax))


def test_the_figure_names_the_most_frequent_patterns():
    rng = np.random.default_rng(0)
    present = pd.DataFrame(rng.random((400, 4)) < 0.5, columns=list("abcd"))
    texts = texts_of(cohort_flow(present).plot(Figure().subplots()))
    assert texts[-1].endswith("and 8 more patterns")


def test_without_axes_there_is_a_new_figure(flow):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    ax = flow.plot()
    assert ax.figure.get_size_inches().tolist() == [8, 7]
    pyplot.close(ax.figure)


def test_without_matplotlib_the_remedy_is_named(flow, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'adestim\[plot\]'"):
        flow.plot()


# Who has what


def test_presence_is_that_of_the_table():
    X = with_missing(numeric_table(12)[0])
    expected = X.notna().T.groupby(lambda name: name.split("__")[0], sort=False).any().T
    np.testing.assert_array_equal(find_presence(X), expected)
    np.testing.assert_array_equal(find_presence(encodings_table(X)), expected)


def test_a_union_tells_which_raw_columns_are_one_modality():
    X = pd.DataFrame({"age": [70.0, None], "sex": ["F", "M"], "gds": [None, None]})
    union = ModalityUnion(
        [("who", ClinicalExtractor(), ["age", "sex"]), ("mood", ClinicalExtractor(), ["gds"])]
    )
    model = make_pipeline(union, LogisticRegression())
    assert find_union(model) is union
    assert find_union(LogisticRegression()) is None
    present = find_presence(X, [LogisticRegression(), model])
    assert present.to_dict("list") == {"who": [True, True], "mood": [False, False]}


def test_raw_columns_without_a_union_are_a_modality_each():
    X = pd.DataFrame({"t1w": ["a.nii", " "], "age": [70.0, 71.0]})
    assert find_presence(X).to_dict("list") == {"t1w": [True, False], "age": [True, True]}
