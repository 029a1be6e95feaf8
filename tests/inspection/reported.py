"""What reports and cards are made of, fitted once."""

from functools import cache

import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from adestim.evaluation import compare, score_by_group
from tests.fusion_tables import quick
from tests.inspection.fitted import interacting_table


@cache
def reported(n_classes=2):
    """A small fitted fusion, its table with missing modalities, and its labels."""
    X, y, _ = interacting_table(n_classes=n_classes)
    trained = {"start": "anchor", "max_epochs": 6, "learning_rate": 0.01, "patience": 50}
    return quick(anchor=["mri", "gene"], **trained).fit(X, y), X, y


@cache
def compared():
    """A comparison of a quick model with the control that sees only who has what."""
    _, X, y = reported()
    settings = {"cv": 2, "threshold": "youden", "random_state": 0}
    # Called a fusion; a comparison tells nothing of what was compared, and this one takes no time.
    model = make_pipeline(SimpleImputer(), LogisticRegression())
    return compare({"fusion": model}, X, y, **settings)


@cache
def grouped():
    """Scores of that model by sex and site; one site is too small."""
    index = reported()[1].index
    n_rows = len(index)
    sites = ["north"] * 40 + ["south"] * (n_rows - 45) + ["west"] * 5
    people = pd.DataFrame({"sex": ["F", "F", "M", "M"] * (n_rows // 4), "site": sites}, index=index)
    return score_by_group(compared(), people, n_resamples=20, n_permutations=19)
