"""What the Q-former's queries attend to: every auxiliary token, by subject, query and path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from adestim.encoding.places import SCORE_TOKEN, name_tokens
from adestim.exceptions import InputError
from adestim.inspection.tokens.long_tables import average_known_values, long_frame, require_level
from adestim.inspection.tokens.view import SubjectsView, view_of
from adestim.inspection.tokens.words import (
    RecordTexts,
    name_subjects,
    word_means,
    word_values,
    words_table,
)
from adestim.training.nets.qformer import ModalityAwareQFormer

CROSS = "cross-modal"
OWN = "own queries"
LEVELS = {"token": [], "subject": ["subject"], "query": ["subject", "query"]}


@dataclass(frozen=True, eq=False)
class QueryAttention:
    """Attention of one anchor's Q-former to the auxiliary modalities' tokens.

    Parameters
    ----------
    anchor : str
        The anchor whose Q-former it is.
    subjects : pandas.Index
        The subjects.
    tokens : dict of str to tuple of str
        Names of every auxiliary modality's tokens; the last is that of its phase-1 scores.
    weights : dict of str to ndarray of shape (n_subjects, n_queries, n_tokens)
        Attention of a modality's own queries, averaged over heads; NaN where the modality is
        missing, and summing to 1 over tokens otherwise.
    cross : dict of str to ndarray of shape (n_subjects, n_queries, n_queries)
        Attention of the cross-modal queries to what a modality's own queries have read; together
        it sums to 1 over modalities and their queries. Empty without a cross-modal path.
    texts : dict of str to RecordTexts, default={}
        Records of the modalities that a language model reads.
    """

    anchor: str
    subjects: pd.Index
    tokens: dict[str, tuple[str, ...]]
    weights: dict[str, np.ndarray]
    cross: dict[str, np.ndarray]
    texts: dict[str, RecordTexts] = field(default_factory=dict)

    def cross_to_tokens(self, modality: str) -> np.ndarray:
        """Return how much of the cross-modal path stems from every token of a modality.

        Parameters
        ----------
        modality : str
            An auxiliary modality.

        Returns
        -------
        ndarray of shape (n_subjects, n_queries, n_tokens)
            Attention to the modality's queries times theirs to the tokens; 0 where the modality
            is missing.

        References
        ----------
        S. Abnar and W. Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020 (attention
        of successive layers multiplied; here without what passes by the attention).
        """
        read = np.nan_to_num(self.weights[modality])
        return np.einsum("scq,sqt->sct", self.cross[modality], read)

    def frame(self, level: str = "token") -> pd.DataFrame:
        """Return the attention as a tidy table.

        Parameters
        ----------
        level : {"token", "subject", "query"}, default="token"
            ``"token"``: averaged over subjects and queries; ``"subject"``: over queries;
            ``"query"``: not averaged.

        Returns
        -------
        DataFrame
            Columns ``path``, ``modality``, ``token`` and ``weight``, before them ``subject`` and
            ``query`` where these are kept.

        Raises
        ------
        InputError
            When there is no such level, or the table would have millions of rows.
        """
        require_level(level, LEVELS)
        parts = [
            self._part(path, modality, values, level) for path, modality, values in self._paths()
        ]
        return pd.concat(parts, ignore_index=True)

    def words(self, level: str = "word", *, min_subjects: int = 1) -> pd.DataFrame:
        """Return the attention by word, of modalities whose records a language model reads.

        Parameters
        ----------
        level : {"word", "column", "subject"}, default="word"
            ``"word"``: a row a word of a column's sentence, averaged over queries and the
            subjects who have the modality; ``"column"``: all words of a column's sentence together;
            ``"subject"``: a row a subject and word, in the order of the record.
        min_subjects : int, default=1
            For ``"word"``: words that stand in fewer subjects' records are left out.

        Returns
        -------
        DataFrame
            For ``"word"``: ``path``, ``modality``, ``column``, ``word``, ``weight`` and
            ``n_subjects``, in whose records it stands. For ``"column"``: the same without
            ``word``. For ``"subject"``: ``path``, ``subject``, ``modality``, ``place``,
            ``column``, ``word`` and ``weight``.

        Raises
        ------
        InputError
            When no auxiliary modality is read as text, or there is no such level.
        CheckpointError
            When the language model's folder, which holds its tokenizer, is not there.
        """
        read = {name: values.mean(axis=1) for name, values in self.weights.items()}
        parts = {OWN: self._words_on(read, level, min_subjects)}
        if self.cross:
            read = {name: self.cross_to_tokens(name).mean(axis=1) for name in self.cross}
            parts[CROSS] = self._words_on(read, level, min_subjects)
        return pd.concat(parts, names=["path", None]).reset_index("path").reset_index(drop=True)

    def _words_on(
        self, values: dict[str, np.ndarray], level: str, min_subjects: int
    ) -> pd.DataFrame:
        """Return the attention by word on one path."""
        table = words_table(word_values(self.texts, values), level)
        if level == "subject":
            return name_subjects(table, self.subjects, "weight")
        found = word_means(table, level, self.weights, min_subjects)
        return found.rename(columns={"mean": "weight"}).drop(columns=["mean_absolute", "spread"])

    def _paths(self) -> Iterator[tuple[str, str, np.ndarray]]:
        """Yield path, modality and attention to its tokens."""
        for modality, values in self.weights.items():
            yield OWN, modality, values
        for modality in self.cross:
            yield CROSS, modality, self.cross_to_tokens(modality)

    def _part(self, path: str, modality: str, values: np.ndarray, level: str) -> pd.DataFrame:
        """Return the tidy table of one modality on one path."""
        axes: dict[str, Any] = {"subject": self.subjects, "query": range(values.shape[1])}
        for place, name in reversed(list(enumerate(axes))):
            if name not in LEVELS[level]:
                values = average_known_values(values, axis=place)
        kept = {name: axes[name] for name in LEVELS[level]} | {"token": self.tokens[modality]}
        frame = long_frame(values, kept, "weight")
        frame.insert(len(kept) - 1, "path", path)
        frame.insert(len(kept), "modality", modality)
        return frame


def query_attention(estimator: Any, X: Any, *, anchor: str | None = None) -> QueryAttention:
    """Return what the queries of one anchor's Q-former attend to.

    The weights are those of the prediction: softmax is done again beside the model, which is
    neither changed nor slowed down afterwards. Attention says what was read, not what the
    prediction rests on (:func:`token_attribution` does).

    Parameters
    ----------
    estimator : AnchoredFusionClassifier, AnchoredFusionRegressor or Pipeline
        Fitted fusion, or a fitted pipeline that ends in one.
    X : {DataFrame, array-like} of shape (n_subjects, n_columns)
        Table as in ``fit``.
    anchor : str, default=None
        One of the estimator's anchors; None for the first.

    Returns
    -------
    QueryAttention

    Raises
    ------
    InputError
        When the estimator is no anchored fusion, has no Q-former (a single modality, or
        ``n_queries=0``), has no such anchor, or the table is another's.
    sklearn.exceptions.NotFittedError
        When it is not fitted.

    References
    ----------
    Gu et al., "Joint Adaptation of Uni-modal Foundation Models for Multi-modal Alzheimer's
    Disease Diagnosis", ICLR 2026 (the Q-former).
    S. Jain and B. C. Wallace, "Attention is not Explanation", NAACL 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import AnchoredFusionClassifier
    >>> from adestim.inspection import query_attention
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(40, 2)), columns=["mri__volume", "csf__tau"])
    >>> y = np.where(X.sum(axis=1) > 0, "AD", "CN")
    >>> fusion = AnchoredFusionClassifier(
    ...     anchor="mri", n_queries=2, width=8, max_epochs=1, random_state=0
    ... ).fit(X, y)
    >>> query_attention(fusion, X).frame()[["path", "modality", "token"]]
              path modality           token
    0  own queries      csf             tau
    1  own queries      csf  phase-1 scores
    2  cross-modal      csf             tau
    3  cross-modal      csf  phase-1 scores
    """
    view = view_of(estimator, X, anchor)
    qformer = require_qformer(view)
    seen = collect_attention(view, qformer)
    tokens = {
        name: (*name_tokens(view.tables[name].backbone, seen[name].shape[2] - 1), SCORE_TOKEN)
        for name in qformer.modalities
    }
    weights = {name: seen[name] for name in qformer.modalities}
    for name in weights:
        weights[name][~view.tables[name].present] = np.nan
    cross = split_cross(seen.get(CROSS), qformer)
    return QueryAttention(view.anchor, view.index, tokens, weights, cross, view.texts)


def require_qformer(view: SubjectsView) -> ModalityAwareQFormer:
    """Return the Q-former, or say why there is none."""
    qformer = view.net.module_.qformer
    if qformer is None:
        raise InputError(
            "Only a fusion with a Q-former has queries that attend to other modalities",
            got=f"modalities {view.fusion.modalities_}, n_queries={view.fusion.n_queries}",
            remedy="Fit it on two modalities or more, with n_queries above 0",
        )
    return qformer


def collect_attention(view: SubjectsView, qformer: ModalityAwareQFormer) -> dict[str, np.ndarray]:
    """Return attention by reader, (n_subjects, n_queries, n_keys), averaged over heads."""
    layers = dict(zip(qformer.modalities, qformer.uni_modal.shares, strict=True))
    if qformer.cross_modal is not None:
        [layers[CROSS]] = qformer.cross_modal.shares
    with watch_attention(layers, qformer.uni_modal.n_heads) as seen:
        for _, batch in view.batches(view.net.batch_size):
            view.net.evaluation_step((batch, None), training=False)
    return {name: torch.cat(parts).numpy() for name, parts in seen.items()}


@contextmanager
def watch_attention(
    layers: Mapping[str, nn.Softmax], n_heads: int
) -> Iterator[dict[str, list[Tensor]]]:
    """Collect the attention that some layers return, as long as the context lasts."""
    seen: dict[str, list[Tensor]] = {name: [] for name in layers}

    def collect(name):
        return lambda _, args, shares: seen[name].append(average_heads(shares, n_heads).cpu())

    hooks = [layer.register_forward_hook(collect(name)) for name, layer in layers.items()]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def average_heads(shares: Tensor, n_heads: int) -> Tensor:
    """Return the mean over heads of shares (B, Q * heads, T), (B, Q, T)."""
    return shares.detach().float().unflatten(1, (-1, n_heads)).mean(dim=2)


def split_cross(weights: np.ndarray | None, qformer: ModalityAwareQFormer) -> dict[str, np.ndarray]:
    """Return the cross-modal attention by modality; nothing without a cross-modal path."""
    if weights is None:
        return {}
    parts = np.split(weights, len(qformer.modalities), axis=2)
    return dict(zip(qformer.modalities, parts, strict=True))
