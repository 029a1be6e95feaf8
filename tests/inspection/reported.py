"""What reports and cards are made of, fitted once."""

from functools import cache

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
    """A comparison of a small fusion with the control that sees only who has what."""
    _, X, y = reported()
    settings = {"cv": 2, "threshold": "youden", "random_state": 0}
    return compare({"fusion": quick(max_epochs=0)}, X, y, **settings)
