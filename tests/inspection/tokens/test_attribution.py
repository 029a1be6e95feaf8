import numpy as np
import pandas as pd
import pytest

from adestim import AnchoredFusionClassifier
from adestim.exceptions import InputError
from adestim.inspection import token_attribution
from tests.fusion_tables import numeric_table, quick, with_missing
from tests.inspection.fitted import fitted, fitted_regressor, in_pipeline
from tests.toy_backbone import toy_table, write_weights


@pytest.fixture(scope="module")
def attribution():
    return token_attribution(*fitted(), target="AD")


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    """A fusion whose anchor is a frozen foundation model, and its table."""
    X, y = toy_table(write_weights(tmp_path_factory.mktemp("weights") / "toy.pt"), n=40)
    small = {
        "anchor": "img",
        "n_queries": 2,
        "max_epochs": 2,
        "n_trees": 0,
        "random_state": 0,
        "device": "cpu",
    }
    return AnchoredFusionClassifier(**small).fit(X, y), X


def test_outputs_are_the_log_odds_of_the_prediction(attribution):
    fusion, X = fitted()
    p = fusion.predict_proba(X)
    assert attribution.anchor is None
    np.testing.assert_allclose(attribution.outputs, np.log(p[:, 0] / p[:, 1]), atol=1e-4)


@pytest.mark.parametrize("anchor", ["mri", "csf"])
def test_an_anchor_is_explained_alone_whether_it_has_a_net_or_its_head(anchor):
    fusion, X = fitted(anchor="all", start="anchor")
    found = token_attribution(fusion, X, anchor=anchor)
    p = fusion.predict_proba_by_anchor(X)[anchor]
    np.testing.assert_allclose(found.outputs, np.log(p[:, 0] / p[:, 1]), atol=1e-4)
    assert found.anchor == anchor
    assert found.completeness()["gap"].abs().max() < 0.01


SETTINGS = [
    {"anchor": "all"}, {"anchor": "all", "aggregate": "stacked"}, {"members": ()},
    {"start": "stacked", "n_trees": 10}, {"calibrate": None}, {"members": ("discriminant", "late")},
]  # fmt: skip


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_mixture_is_explained_whole(settings):
    fusion, X = fitted(**settings)
    found, p = token_attribution(fusion, X, n_steps=64), fusion.predict_proba(X)
    np.testing.assert_allclose(found.outputs, np.log(p[:, 0] / p[:, 1]), atol=1e-4)
    assert found.completeness()["gap"].abs().max() < 0.01


@pytest.mark.parametrize("baseline", ["missing", "mean"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_attributions_sum_to_the_difference_of_outputs(baseline, n_classes):
    fusion, X = fitted(n_classes)
    gap = token_attribution(fusion, X, baseline=baseline).completeness()["gap"]
    assert gap.abs().max() < 0.01


def test_regressor_is_explained_in_the_units_of_its_target():
    fusion, X = fitted_regressor()
    found = token_attribution(fusion, X)
    np.testing.assert_allclose(found.outputs, fusion.predict(X), atol=0.01)
    assert found.completeness()["gap"].abs().max() < 0.05
    top = found.frame().nlargest(1, "mean_absolute").iloc[0]
    assert (top["modality"], top["token"]) == ("mri", "b")


@pytest.mark.parametrize("baseline", ["missing", "mean"])
def test_sum_holds_through_a_frozen_anchor(frozen, baseline):
    fusion, X = frozen
    found = token_attribution(fusion, X, baseline=baseline, n_steps=48)
    assert found.completeness()["gap"].abs().max() < 0.02
    assert found.values["img"].shape == (40, 5 + 1)
    has = X["img"].notna().to_numpy()
    np.testing.assert_array_equal(np.isnan(found.values["img"]).all(axis=1), ~has)


def test_phase_one_alone_is_attributed_to_the_column_that_decides():
    X, _ = numeric_table(60)
    y = np.where(X["csf__b"] > 0, "AD", "CN")
    found = token_attribution(quick(max_epochs=0).fit(X, y), X).frame()
    top = found.nlargest(1, "mean_absolute").iloc[0]
    assert (top["modality"], top["token"]) == ("csf", "b")


@pytest.fixture(scope="module")
def with_forest():
    """What no linear head can say, so that the forest has its say; and its table."""
    X, _ = numeric_table(120)
    y = np.where(X["csf__a"].abs() > 0.7, "AD", "CN")
    return quick(max_epochs=0, n_trees=50).fit(X, y), X


@pytest.mark.parametrize("baseline", ["missing", "mean"])
def test_sum_holds_where_a_forest_has_its_say(with_forest, baseline):
    fusion, X = with_forest
    found = token_attribution(fusion, X, baseline=baseline)
    assert fusion.phase_one_.forest is not None
    assert found.completeness()["gap"].abs().max() < 1e-3


def test_what_a_forest_says_is_told_of_its_columns(with_forest):
    found = token_attribution(*with_forest).frame().query("token != 'score of its own model'")
    top = found.nlargest(1, "mean_absolute")
    assert top[["modality", "token"]].to_numpy().tolist() == [["csf", "a"]]


def test_sum_holds_for_a_forest_of_three_classes_and_missing_modalities():
    X, y = numeric_table(90, 3)
    X = with_missing(X)
    fusion = quick(max_epochs=0, n_trees=20).fit(X, y)
    assert token_attribution(fusion, X).completeness()["gap"].abs().max() < 0.01


def test_missing_modality_has_no_attribution(attribution):
    _, X = fitted()
    missing = X["csf__a"].isna().to_numpy()
    assert np.isnan(attribution.values["csf"][missing]).all()
    assert not np.isnan(attribution.values["csf"][~missing]).any()


def test_features_of_tokens_sum_to_their_attribution(attribution):
    mean = attribution.frame().query("modality == 'csf'")["mean"].to_numpy()[:-1]
    np.testing.assert_allclose(attribution.features["csf"].sum(axis=1), mean, atol=1e-5)


def test_tidy_tables_have_a_row_a_token(attribution):
    assert list(attribution.frame()) == ["modality", "token", "mean", "mean_absolute"]
    assert len(attribution.frame("subject")) == len(fitted()[1]) * (3 + 3 + 2)


def test_other_batches_give_the_same(attribution):
    fusion, X = fitted()
    part = token_attribution(in_pipeline(fusion), X.iloc[40:], target="AD")
    np.testing.assert_allclose(part.values["mri"], attribution.values["mri"][40:], atol=1e-4)


def test_weights_keep_no_gradient():
    fusion, X = fitted()
    weights = list(fusion.nets_["mri"].module_.parameters())
    for value in weights:
        value.grad = None
    token_attribution(fusion, X.iloc[:5], n_steps=2)
    assert all(value.grad is None for value in weights)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_steps": 0}, "'n_steps' must be a whole number above 0. Got 0"),
        ({"baseline": "zero"}, "'baseline'.*Got 'zero'. Choose from"),
        ({"target": "MCI"}, "one of the classes"),
    ],
)
def test_wrong_settings_are_told(settings, message):
    with pytest.raises(InputError, match=message):
        token_attribution(*fitted(), **settings)


def test_result_is_indexed_by_subject(attribution):
    pd.testing.assert_index_equal(attribution.completeness().index, fitted()[1].index)
