"""What a row of numbers becomes, so that scikit-learn's tables of numbers reach an extractor."""

import nibabel
import numpy as np
import pandas as pd
from nilearn.datasets import load_mni152_template
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from adestim import AnchoredFusionSurvival, make_survival
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


class NumbersAsYears(AnchoredFusionSurvival):
    """Takes numbers or classes for years to an event, of which every third is censored."""

    def fit(self, X, y, groups=None, sample_weight=None):
        return super().fit(X, self.read_years(y), groups, sample_weight)

    def score(self, X, y):
        return super().score(X, self.read_years(y))

    def read_years(self, y):
        if y is None:
            return y
        y = check_array(y, ensure_2d=False, dtype=None)
        if y.ndim > 1 or np.iscomplexobj(y):
            return y
        order = np.unique(y, return_inverse=True)[1]
        return make_survival(np.arange(len(y)) % 3 > 0, 1.0 + order)


class RowsAsRegions(OfNumbers):
    """Turns rows of numbers into volumes of regions, larger with the numbers."""

    def transform(self, X):
        return pd.DataFrame(2 + np.tanh(self.read(X))).add_prefix("Region-")


class RowsAsUptake(OfNumbers):
    """Turns rows of numbers into PET images of three voxels, of which the last is the reference."""

    def transform(self, X):
        images = [
            nibabel.Nifti1Image(
                np.array([1, 2 + np.tanh(row.mean()), 1.0])[:, None, None], np.eye(4)
            )
            for row in self.read(X)
        ]
        return pd.DataFrame({"pet": pd.Series(images, dtype=object)})


class NamedImage(nibabel.Nifti1Image):
    """An image that is called the same in every process, as names of tests must be."""

    def __repr__(self):
        return "VOXELS"


VOXELS = NamedImage(np.array([1, 2, 3], np.int16)[:, None, None], np.eye(4))
