"""What all fusions that train nets share."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from adestim import AnchoredFusionClassifier, ConcatFusionClassifier
from adestim.exceptions import InputError
from adestim.fusion._base import BaseFusion
from tests.fusion_tables import numeric_table, with_missing

SMALL = {"width": 8, "n_trees": 0, "max_epochs": 2, "random_state": 0, "device": "cpu"}


@pytest.fixture(scope="module")
def table():
    X, y = numeric_table(40)
    return with_missing(X), y


@pytest.mark.parametrize("kind", [AnchoredFusionClassifier, ConcatFusionClassifier])
def test_every_epoch_of_every_net_is_recorded(kind, table):
    model = kind(**SMALL).fit(*table)
    names = ["mri", "csf", "gene"] if kind is AnchoredFusionClassifier else list(model.nets_)
    found = [(row["anchor"], row["epoch"]) for row in model.history_]
    first = 0 if kind is AnchoredFusionClassifier else 1
    assert found == [(name, epoch) for name in names for epoch in range(first, 3)]


def test_a_single_net_has_a_name_of_its_own(table):
    model = ConcatFusionClassifier(**SMALL).fit(*table)
    assert [model.net_] == list(model.nets_.values())


def test_what_failed_in_training_does_not_pass_for_fitted(table, monkeypatch):
    def interrupted(self, *args):
        raise KeyboardInterrupt

    model = AnchoredFusionClassifier(**SMALL).fit(*table)
    monkeypatch.setattr(BaseFusion, "_after_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*table)
    assert not hasattr(model, "nets_")


@pytest.mark.parametrize("kind", [AnchoredFusionClassifier, ConcatFusionClassifier])
def test_nets_that_the_caller_trains_make_the_same_fit(kind, table):
    X, y = table
    expected = kind(**SMALL).fit(X, y)
    model = kind(**SMALL)
    for training in model.fit_nets(X, y):
        training.run()
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


def test_who_leaves_nets_untrained_has_no_fitted_estimator(table):
    model = AnchoredFusionClassifier(**SMALL)
    nets = model.fit_nets(*table)
    next(nets)
    nets.close()
    with pytest.raises(NotFittedError):
        model.predict(table[0])


def test_a_width_that_does_not_split_into_heads_names_the_estimator(table):
    with pytest.raises(InputError, match=r"'width' parameter of ConcatFusionClassifier.*12"):
        ConcatFusionClassifier(**SMALL | {"width": 12}).fit(*table)
