import numpy as np
import pytest

from adestim.encoding.tables import check_fusion_table
from adestim.exceptions import NoModalityError
from adestim.fusion._table_classifier import TableClassifier
from tests.fusion_tables import numeric_table


class FirstValue(TableClassifier):
    """Tells the class by the sign of the first modality's first value."""

    def fit(self, X, y):
        self._read_training_table(check_fusion_table(self, X, reset=True))
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        tables = self._read_table(X).tables
        positive = tables[self.modalities_[0]].pooled()[:, 0] > 0
        return np.stack([~positive, positive], axis=1).astype(float)


def test_labels_follow_the_probabilities():
    X, y = numeric_table(20)
    expected = np.where(X["mri__a"] > 0, "CN", "AD")
    np.testing.assert_array_equal(FirstValue().fit(X, y).predict(X), expected)


def test_no_subjects_data_are_kept():
    model = FirstValue().fit(*numeric_table(20))
    assert model.modalities_ == ["mri", "csf", "gene"]
    assert all(len(like.tokens) == 0 for like in model._likes.values())


def test_a_later_subject_with_nothing_is_refused_by_name():
    X, y = numeric_table(20)
    model = FirstValue().fit(X, y)
    X.loc["sub-003"] = np.nan
    with pytest.raises(NoModalityError, match="'sub-003'"):
        model.predict(X)
