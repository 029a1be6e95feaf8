import numpy as np
import pytest

from adestim.exceptions import InputError
from adestim.inspection import sanity_check
from adestim.inspection.tokens.sanity import compare_ranks
from tests.fusion_tables import numeric_table, quick
from tests.inspection.fitted import fitted


def test_maps_of_what_was_learned_correlate_little_and_those_of_the_data_fully():
    rng = np.random.default_rng(0)
    map_ = rng.random(60)
    learned = compare_ranks(map_, rng.random((5, 60)), rng)
    of_the_data = compare_ranks(map_, np.tile(map_, (5, 1)), rng)
    assert abs(learned.correlation) < 0.2
    assert learned.p_value > 0.05
    assert of_the_data.correlation == pytest.approx(1)
    assert of_the_data.p_value < 0.01


def test_same_seed_gives_the_same_and_leaves_estimator_and_generator():
    fusion, X = fitted()
    before, state = fusion.predict_proba(X), np.random.get_state()[1].copy()  # noqa: NPY002
    first = sanity_check(fusion, X.iloc[:20], n_draws=2, n_steps=4)
    second = sanity_check(fusion, X.iloc[:20], n_draws=2, n_steps=4)
    np.testing.assert_array_equal(first.draws, second.draws)
    np.testing.assert_array_equal(fusion.predict_proba(X), before)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_table_has_one_row():
    frame = sanity_check(*fitted(), n_draws=2, n_steps=2).frame()
    assert frame["n_draws"].tolist() == [2]
    assert frame["smallest"].item() <= frame["correlation"].item() <= frame["largest"].item()


def test_too_few_tokens_are_refused():
    X, y = numeric_table(24)
    X = X[["mri__a", "gene__a"]]
    with pytest.raises(InputError, match=r"at least 4 tokens. Got 2"):
        sanity_check(quick(max_epochs=0).fit(X, y), X, n_draws=1, n_steps=2)
