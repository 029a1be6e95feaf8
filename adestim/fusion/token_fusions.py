"""Fusions without an anchor, as rivals: the same phase 1, tokens and trainer, another module."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.special import softmax

from adestim._support.docs import fill_docs
from adestim._support.ranges import OF_THE_QUESTION, Choice, Range
from adestim._support.sklearn import Interval, StrOptions
from adestim.fusion._base import (
    SPLIT_CONSTRAINTS,
    SPLIT_NOT_SEARCHED,
    TRAINER_CONSTRAINTS,
    TRAINER_NOT_SEARCHED,
    TRAINER_SPACE,
    FusionClassifier,
)
from adestim.training.anchored_nets import HEAD_WIDTH
from adestim.training.inputs import Start
from adestim.training.nets.rivals import (
    ConcatFusion,
    CrossAttentionFusion,
    LinearFusion,
    MixtureFusion,
    RivalFusion,
    SelfAttentionFusion,
)

NET = "fusion"


class TokenFusionClassifier(FusionClassifier):
    """Base of the fusions that read all modalities alike: one net, no anchor."""

    _net_class: ClassVar[type[RivalFusion]]

    _parameter_constraints: ClassVar[dict] = {
        "start": [StrOptions({"late", "average", "stacked"})],
        "n_trees": [Interval(Integral, 0, None, closed="left")],
        "width": [Interval(Integral, 8, None, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        **TRAINER_CONSTRAINTS,
        **SPLIT_CONSTRAINTS,
    }
    _search_space: ClassVar[dict] = {
        **TRAINER_SPACE,
        "n_trees": Choice((0, 200)),
        "width": Range(16, 64, step=16),
        "start": Choice(("late", "average", "stacked")),
    }
    _not_searched: ClassVar[dict] = {
        **TRAINER_NOT_SEARCHED,
        **SPLIT_NOT_SEARCHED,
        "class_weight": OF_THE_QUESTION,
    }

    def __init__(  # noqa: PLR0913 - flat, so that searches and studies can name them
        self,
        *,
        start="late",
        n_trees=200,
        width=32,
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

    def _starts(self, subjects):
        return {NET: Start(self.start, None)}

    def _module(self, name):
        return self._net_class(**self._sizes())

    def _sizes(self) -> dict[str, Any]:
        """Return what the module is built from."""
        return {
            "shapes": self.inputs_.shapes(),
            "width": self.width,
            "n_outputs": self.inputs_.n_outputs,
            "dropout": self.dropout,
        }

    def _probabilities(self, X):
        return softmax(self._judge(X).outputs[NET].astype(np.float64), axis=1)


class AttentionFusionClassifier(TokenFusionClassifier):
    """Base of the fusions by transformer blocks."""

    _parameter_constraints: ClassVar[dict] = {
        **TokenFusionClassifier._parameter_constraints,
        "depth": [Interval(Integral, 1, None, closed="left")],
    }
    _search_space: ClassVar[dict] = {
        **TokenFusionClassifier._search_space,
        "depth": Range(1, 4),
    }

    def __init__(  # noqa: PLR0913 - flat, so that searches and studies can name them
        self,
        *,
        start="late",
        n_trees=200,
        width=32,
        depth=2,
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
        self.depth = depth
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

    def _sizes(self):
        return super()._sizes() | {"depth": self.depth, "n_heads": self.width // HEAD_WIDTH}


@fill_docs
class ConcatFusionClassifier(TokenFusionClassifier):
    """Classify from the modalities' mean tokens, side by side.

    A missing modality's part is zero. One hidden layer reads all parts.

    Parameters
    ----------
    %(rival_head)s
    %(net_tail)s

    Attributes
    ----------
    %(classes_attributes)s
    %(rival_attributes)s

    %(rival_end)s

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import ConcatFusionClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(80, 3)), columns=["mri__a", "mri__b", "csf__tau"])
    >>> y = np.where(X["mri__a"] + X["csf__tau"] > 0, "AD", "CN")
    >>> X.loc[::5, "csf__tau"] = np.nan
    >>> model = ConcatFusionClassifier(max_epochs=2, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (80, 2)
    """

    _net_class = ConcatFusion


@fill_docs
class LinearFusionClassifier(TokenFusionClassifier):
    """Classify from one linear map of every modality's mean token.

    What the maps give is averaged over the modalities that a subject has, so nothing joint can be
    learned beyond a weighting: the least that a fusion does.

    Parameters
    ----------
    %(rival_head)s
    %(net_tail)s

    Attributes
    ----------
    %(classes_attributes)s
    %(rival_attributes)s

    %(rival_end)s

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import LinearFusionClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(80, 3)), columns=["mri__a", "mri__b", "csf__tau"])
    >>> y = np.where(X["mri__a"] + X["csf__tau"] > 0, "AD", "CN")
    >>> X.loc[::5, "csf__tau"] = np.nan
    >>> model = LinearFusionClassifier(max_epochs=2, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (80, 2)
    """

    _net_class = LinearFusion


@fill_docs
class SelfAttentionFusionClassifier(AttentionFusionClassifier):
    """Classify by one transformer over the tokens of all modalities.

    Every token carries a learned embedding of its modality; a class token is pooled. What is
    missing is masked as a key.

    Parameters
    ----------
    %(rival_head)s
    depth : int, default=2
        Number of blocks.
    %(net_tail)s

    Attributes
    ----------
    %(classes_attributes)s
    %(rival_attributes)s

    %(rival_end)s

    References
    ----------
    A. Vaswani et al., "Attention is all you need", NeurIPS 2017; the class token is that of
    J. Devlin et al., "BERT", NAACL 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import SelfAttentionFusionClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(80, 3)), columns=["mri__a", "mri__b", "csf__tau"])
    >>> y = np.where(X["mri__a"] + X["csf__tau"] > 0, "AD", "CN")
    >>> X.loc[::5, "csf__tau"] = np.nan
    >>> model = SelfAttentionFusionClassifier(max_epochs=2, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (80, 2)
    """

    _net_class = SelfAttentionFusion


@fill_docs
class CrossAttentionFusionClassifier(AttentionFusionClassifier):
    """Classify from modalities each of which reads the others by cross-attention.

    Every modality's mean token reads the other modalities' tokens in blocks of its own; the
    results are averaged over the modalities that a subject has.

    Parameters
    ----------
    %(rival_head)s
    depth : int, default=2
        Number of blocks.
    %(net_tail)s

    Attributes
    ----------
    %(classes_attributes)s
    %(rival_attributes)s

    %(rival_end)s

    References
    ----------
    Y.-H. H. Tsai et al., "Multimodal transformer for unaligned multimodal language sequences", ACL
    2019: pairwise cross-attention; here one modality reads all others at once.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import CrossAttentionFusionClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(80, 3)), columns=["mri__a", "mri__b", "csf__tau"])
    >>> y = np.where(X["mri__a"] + X["csf__tau"] > 0, "AD", "CN")
    >>> X.loc[::5, "csf__tau"] = np.nan
    >>> model = CrossAttentionFusionClassifier(max_epochs=2, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (80, 2)
    """

    _net_class = CrossAttentionFusion


@fill_docs
class MixtureFusionClassifier(TokenFusionClassifier):
    """Classify by a sparse mixture of experts that knows which modalities are missing.

    In the manner of Flex-MoE: a missing modality is replaced by a learned vector, one for every
    missing modality within each pattern of observed ones, and a router sends every subject to a few
    experts, at first to that of its pattern. See
    :class:`adestim.training.nets.MixtureFusion` for the differences.

    Parameters
    ----------
    %(rival_head)s
    n_experts : int, default=8
        Number of experts. The most frequent patterns get one each; with more patterns than experts,
        several start with the same.
    top_k : int, default=2
        Experts that judge a subject.
    %(net_tail)s

    Attributes
    ----------
    %(classes_attributes)s
    patterns_ : ndarray of shape (n_patterns, n_modalities), dtype bool
        Patterns of observed modalities among the training subjects, the most frequent first.
    %(rival_attributes)s

    %(rival_end)s

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

    _net_class = MixtureFusion

    def _start_fit(self, *args):
        start = super()._start_fit(*args)
        self.patterns_ = rank_patterns(start.subjects.present)[:, start.subjects.places]
        return start

    def _sizes(self):
        order = [self.modalities_.index(name) for name in self.inputs_.likes]
        patterns = torch.from_numpy(self.patterns_[:, order])
        own = {"patterns": patterns, "n_experts": self.n_experts, "top_k": self.top_k}
        return super()._sizes() | own


def rank_patterns(present: np.ndarray) -> np.ndarray:
    """Return the distinct rows of a presence table, the most frequent first."""
    patterns, counts = np.unique(present, axis=0, return_counts=True)
    return patterns[np.argsort(-counts, kind="stable")]
