"""What would be said without a modality."""

import numpy as np
import pytest

from adestim.exceptions import InputError
from adestim.inspection import what_if_missing
from tests.fusion_tables import BLOCKS, numeric_table, with_missing
from tests.inspection.rules import (
    additive,
    classes_of,
    fitted_classifier,
    fitted_regressor,
    follow,
    signs,
)


def test_change_is_what_a_table_without_the_modality_changes():
    X, _ = classes_of()
    model = fitted_classifier()
    without = what_if_missing(model, X, "csf")
    lacking = X.copy()
    lacking[BLOCKS["csf"]] = np.nan
    some = lacking.notna().any(axis=1)
    after = model.predict_proba(lacking[some])[:, 0]
    np.testing.assert_allclose(without.loc[some, "after"], after, atol=1e-6)
    np.testing.assert_allclose(without["before"], model.predict_proba(X)[:, 0], atol=1e-6)
    np.testing.assert_allclose(without["change"], without["after"] - without["before"])
    assert (without.loc[some, "decision_after"] == model.predict(lacking[some])).all()


def test_who_lacks_the_modality_changes_nothing():
    X, _ = classes_of()
    without = what_if_missing(fitted_classifier(), X, "csf")
    assert (without["has"] == X[BLOCKS["csf"]].notna().any(axis=1)).all()
    assert (without.loc[~without["has"], "change"] == 0).all()
    assert not without.loc[~without["has"], "changed"].any()


def test_decisions_change_where_the_modality_decides():
    X = signs()
    without = what_if_missing(follow(additive, X), X, "a", baseline=[0.5, 0.5])
    np.testing.assert_allclose(without["change"], -0.2 * X["a__x"])
    assert (without["changed"] == (X["a__x"] != X["b__x"])).all()


def test_several_are_hidden_together():
    X = signs((3, "a__x"), (3, "b__x"))
    without = what_if_missing(follow(additive, X), X, ["a", "b"], baseline=[0.5, 0.5])
    np.testing.assert_allclose(without["after"], 0.5)
    assert without.index[~without["has"]].to_list() == [3]


def test_who_has_nothing_left_gets_the_training_prevalence():
    X, y = classes_of()
    without = what_if_missing(fitted_classifier(), X, list(BLOCKS))
    np.testing.assert_allclose(without["after"], np.mean(y == "CN"), atol=1e-6)


def test_numbers_have_no_decisions():
    X = with_missing(numeric_table(48)[0])
    without = what_if_missing(fitted_regressor(), X, "mri")
    assert without.columns.to_list() == ["has", "before", "after", "change"]
    np.testing.assert_allclose(without["before"], fitted_regressor().predict(X), rtol=1e-6)


@pytest.mark.parametrize("modality", ["pet", ["mri", "pet"], []])
def test_a_modality_that_is_not_known_is_refused(modality):
    message = r"'modality' must name .* Choose from \['mri', 'csf', 'gene'\]\."
    with pytest.raises(InputError, match=message):
        what_if_missing(fitted_classifier(), classes_of()[0], modality)
