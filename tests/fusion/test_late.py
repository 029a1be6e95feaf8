import numpy as np
import pytest
from scipy.special import softmax
from sklearn.base import clone
from sklearn.metrics import log_loss

from adestim import LateFusionClassifier
from adestim.exceptions import InputError
from adestim.training.phase_one.stack import lay_side_by_side
from tests.fusion_tables import BLOCKS, numeric_table, with_missing


@pytest.fixture(scope="module")
def incomplete():
    X, y = numeric_table(120)
    return with_missing(X), y


def late(weighting="mean"):
    return LateFusionClassifier(weighting=weighting, random_state=0)


def heads_of(model, X):
    """Probabilities (n_subjects, n_modalities, 2) of the heads, from numeric columns."""
    names = model.phase_one_.modalities
    blocks = [X[BLOCKS[name]].to_numpy(np.float32) for name in names]
    odds = model.phase_one_.scores(blocks).values[:, [*map(names.index, model.modalities_)], 0]
    return softmax(np.pad(odds, ((0, 0), (0, 0), (1, 0))), axis=2)


def test_the_mean_is_over_the_modalities_observed(incomplete):
    X, y = incomplete
    model = late().fit(X, y)
    observed = np.stack([X[BLOCKS[name]].notna().any(axis=1) for name in BLOCKS], axis=1)
    pairs = zip(heads_of(model, X), observed, strict=True)
    expected = [heads[has].mean(axis=0) for heads, has in pairs]
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-6)


def test_skilful_modalities_weigh_more(incomplete):
    model = late("weighted").fit(*incomplete)
    skill = dict(zip(model.modalities_, model.skill_, strict=True))
    assert skill["gene"] < 0.05 < min(skill["mri"], skill["csf"])


def test_weights_are_the_skills_of_what_is_observed():
    X, y = numeric_table(120)
    model = late("weighted").fit(X, y)
    expected = np.einsum("nmk,m->nk", heads_of(model, X), model.skill_ / model.skill_.sum())
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-6)


def test_who_has_only_modalities_without_skill_gets_their_mean(incomplete):
    X, y = incomplete
    model = late("weighted").fit(X, np.random.default_rng(0).permutation(y))
    only = X.copy()
    only[BLOCKS["mri"] + BLOCKS["csf"]] = np.nan
    only["gene__a"] = only["gene__a"].fillna(0.0)
    expected = heads_of(model, only)[:, model.modalities_.index("gene")]
    np.testing.assert_allclose(model.predict_proba(only), expected, rtol=1e-6)


def test_stacking_beats_the_mean_where_modalities_add_up():
    X, y = numeric_table(400)
    losses = {
        weighting: log_loss(y[200:], late(weighting).fit(X[:200], y[:200]).predict_proba(X[200:]))
        for weighting in ("mean", "stacked")
    }
    assert losses["stacked"] < losses["mean"] - 0.05


def test_in_stacking_a_missing_modality_counts_as_an_average_one(incomplete):
    X, y = incomplete
    model = late("stacked").fit(X, y)
    head = model._rule.head
    missing = X.assign(mri__a=np.nan, mri__b=np.nan, gene__a=X["gene__a"].fillna(0.0))
    names = model.phase_one_.modalities
    values = heads_of(model, missing)[:, [*map(model.modalities_.index, names)]]
    odds = np.log(values[:, :, 1:]) - np.log(values[:, :, :1])
    odds[:, names.index("mri")] = head.mean[names.index("mri")]
    observed = np.ones((len(X), 3), dtype=bool)
    observed[:, names.index("csf")] = X["csf__a"].notna()
    score = head.scores(lay_side_by_side(odds, observed)) + model._rule.intercept
    expected = 1 / (1 + np.exp(-score[:, 0]))
    np.testing.assert_allclose(model.predict_proba(missing)[:, 1], expected, rtol=1e-5)


@pytest.mark.parametrize("weighting", ["weighted", "stacked"])
def test_a_class_with_a_single_subject_still_gets_probabilities(weighting):
    X, _ = numeric_table(40)
    model = late(weighting).fit(X, np.where(np.arange(40) == 3, "rare", "common"))
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_skill_is_there_for_weights_alone(incomplete):
    assert not hasattr(late().fit(*incomplete), "skill_")


def test_another_weighting_is_refused(incomplete):
    with pytest.raises(ValueError, match="'weighting' parameter of LateFusionClassifier"):
        clone(late()).set_params(weighting="best").fit(*incomplete)


def test_one_class_is_refused():
    X, _ = numeric_table(20)
    with pytest.raises(InputError, match="LateFusionClassifier needs at least 2 classes"):
        late().fit(X, np.zeros(20))
