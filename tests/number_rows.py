"""What a row of numbers becomes, so that scikit-learn's tables of numbers reach an extractor."""

import nibabel
import numpy as np
import pandas as pd
from nilearn.datasets import load_mni152_template
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from adestim.datasets import Visits

TEMPLATE = load_mni152_template(resolution=12)


class OfNumbers(TransformerMixin, BaseEstimator):
    """A transformer that learns nothing but the number of columns."""

    def fit(self, X, y=None):
        validate_data(self, X, dtype=np.float64)
        return self

    def read(self, X):
        check_is_fitted(self, "n_features_in_")
        return validate_data(self, X, dtype=np.float64, reset=False)


class RowsAsVolumes(OfNumbers):
    """Turns rows of numbers into brains whose front is as bright as the numbers say."""

    def transform(self, X):
        front = np.linspace(-1, 1, TEMPLATE.shape[1])[:, None]
        values = TEMPLATE.get_fdata(dtype=np.float32)
        images = [
            nibabel.Nifti1Image(values * (1 + 0.1 * np.tanh(row.mean()) * front), TEMPLATE.affine)
            for row in self.read(X)
        ]
        return pd.DataFrame({"t1w": pd.Series(images, dtype=object)})


class RowsAsSeries(OfNumbers):
    """Turns rows of numbers into ROI series: tones whose mixture the numbers decide."""

    def transform(self, X):
        times = np.arange(60)[:, None] * 3.0
        tones = np.sin(2 * np.pi * times * [0.02, 0.03, 0.05])
        series = [tones + np.roll(tones, 1, axis=1) * np.tanh(row.mean()) for row in self.read(X)]
        frame = pd.DataFrame({"bold": pd.Series([None] * len(series), dtype=object)})
        frame["bold"] = pd.Series(series, dtype=object)
        return frame


class RowsAsVisits(OfNumbers):
    """Turns rows of numbers into two visits, the first of which had none of what they say."""

    def transform(self, X):
        cells = [
            Visits([-1, 0], pd.DataFrame([0 * row, row]).add_prefix("x")) for row in self.read(X)
        ]
        frame = pd.DataFrame({"visits": pd.Series([None] * len(cells), dtype=object)})
        frame["visits"] = pd.Series(cells, dtype=object)
        return frame


class RowsAsDosages(OfNumbers):
    """Squeezes any number into the range of a dosage."""

    def transform(self, X):
        return 1 + np.tanh(self.read(X))
