"""Nets that are kept whatever they learned, for tests of what nets do rather than learn."""

from contextlib import contextmanager

import numpy as np
import pytest

from adestim.training.mixture import MemberMixture
from adestim.training.net import FusionNet
from tests.fusion_tables import quick


@contextmanager
def nets_kept():
    """Fits in which the start of training counts as worse than any epoch."""
    losses_of, started = FusionNet.losses_of, set()

    def judge(net, outputs, data):
        losses = losses_of(net, outputs, data)
        if net in started:
            return losses
        # A net is judged for the first time before it is trained.
        started.add(net)
        return np.full_like(losses, 1e9)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FusionNet, "losses_of", judge)
        yield


def paper(**params):
    """A quick estimator as in the paper: nets alone, from their anchors' heads, averaged."""
    return quick(**({"members": (), "aggregate": "mean", "learning_rate": 0.02} | params))


def fit_kept(model, X, y, **params):
    """The model, fitted so that all of its nets are kept."""
    with nets_kept():
        return model.fit(X, y, **params)


def fit_even(model, X, y):
    """The model, fitted so that all of its nets are kept, and shares are as before any evidence."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemberMixture, "learn", lambda mixture, *evidence: mixture)
        return fit_kept(model, X, y)
