"""What reports and cards are made of, fitted once."""

from functools import cache

from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from adestim.evaluation import compare
from tests.fusion_tables import numeric_table, quick, with_missing


@cache
def reported(n_classes=2):
    """A small fitted fusion, its table with missing modalities, and its labels."""
    X, y = numeric_table(48, n_classes)
    X = with_missing(X)
    return quick(anchor=["mri", "csf"]).fit(X, y), X, y


@cache
def compared():
    """A comparison of a quick model with the control that sees only who has what."""
    _, X, y = reported()
    settings = {"cv": 2, "threshold": "youden", "random_state": 0}
    # Called a fusion; a comparison tells nothing of what was compared, and this one takes no time.
    model = make_pipeline(SimpleImputer(), LogisticRegression())
    return compare({"fusion": model}, X, y, **settings)
