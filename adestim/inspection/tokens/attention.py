"""What the Q-former's queries attend to: every auxiliary token, by subject, query and path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
from adestim.inspection.tokens.view import SubjectsView, choose_net, fusion_of, view_of
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
    """Attention of one anchor's Q-formers to the auxiliary modalities' tokens.

    An anchor has a net for every inner fold, each with queries of its own. They stand side by side
    here, those of one net after those of another, so that a mean over queries is one over nets.

    Parameters
    ----------
    anchor : str
        The anchor whose Q-formers they are.
    subjects : pandas.Index
        The subjects.
    tokens : dict of str to tuple of str
        Names of every auxiliary modality's tokens; the last is that of its phase-1 scores.
    weights : dict of str to ndarray of shape (n_subjects, n_queries, n_tokens)
        Attention of a modality's own queries, averaged over heads; NaN where the modality is
        missing, and summing to 1 over tokens otherwise. ``n_queries`` counts those of all nets.
    cross : dict of str to ndarray of shape (n_subjects, n_queries, n_queries_of_a_net)
        Attention of the cross-modal queries to what a modality's own queries of the same net have
        read; together it sums to 1 over modalities and their queries. Empty without a cross-modal
        path.
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
        cross, read = self.cross[modality], np.nan_to_num(self.weights[modality])
        n_own = cross.shape[2]
        by_net = (array.reshape(len(array), -1, n_own, array.shape[2]) for array in (cross, read))
        return np.einsum("skcq,skqt->skct", *by_net).reshape(*cross.shape[:2], read.shape[2])

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
    """Return what the queries of one anchor's Q-formers attend to.

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
        One of the estimator's anchors that have a net; None for that of the largest share in the
        mixture, ``interaction_``.

    Returns
    -------
    QueryAttention

    Raises
    ------
    InputError
        When the estimator is no anchored fusion, has no Q-former (a single modality, or
        ``n_queries=0``), has no such anchor or no net of it (``max_epochs=0``, or no share in the
        mixture), or the table is another's.
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
    ...     anchor="mri", members=(), start="anchor", n_queries=2, width=8, max_epochs=10,
    ...     random_state=0,
    ... ).fit(X, y)
    >>> query_attention(fusion, X).frame()[["path", "modality", "token"]]
              path modality                   token
    0  own queries      csf                     tau
    1  own queries      csf  score of its own model
    2  cross-modal      csf                     tau
    3  cross-modal      csf  score of its own model
    """
    fusion = fusion_of(estimator)
    require_queries(fusion)
    anchor = choose_net(fusion, anchor)
    qformers = [net.qformer for net in fusion.nets_[anchor].module_.folds]
    view = view_of(estimator, X, anchor)
    seen = collect_attention(view, anchor, qformers)
    names = qformers[0].modalities
    weights = dict(zip(names, seen, strict=False))
    tokens = {
        name: (*name_tokens(view.tables[name].backbone, own.shape[2] - 1), SCORE_TOKEN)
        for name, own in weights.items()
    }
    for name in weights:
        weights[name][~view.tables[name].present] = np.nan
    cross = split_cross(seen[len(names) :], names)
    return QueryAttention(anchor, view.index, tokens, weights, cross, view.texts)


def require_queries(fusion: Any) -> None:
    """Refuse a fusion whose nets have no Q-former."""
    if fusion.n_queries == 0 or len(fusion.modalities_) == 1:
        raise InputError(
            "Only a fusion with a Q-former has queries that attend to other modalities",
            got=f"modalities {fusion.modalities_}, n_queries={fusion.n_queries}",
            remedy="Fit it on two modalities or more, with n_queries above 0",
        )


def collect_attention(
    view: SubjectsView, anchor: str, qformers: Sequence[ModalityAwareQFormer]
) -> list[np.ndarray]:
    """Return attention by reader, (n_subjects, n_queries, n_keys), nets side by side.

    Readers are the modalities' own queries, and the cross-modal ones last.
    """
    net, layers = view.nets[anchor], [list_layers(qformer) for qformer in qformers]
    named = {
        (number, place): layer
        for number, own in enumerate(layers)
        for place, layer in enumerate(own)
    }
    with watch_attention(named, qformers[0].uni_modal.n_heads) as seen:
        for batch in view.batches_of(anchor, net.batch_size):
            net.evaluation_step((batch, None), training=False)
    return [
        np.concatenate([torch.cat(seen[number, place]).numpy() for number in range(len(layers))], 1)
        for place in range(len(layers[0]))
    ]


def list_layers(qformer: ModalityAwareQFormer) -> list[nn.Softmax]:
    """Return what makes attention: a layer a modality, and that of the cross-modal path."""
    crossing = [] if qformer.cross_modal is None else list(qformer.cross_modal.shares)
    return [*qformer.uni_modal.shares, *crossing]


@contextmanager
def watch_attention(
    layers: Mapping[Any, nn.Softmax], n_heads: int
) -> Iterator[dict[Any, list[Tensor]]]:
    """Collect the attention that some layers return, as long as the context lasts."""
    seen: dict[Any, list[Tensor]] = {name: [] for name in layers}

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


def split_cross(seen: Sequence[np.ndarray], modalities: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the cross-modal attention by modality; nothing without a cross-modal path."""
    found: dict[str, np.ndarray] = {}
    for weights in seen:
        parts = np.split(weights, len(modalities), axis=2)
        found = dict(zip(modalities, parts, strict=True))
    return found
