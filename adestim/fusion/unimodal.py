"""One modality's model alone, as a rival of every fusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from adestim._support.docs import fill_docs
from adestim._support.ranges import OF_THE_QUESTION
from adestim._support.sklearn import StrOptions, fit_context
from adestim.encoding import encodings_frame
from adestim.encoding.tables import Subjects
from adestim.exceptions import InputError
from adestim.fusion._anchored import ANCHORED_CONSTRAINTS, ANCHORED_NOT_SEARCHED, ANCHORED_SPACE
from adestim.fusion._base import (
    TRAINER_CONSTRAINTS,
    TRAINER_NOT_SEARCHED,
    TRAINER_SPACE,
    require_whole_heads,
)
from adestim.fusion._table_classifier import TableClassifier
from adestim.fusion._targets import TrainingSet, check_classes, sort_subjects
from adestim.fusion.anchored_classifier import AnchoredFusionClassifier

MODEL_PARAMS = ("width", "depth", "lora_rank", "lora_params", "gradient_checkpointing")


@fill_docs
class UnimodalClassifier(TableClassifier):
    """Classify from one modality alone.

    The modality's phase-1 head and model are those of :class:`adestim.AnchoredFusionClassifier`
    without auxiliary tokens, by the same trainer, fitted on the subjects who have the modality.
    Who lacks it gets the class frequencies of the training subjects.

    Parameters
    ----------
    modality : str or None, default=None
        Name of the modality; None where the table has a single one.
    width : int, default=16
        Width of the transformer of a reference backbone; a multiple of 8.
    depth : int, default=1
        Number of its blocks.
    lora_rank : int, default=8
        Rank of the adapters of a foundation model's layers; 0 for none.
    lora_params : dict or None, default=None
        Further options of the adapters, see :class:`adestim.AnchoredFusionClassifier`.
    gradient_checkpointing : bool, default=False
        Whether a foundation model's activations are made again in the backward pass.
    %(fold_trainer)s
    %(class_weight)s
    %(device)s
    %(precision)s
    %(random_state)s
    %(verbose)s

    Attributes
    ----------
    %(classes_attributes)s
    modality_ : str
        Name of the modality that is used.
    frequencies_ : ndarray of shape (n_classes,)
        Weighted class frequencies of all training subjects.
    model_ : AnchoredFusionClassifier
        The fitted model of the modality.

    See Also
    --------
    adestim.evaluation.rivals : All rivals by name, every modality alone among them.

    Notes
    -----
    %(fusion_tables)s

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import UnimodalClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(80, 3)), columns=["mri__a", "mri__b", "csf__tau"])
    >>> y = np.where(X["csf__tau"] > 0, "AD", "CN")
    >>> X.loc[::5, "csf__tau"] = np.nan
    >>> model = UnimodalClassifier(modality="csf", max_epochs=2, random_state=0).fit(X, y)
    >>> bool(model.score(X.dropna(), y[X["csf__tau"].notna()]) > 0.9)
    True
    >>> np.allclose(model.predict_proba(X)[0], model.frequencies_)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "modality": [str, None],
        **{name: ANCHORED_CONSTRAINTS[name] for name in MODEL_PARAMS},
        **TRAINER_CONSTRAINTS,
        "n_folds": ANCHORED_CONSTRAINTS["n_folds"],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }
    _search_space: ClassVar[dict] = {
        **TRAINER_SPACE,
        **{name: ANCHORED_SPACE[name] for name in MODEL_PARAMS if name in ANCHORED_SPACE},
    }
    _not_searched: ClassVar[dict] = {
        **TRAINER_NOT_SEARCHED,
        "n_folds": ANCHORED_NOT_SEARCHED["n_folds"],
        **{
            name: ANCHORED_NOT_SEARCHED[name]
            for name in MODEL_PARAMS
            if name in ANCHORED_NOT_SEARCHED
        },
        "class_weight": OF_THE_QUESTION,
        "modality": "the question itself",
    }

    def __init__(  # noqa: PLR0913 - flat, so that searches and studies can name them
        self,
        *,
        modality=None,
        width=16,
        depth=1,
        lora_rank=8,
        lora_params=None,
        gradient_checkpointing=False,
        dropout=0.1,
        modality_dropout=0.1,
        max_epochs=12,
        batch_size=64,
        learning_rate=2e-3,
        weight_decay=0.05,
        patience=4,
        n_folds=5,
        class_weight=None,
        device="auto",
        precision="float32",
        random_state=None,
        verbose=0,
    ):
        self.modality = modality
        self.width = width
        self.depth = depth
        self.lora_rank = lora_rank
        self.lora_params = lora_params
        self.gradient_checkpointing = gradient_checkpointing
        self.dropout = dropout
        self.modality_dropout = modality_dropout
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.n_folds = n_folds
        self.class_weight = class_weight
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, groups=None, sample_weight=None):
        """Fit the modality's model on the subjects who have it.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Encodings table, numeric frame or numeric array.
        y : array-like of shape (n_subjects,)
            Class labels.
        groups : array-like of shape (n_subjects,), default=None
            Rows of one group stay on one side of the inner splits. By default rows of the
            same index label, and rows that hold the very same data, are one group.
        sample_weight : array-like of shape (n_subjects,), default=None
            Weights of the subjects; a subject of weight 0 is left out.

        Returns
        -------
        self : object

        Raises
        ------
        NoModalityError
            When a subject has no modality at all.
        InputError
            When the modality is not there, or has subjects of a single class alone.
        """
        require_whole_heads(self.width, type(self).__name__)
        data, self.classes_ = check_classes(self, X, y, groups, sample_weight, self.class_weight)
        data = sort_subjects(data)
        subjects = self._read_training_table(data.frame)
        self.modality_ = choose_modality(self.modality, self.modalities_)
        self.frequencies_ = np.bincount(data.targets, data.weight) / data.weight.sum()
        self._fit_model(data, subjects)
        return self

    def _fit_model(self, data: TrainingSet, subjects: Subjects) -> None:
        """Fit on the subjects who have the modality."""
        has = subjects.tables[self.modality_].present
        labels = self.classes_[data.targets[has]]
        require_two_classes(labels, self.modality_)
        params = self.get_params(deep=False)
        # Weights of the subjects hold those of the classes already.
        del params["modality"], params["class_weight"]
        model = AnchoredFusionClassifier(
            anchor=self.modality_, members=(), n_queries=0, start="anchor", **params
        )
        frame = self._own_table(subjects)[has]
        self.model_ = model.fit(frame, labels, data.groups[has], data.weight[has])

    def _own_table(self, subjects: Subjects):
        """Return the modality as a table of one column of encodings."""
        return encodings_frame(subjects.cells[self.modality_], self.modality_, subjects.index)

    def predict_proba(self, X):
        """Return class probabilities, the class frequencies for who lacks the modality.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Table as in ``fit``.

        Returns
        -------
        ndarray of shape (n_subjects, n_classes)
        """
        check_is_fitted(self, "model_")
        subjects = self._read_table(X)
        has = subjects.tables[self.modality_].present
        probability = np.tile(self.frequencies_, (len(has), 1))
        if has.any():
            places = np.searchsorted(self.classes_, self.model_.classes_)
            probability[has] = 0.0
            own = self._own_table(subjects)[has]
            probability[np.ix_(has, places)] = self.model_.predict_proba(own)
        return probability


def choose_modality(modality: str | None, names: Sequence[str]) -> str:
    """Return the name of the modality, or say which ones there are."""
    if modality is None and len(names) == 1:
        return names[0]
    if modality not in names:
        raise InputError(
            "The 'modality' parameter of UnimodalClassifier must name a modality that some "
            "training subject has, and may be None only where there is a single one",
            got=repr(modality),
            remedy=f"Choose from {list(names)}",
        )
    return modality


def require_two_classes(labels: np.ndarray, modality: str) -> None:
    """Refuse a modality whose subjects are all of one class."""
    if len(np.unique(labels)) < 2:
        raise InputError(
            f"The training subjects who have {modality!r} must be of at least 2 classes",
            got="1 class",
            remedy="Choose another modality, or check the split that left the others out",
        )
