"""A mixture of experts over the modalities, as a rival."""

from __future__ import annotations

from numbers import Integral
from typing import ClassVar

import numpy as np
import torch

from adestim._support.docs import fill_docs
from adestim._support.ranges import Range
from adestim._support.sklearn import Interval
from adestim.fusion._base import presence
from adestim.fusion.token_fusions import TokenFusionClassifier
from adestim.training.nets.mixture import MixtureFusion


@fill_docs
class MixtureFusionClassifier(TokenFusionClassifier):
    """Classify by a sparse mixture of experts that knows which modalities are missing.

    In the manner of Flex-MoE: a missing modality is replaced by a learned vector, one for every
    missing modality within each pattern of observed ones, and a router sends every subject to a few
    experts, at first to that of its pattern. See
    :class:`adestim.training.nets.mixture.MixtureFusion` for the differences.

    Parameters
    ----------
    %(rival_start)s
    %(n_trees)s
    width : int, default=32
        Width that all tokens are brought to; a multiple of 8.
    n_experts : int, default=8
        Number of experts. The most frequent patterns get one each; with more patterns than experts,
        several start with the same.
    top_k : int, default=2
        Experts that judge a subject.
    %(trainer)s
    %(class_weight)s
    %(device)s
    %(precision)s
    %(random_state)s
    %(verbose)s

    Attributes
    ----------
    %(classes_attributes)s
    patterns_ : ndarray of shape (n_patterns, n_modalities), dtype bool
        Patterns of observed modalities among the training subjects, the most frequent first.
    %(rival_attributes)s

    See Also
    --------
    adestim.AnchoredFusionClassifier : The method that this is a rival of.
    adestim.evaluation.rivals : All rivals by name.

    Notes
    -----
    %(rival_notes)s

    References
    ----------
    S. Yun et al., "Flex-MoE: Modeling Arbitrary Modality Combination via the Flexible
    Mixture-of-Experts", NeurIPS 2024.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import MixtureFusionClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(80, 3)), columns=["mri__a", "mri__b", "csf__tau"])
    >>> y = np.where(X["mri__a"] + X["csf__tau"] > 0, "AD", "CN")
    >>> X.loc[::5, "csf__tau"] = np.nan
    >>> model = MixtureFusionClassifier(max_epochs=2, random_state=0).fit(X, y)
    >>> model.patterns_.tolist()
    [[True, True], [True, False]]
    >>> model.predict_proba(X).shape
    (80, 2)
    """

    _parameter_constraints: ClassVar[dict] = {
        **TokenFusionClassifier._parameter_constraints,
        "n_experts": [Interval(Integral, 1, None, closed="left")],
        "top_k": [Interval(Integral, 1, None, closed="left")],
    }
    _search_space: ClassVar[dict] = {
        **TokenFusionClassifier._search_space,
        "n_experts": Range(4, 16),
        "top_k": Range(1, 4),
    }

    def __init__(  # noqa: PLR0913 - flat, so that searches and studies can name them
        self,
        *,
        start="late",
        n_trees=200,
        width=32,
        n_experts=8,
        top_k=2,
        dropout=0.1,
        modality_dropout=0.1,
        max_epochs=40,
        batch_size=64,
        learning_rate=2e-3,
        weight_decay=0.05,
        patience=15,
        validation_fraction=0.2,
        class_weight=None,
        device="auto",
        precision="float32",
        random_state=None,
        verbose=0,
    ):
        self.start = start
        self.n_trees = n_trees
        self.width = width
        self.n_experts = n_experts
        self.top_k = top_k
        self.dropout = dropout
        self.modality_dropout = modality_dropout
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.class_weight = class_weight
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def _remember(self, tables, scores):
        super()._remember(tables, scores)
        self.patterns_ = patterns_by_frequency(presence(tables))

    def _module(self, name):
        return MixtureFusion(
            **self._sizes(),
            patterns=torch.from_numpy(self.patterns_),
            n_experts=self.n_experts,
            top_k=self.top_k,
        )


def patterns_by_frequency(present: np.ndarray) -> np.ndarray:
    """Return the distinct rows of a presence table, the most frequent first."""
    patterns, counts = np.unique(present, axis=0, return_counts=True)
    return patterns[np.argsort(-counts, kind="stable")]
