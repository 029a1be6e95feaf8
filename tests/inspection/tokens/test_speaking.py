import numpy as np
import pytest
from scipy.special import softmax

from adestim.inspection.tokens.speaking import Speaking
from adestim.inspection.tokens.view import view_of
from tests.inspection.fitted import fitted, fitted_regressor


def ask(view):
    """Return the odds of what a view looks into, from what is said one by one."""
    speaking, scores = Speaking.of(view), view.scores
    parts = [scores.values.reshape(len(scores.values), -1)]
    parts += [scores.judges[name](scores, view.present) for name in speaking.readers]
    parts += [
        net.predict_logits(view.data) - view.data.base_logits.numpy() for net in view.nets.values()
    ]
    return speaking(np.hstack(parts), view.present, np.arange(len(view.index)))


@pytest.mark.parametrize(
    "settings", [{}, {"n_classes": 3}, {"n_trees": 10}, {"anchor": "all", "aggregate": "stacked"}]
)
def test_members_together_say_what_the_fusion_says(settings):
    fusion, X = fitted(**settings)
    odds = ask(view_of(fusion, X))
    p = softmax(np.pad(odds, ((0, 0), (1, 0))), axis=1)
    np.testing.assert_allclose(p, fusion.predict_proba(X), atol=1e-5)


def test_one_anchor_says_what_it_says_alone():
    fusion, X = fitted(anchor="all")
    odds = ask(view_of(fusion, X, "mri"))[:, 0]
    p = fusion.predict_proba_by_anchor(X)["mri"]
    np.testing.assert_allclose(odds, np.log(p[:, 1] / p[:, 0]), atol=1e-5)


def test_numbers_are_standardised():
    fusion, X = fitted_regressor()
    odds = ask(view_of(fusion, X))[:, 0]
    standard = (fusion.predict(X) - fusion.target_mean_) / fusion.target_scale_
    np.testing.assert_allclose(odds, standard, atol=1e-5)
