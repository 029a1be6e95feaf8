"""How much every token adds to the output: integrated gradients through all members at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
import torch

from adestim.encoding.places import SCORE_TOKEN, name_tokens
from adestim.exceptions import InputError
from adestim.inspection.tokens.free_text import share_among_words
from adestim.inspection.tokens.integrated import (
    ExplainedOutput,
    average_own_tokens,
    find_target,
    integrate_gradients,
    make_line_end,
    make_line_start,
    standardise_features,
)
from adestim.inspection.tokens.long_tables import average_known_values, long_frame, require_level
from adestim.inspection.tokens.pieces import combine_attributions, join_batches
from adestim.inspection.tokens.view import SubjectsView, view_of
from adestim.inspection.tokens.words import (
    RecordTexts,
    WordValue,
    name_subjects,
    word_means,
    word_values,
    words_table,
)

BASELINES = ("missing", "mean")
REMAINDER = "remainder"
BATCH = 32
N_STEPS = 32


@dataclass(frozen=True, eq=False)
class TokenAttribution:
    """What every token adds to the prediction, or to what one anchor says.

    Parameters
    ----------
    anchor : str or None
        The anchor that is explained; None for the whole prediction.
    target : object
        The class whose log-odds are explained; None for a predicted number.
    baseline : str
        What the output is compared with.
    subjects : pandas.Index
        The subjects.
    tokens : dict of str to tuple of str
        Names of every modality's tokens; the last is that of its phase-1 scores.
    values : dict of str to ndarray of shape (n_subjects, n_tokens)
        Attributions; NaN where a modality is missing.
    features : dict of str to DataFrame of shape (n_tokens, n_features)
        Attributions by feature of a token, averaged over the subjects who have the modality, for
        modalities whose tokens have names.
    outputs, baselines : ndarray of shape (n_subjects,)
        Output of the subject, and of the baseline.
    texts : dict of str to RecordTexts, default={}
        Records of the modalities that a language model reads.
    notes : tuple, default=()
        Words of free text that the built-in clinical model reads, each with what it adds.
    remainders : dict of str to ndarray of shape (n_subjects,), default={}
        What no token can be told to have added, by whose part it is: ``"member boosting"`` for an
        estimator of the user that is no forest, ``"smri, as others read it"`` where other anchors
        read a foundation model by tokens other than its own.
    """

    anchor: str | None
    target: Any
    baseline: str
    subjects: pd.Index
    tokens: dict[str, tuple[str, ...]]
    values: dict[str, np.ndarray]
    features: dict[str, pd.DataFrame]
    outputs: np.ndarray
    baselines: np.ndarray
    texts: dict[str, RecordTexts] = field(default_factory=dict)
    notes: tuple[WordValue, ...] = ()
    remainders: dict[str, np.ndarray] = field(default_factory=dict)

    def frame(self, level: str = "token") -> pd.DataFrame:
        """Return the attributions as a tidy table.

        Parameters
        ----------
        level : {"token", "subject"}, default="token"
            Averaged over the subjects who have the modality, or one row a subject and token.

        Returns
        -------
        DataFrame
            For ``"token"``: ``modality``, ``token``, ``mean`` and ``mean_absolute``. For
            ``"subject"``: ``subject``, ``modality``, ``token`` and ``attribution``. Remainders
            come last, each as a ``modality`` of the one token ``"remainder"``.

        Raises
        ------
        InputError
            When there is no such level, or the table would have millions of rows.
        """
        require_level(level, ("token", "subject"))
        part = tabulate_means if level == "token" else self._by_subject
        left = {name: values[:, None] for name, values in self.remainders.items()}
        tokens = self.tokens | dict.fromkeys(left, (REMAINDER,))
        parts = [part(name, values, tokens[name]) for name, values in (self.values | left).items()]
        return pd.concat(parts, ignore_index=True)

    def words(self, level: str = "word", *, min_subjects: int = 1) -> pd.DataFrame:
        """Return the attributions by word of records and free text.

        Words are those of records that a language model reads, and of columns of free text that
        the built-in clinical model reads; the latter only where a whole pipeline was looked into.

        Parameters
        ----------
        level : {"word", "column", "subject"}, default="word"
            ``"word"``: a row a word of a column's sentence, averaged over the subjects who have
            the modality; ``"column"``: all words of a column's sentence together;
            ``"subject"``: a row a subject and word, in the order of the record.
        min_subjects : int, default=1
            For ``"word"``: words that stand in fewer subjects' records are left out, since what is
            shown to others should not repeat what one patient's record says.

        Returns
        -------
        DataFrame
            For ``"word"``: ``modality``, ``column``, ``word``, ``mean``, ``mean_absolute``,
            ``spread`` and ``n_subjects``, in whose records it stands. A word of all records adds
            much and tells nothing where its ``spread``, the standard deviation over subjects, is
            small. For ``"column"``: the same without ``word``. For ``"subject"``: ``subject``,
            ``modality``, ``place``, ``column``, ``word`` and ``attribution``.

        Raises
        ------
        InputError
            When no modality is read as text, or there is no such level.
        CheckpointError
            When the language model's folder, which holds its tokenizer, is not there.
        """
        table = words_table(chain(word_values(self.texts, self.values), self.notes), level)
        if level == "subject":
            return name_subjects(table, self.subjects, "attribution")
        return word_means(table, level, self.values, min_subjects)

    def completeness(self) -> pd.DataFrame:
        """Return how well the attributions add up to the difference of outputs.

        Returns
        -------
        DataFrame of shape (n_subjects, 3)
            ``difference`` of output and baseline, ``sum`` of the attributions, and ``gap``.
        """
        total = sum(np.nansum(values, axis=1) for values in self.values.values())
        total = sum(self.remainders.values(), total)
        difference = self.outputs - self.baselines
        table = {"difference": difference, "sum": total, "gap": total - difference}
        return pd.DataFrame(table, index=self.subjects)

    def _by_subject(self, name: str, values: np.ndarray, tokens: tuple[str, ...]) -> pd.DataFrame:
        """Return one modality's attributions."""
        frame = long_frame(values, {"subject": self.subjects, "token": tokens}, "attribution")
        frame.insert(1, "modality", name)
        return frame


def tabulate_means(name: str, values: np.ndarray, tokens: tuple[str, ...]) -> pd.DataFrame:
    """Return one modality's means; values (n_subjects, n_tokens)."""
    means = {
        "mean": average_known_values(values, 0),
        "mean_absolute": average_known_values(np.abs(values), 0),
    }
    return pd.DataFrame({"modality": name, "token": list(tokens), **means})


def token_attribution(
    estimator: Any,
    X: Any,
    *,
    target: Any = None,
    anchor: str | None = None,
    n_steps: int = N_STEPS,
    baseline: str = "missing",
) -> TokenAttribution:
    r"""Return how much every token adds to the prediction, or to what one anchor says.

    Gradients are integrated along the straight line from a baseline to the subject, through all
    members of the mixture at once: phase 1, the nets and their frozen anchors, each by its share.
    All attributions of a subject sum to the difference of the outputs.

    .. math::

        \phi_i = (x_i - b_i) \int_0^1 \partial_i f(b + \alpha (x - b))\, d\alpha, \qquad
        \sum_i \phi_i = f(x) - f(b)

    Parameters
    ----------
    estimator : AnchoredFusionClassifier, AnchoredFusionRegressor or Pipeline
        Fitted fusion, or a fitted pipeline that ends in one.
    X : {DataFrame, array-like} of shape (n_subjects, n_columns)
        Table as in ``fit``.
    target : object, default=None
        Class whose log-odds against all others are explained; None for the patients' of two classes
        (AD beside CN), or the last, or for the number that a regressor predicts, in its units.
    anchor : str, default=None
        None explains the prediction itself, the mixture of all members. One of the estimator's
        anchors: what it says alone, as in ``predict_proba_by_anchor``.
    n_steps : int, default=32
        Nodes of the integral; ``completeness()`` of the result tells whether they suffice.
    baseline : {"missing", "mean"}, default="missing"
        What a subject is compared with. ``"missing"``: tokens and phase-1 scores have the
        values that stand for a modality that is not there: zeros, and a foundation model's learned
        stand-in. ``"mean"``: tokens and scores are those of the training mean; a foundation model's
        embedded ones the mean of ``X``. Which modalities a subject has is the same at both ends.

    Returns
    -------
    TokenAttribution

    Raises
    ------
    InputError
        When the estimator is no anchored fusion, there is no such class, anchor or baseline, or
        the table is another's.
    MissingDependencyError
        When captum is not installed.
    sklearn.exceptions.NotFittedError
        When the estimator is not fitted.

    Notes
    -----
    Tokens act in two ways: the nets read them, and phase 1 reads them as features, or their mean.
    Both are counted with the token. Where phase 1 reads another summary of a model, its class
    token for instance, its part stands with the token ``"score of its own model"``, as do the
    intercepts. A forest changes in steps along the line, from the training means at either
    baseline; each step is counted with the feature whose split is crossed there. So is
    scikit-learn's random forest or extra trees, where they are among ``members``. Of other
    estimators there, nothing tells which token moved them: their part is a remainder by their name.

    References
    ----------
    M. Sundararajan, A. Taly and Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import AnchoredFusionClassifier
    >>> from adestim.inspection import token_attribution
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(40, 2)), columns=["mri__volume", "csf__tau"])
    >>> y = np.where(X["csf__tau"] > 0, "AD", "CN")
    >>> fusion = AnchoredFusionClassifier(
    ...     anchor="mri", n_queries=2, width=8, n_trees=0, max_epochs=1, random_state=0
    ... ).fit(X, y)
    >>> attribution = token_attribution(fusion, X, target="AD", baseline="mean")
    >>> attribution.frame().nlargest(1, "mean_absolute")["token"].item()
    'tau'
    >>> bool((attribution.completeness()["gap"].abs() < 0.01).all())
    True
    """
    require_settings(n_steps, baseline)
    return attribute_class(view_of(estimator, X, anchor), target, n_steps, baseline)


def require_settings(n_steps: Any, baseline: Any) -> None:
    """Refuse settings without meaning."""
    if isinstance(n_steps, bool) or not isinstance(n_steps, Integral) or n_steps < 1:
        raise InputError("'n_steps' must be a whole number above 0", got=repr(n_steps))
    if baseline not in BASELINES:
        raise InputError(
            "'baseline' must name what subjects are compared with",
            got=repr(baseline),
            remedy=f"Choose from {list(BASELINES)}",
        )


def attribute_class(
    view: SubjectsView, target: Any = None, n_steps: int = N_STEPS, baseline: str = "missing"
) -> TokenAttribution:
    """Return attributions of a class's log-odds, or of a number, of what a view looks into."""
    classes = getattr(view.fusion, "classes_", None)
    place = find_target(classes, target)
    label = None if classes is None else classes[place]
    return attribute_output(view, ExplainedOutput.of(view, place), n_steps, baseline, label)


def attribute_output(
    view: SubjectsView, output: ExplainedOutput, n_steps: int, baseline: str, target: Any
) -> TokenAttribution:
    """Return the attributions of an output, which may be another model's than the view's."""
    parts = list(attribute_batches(view, output, n_steps, baseline))
    ends = np.concatenate([ends for ends, _ in parts])
    pieces = [join_batches(arrays) for arrays in zip(*(arrays for _, arrays in parts), strict=True)]
    by_feature, by_token, scores, steps, remainders = combine_attributions(view, output, pieces)
    values, tokens, features = {}, {}, {}
    for name in view.fusion.modalities_:
        table = view.tables[name]
        present = table.present
        values[name] = np.column_stack([by_token[name], scores[name]])
        values[name][~present] = np.nan
        names = name_tokens(table.backbone, by_token[name].shape[1])
        tokens[name] = (*names, SCORE_TOKEN)
        if table.fixed and present.any():
            mean = by_feature[name][present].mean(axis=0)
            columns = table.backbone.option("feature_names")
            features[name] = pd.DataFrame(mean, index=list(names), columns=columns)
    notes = chain.from_iterable(
        share_among_words(
            name, columns, by_feature[name], steps[name], find_training_means(view, output, name)
        )
        for name, columns in view.notes.items()
    )
    return TokenAttribution(
        anchor=view.anchor,
        target=target,
        baseline=baseline,
        subjects=view.index,
        tokens=tokens,
        values=values,
        features=features,
        outputs=ends[:, 0],
        baselines=ends[:, 1],
        texts=view.texts,
        notes=tuple(notes),
        remainders=remainders,
    )


def find_training_means(view: SubjectsView, output: ExplainedOutput, modality: str) -> np.ndarray:
    """Return the training means of a modality's features, (n_tokens, n_features)."""
    place = list(view.tables).index(modality)
    return output.heads.separate[place].mean.reshape(view.tables[modality].tokens.shape[1:])


def attribute_batches(
    view: SubjectsView, output: ExplainedOutput, n_steps: int, baseline: str
) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """Yield outputs at both ends of the line (B, 2), and the inputs' attributions."""
    features = [
        standardise_features(table, output.heads, place)
        for place, table in enumerate(view.tables.values())
    ]
    means = average_own_tokens(view, output, BATCH) if baseline == "mean" else []
    for rows, batch in view.batches(BATCH):
        inputs, others = make_line_end(output, view, batch, [b[rows] for b in features], rows)
        start = make_line_start(output, inputs, batch["present"], rows, baseline, means)
        with torch.no_grad():
            ends = torch.stack([output(*inputs, *others), output(*start, *others)], dim=1)
        found = integrate_gradients(output, inputs, start, others, n_steps)
        yield ends.cpu().numpy(), [part.detach().cpu().numpy() for part in found]
