"""What probabilities are worth."""

import numpy as np
import pandas as pd
import pytest

from adestim.evaluation.measuring.alike import read_reference
from adestim.evaluation.measuring.worth import Worth, expect_worth
from adestim.exceptions import InputError

CLASSES = ["AD", "CN"]


class Tau:
    """Knows the class from tau, and nothing without it."""

    classes_ = np.array(CLASSES)

    def predict_proba(self, X):
        p = np.where(X["csf__tau"].isna(), 0.5, X["csf__tau"] > 0).astype(float)
        return np.stack([p, 1 - p], axis=1)


def read(gain, threshold=None, positive=None, classes=CLASSES):
    return Worth.read(gain, threshold, positive, classes, has_labels=True)


def expect(worth):
    X = pd.DataFrame({"mri__a": np.ones(40), "csf__tau": np.tile([1.0, -1.0], 20)})
    reference = read_reference(Tau(), X, np.tile(["AD", "CN"], 20), None, 40)
    patient = pd.DataFrame({"mri__a": [1.0], "csf__tau": [np.nan]})
    now, later, n_alike = expect_worth(worth, reference, patient, np.array([True, False]), 1)
    return now[0], later[0], n_alike


def test_certainty_has_no_entropy():
    assert expect(read("entropy")) == pytest.approx((-np.log(2), 0.0, 40))


def test_alike_people_lose_their_log_loss():
    assert expect(read("log_loss")) == pytest.approx((-np.log(2), 0.0, 40), abs=1e-5)


def test_net_benefit_is_that_of_acting_from_the_threshold_on():
    assert expect(read("net_benefit", 0.8)) == pytest.approx((0.0, 0.5, 40))
    now, later, _ = expect(read("net_benefit", 0.2))
    assert now == pytest.approx(0.5 - 0.5 * 0.25)
    assert later == pytest.approx(0.5)


def test_the_patients_are_the_positive_ones():
    assert read("net_benefit", 0.5).place == 0
    assert read("net_benefit", 0.5, "CN").place == 1


def test_net_benefit_is_of_two_classes():
    with pytest.raises(InputError, match="two classes"):
        read("net_benefit", 0.5, classes=["AD", "CN", "MCI"])
