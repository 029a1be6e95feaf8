"""Tables as they go into a paper."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adestim.evaluation._tables import (
    escape_latex,
    find_best_rows,
    frame_to_markdown,
    scores_to_html,
    scores_to_latex,
    scores_to_markdown,
)
from adestim.exceptions import InputError

KINDS = ["estimate", "low", "high"]


def summary_of(scores, names=("fusion", "mask_only")):
    columns = pd.MultiIndex.from_product([list(scores), KINDS])
    rows = [[x for value in scores.values() for x in value[place]] for place in range(len(names))]
    return pd.DataFrame(rows, index=list(names), columns=columns, dtype=float)


@pytest.fixture
def summary():
    return summary_of(
        {
            "roc_auc": [(0.8, 0.7, 0.9), (0.6, 0.5, 0.7)],
            "brier": [(0.2, 0.1, 0.3), (0.1, 0.05, 0.2)],
            "calibration_slope": [(0.9, 0.5, 1.3), (1.4, np.nan, np.nan)],
            "f1": [(np.nan,) * 3, (0.5, np.nan, 0.6)],
        }
    )


def test_markdown_shows_estimates_intervals_and_the_best(summary):
    assert scores_to_markdown(summary, digits=2).splitlines() == [
        "| Estimator | ROC AUC | Brier | Calibration slope | F1 |",
        "| --- | --- | --- | --- | --- |",
        "| fusion | **0.80** [0.70, 0.90] | 0.20 [0.10, 0.30] | **0.90** [0.50, 1.30] | – |",
        "| mask\\_only | 0.60 [0.50, 0.70] | **0.10** [0.05, 0.20] | 1.40 | **0.50** |",
    ]


def test_latex_is_a_booktabs_table(summary):
    text = scores_to_latex(summary, scores=["f1", "roc_auc"], digits=2)
    assert text.splitlines() == [
        r"\begin{tabular}{lll}",
        r"\toprule",
        r"Estimator & F1 & ROC AUC \\",
        r"\midrule",
        r"fusion & -- & \textbf{0.80} [0.70, 0.90] \\",
        r"mask\_only & \textbf{0.50} & 0.60 [0.50, 0.70] \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_latex_with_a_caption_is_a_float(summary):
    text = scores_to_latex(summary, caption="95% of A & B_1", label="tab:a")
    assert r"\caption{95\% of A \& B\_1}" in text
    assert text.startswith("\\begin{table}\n\\centering\n")
    assert text.endswith("\\end{tabular}\n\\end{table}")


@given(st.text())
def test_latex_prints_any_name(name):
    text = escape_latex(name)
    bare = re.sub(r"\\(textbackslash|textasciitilde|textasciicircum)\{\}", "", text)
    assert not re.search(r"(?<!\\)[&%$#_{}]|[~^]", bare)
    unescaped = re.sub(r"\\[{}]", "", text)
    assert unescaped.count("{") == unescaped.count("}")


@given(st.text())
def test_markdown_keeps_any_name_within_its_cell(name):
    lines = frame_to_markdown(pd.DataFrame({"n": [1]}, index=[name])).splitlines()
    assert len(lines) == 3
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", lines[2])) == 3


def test_html_escapes_names(summary):
    text = scores_to_html(summary.rename(index={"fusion": "<fusion>"}))
    assert "&lt;fusion&gt;" in text
    assert "<b>0.800</b> [0.700, 0.900]" in text


@pytest.mark.parametrize(
    ("score", "values", "best"),
    [
        ("accuracy", [0.1, 0.3], [False, True]),
        ("log_loss", [0.1, 0.3], [True, False]),
        ("calibration_slope", [0.7, 1.2], [False, True]),
        ("calibration_intercept", [-0.1, 0.3], [True, False]),
        ("accuracy", [0.30001, 0.30002], [True, True]),
        ("accuracy", [np.nan, 0.3], [False, True]),
        ("accuracy", [np.nan, np.nan], [False, False]),
        ("home-made", [0.1, 0.3], [False, False]),
    ],
)
def test_the_best_is_known_for_every_score(score, values, best):
    assert find_best_rows(pd.Series(values), score).tolist() == best


def test_a_score_that_is_not_there_is_refused(summary):
    with pytest.raises(
        InputError, match=r"that were computed. Got 'mae'. Choose from roc_auc, brier"
    ):
        scores_to_markdown(summary, scores=["mae"])


def test_what_is_no_score_is_no_column(summary):
    summary["folds", "ok"] = 5
    assert "folds" not in scores_to_markdown(summary)
