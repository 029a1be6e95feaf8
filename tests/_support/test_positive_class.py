"""Which of two classes is the positive one."""

import numpy as np
import pytest

from adestim._support.positive_class import choose_positive


@pytest.mark.parametrize(
    ("classes", "positive"),
    [
        (("AD", "CN"), "AD"),
        (("CN", "PD"), "PD"),
        (("pMCI", "sMCI"), "pMCI"),
        (("Dementia", "Healthy control"), "Dementia"),
        ((False, True), True),
        ((0, 1), 1),
        (("AD", "MCI"), "MCI"),
        (("CN", "NC"), "NC"),
        (("AD", "CN", "MCI"), "MCI"),
    ],
)
def test_the_positive_class_is_the_patients_and_else_the_last(classes, positive):
    assert choose_positive(classes) == positive
    assert choose_positive(np.array(classes)) == positive
