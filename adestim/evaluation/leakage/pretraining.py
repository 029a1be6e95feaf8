"""Whether a foundation model has seen the people whom it is judged on."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from adestim.backbone.pretraining_cohorts import cohort_name, find_left_out, names_cohort
from adestim.backbone.registry import BackboneCard, get_card
from adestim.exceptions import InputError, LeakageWarning


def warn_pretraining(models: Any, cohort: str | Mapping[str, object]) -> pd.DataFrame:
    """Warn of foundation models that were pre-trained on the cohort they are judged on.

    Parameters
    ----------
    models : estimator, str, or iterable of these
        Estimators, whose parameters named ``backbone`` are read at any depth; or names of
        backbones, those among them that are known and not offered because of what they have
        seen: BrainG3N, Brain2Vec, 3D-Neuro-SimCLR.
    cohort : str or Bunch
        Name of the cohort, such as ``"ADNI"``; or what a loader returned, which has a ``name``.

    Returns
    -------
    DataFrame
        One row a backbone, which is the index: ``pretrained_on`` as the registry has it, and
        ``cohort``: ``"named"`` where the cohort is named there, ``"not named"``, or ``"not known"``
        where the registry does not have the model or what it was trained on. Built-in
        backbones learned from nobody and are left out.

    Raises
    ------
    InputError
        When the cohort has no name.

    Warns
    -----
    LeakageWarning
        When the cohort is named.

    See Also
    --------
    adestim.list_backbones : What every model was pre-trained on.

    Notes
    -----
    Phases and releases of a study share people, so that ``"OASIS-3"`` finds ``"OASIS"`` and the
    reverse. ``"not named"`` is no proof: a collection of many data sets is rarely listed in full.
    Pre-training without labels leaks less than training with them, but the images of the test
    subjects were there.

    References
    ----------
    .. [1] Wen, J. et al. (2020). Convolutional neural networks for classification of
       Alzheimer's disease: overview and reproducible evaluation. Medical Image Analysis, 63,
       101694: biased transfer learning.

    Examples
    --------
    >>> import warnings
    >>> from adestim.evaluation import warn_pretraining
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     table = warn_pretraining(["brain-jepa", "brainmvp"], "UK Biobank")
    >>> table["cohort"].to_dict()
    {'brain-jepa': 'named', 'brainmvp': 'not named'}
    >>> len(caught)
    1
    """
    name = cohort_name(cohort)
    cards = {
        backbone: get_card(backbone) for backbone in dict.fromkeys(find_backbone_names(models))
    }
    table = pd.DataFrame(
        [describe_pretraining(card, backbone, name) for backbone, card in cards.items()],
        index=pd.Index(list(cards), name="backbone", dtype="str"),
        columns=["pretrained_on", "cohort"],
    )
    named = table[table["cohort"] == "named"]
    if len(named):
        listed = "; ".join(f"{row.Index!r} ({row.pretrained_on})" for row in named.itertuples())
        warnings.warn(
            f"Subjects of {name} may have been seen in pre-training by {listed}. Report it, and "
            "judge these models on another cohort too.",
            LeakageWarning,
            stacklevel=2,
        )
    return table


def find_backbone_names(models: Any) -> list[str]:
    """Return the names of backbones; built-in ones are left out."""
    if isinstance(models, str):
        names = [models]
    elif hasattr(models, "get_params"):
        names = [
            value
            for key, value in models.get_params(deep=True).items()
            if key.split("__")[-1] == "backbone" and isinstance(value, str)
        ]
    elif isinstance(models, Iterable):
        names = [name for model in models for name in find_backbone_names(model)]
    else:
        raise InputError(
            "Models are estimators or names of backbones",
            got=f"a {type(models).__name__}",
            remedy="Pass a pipeline, or a name that adestim.list_backbones() has",
        )
    return [name for name in names if not is_built_in(name)]


def is_built_in(name: str) -> bool:
    """Tell whether a backbone learned from nobody."""
    card = get_card(name)
    return card is not None and card.family == "reference"


def describe_pretraining(card: BackboneCard | None, backbone: str, name: str) -> tuple[str, str]:
    """Return what a model was trained on, and whether the cohort is named there."""
    known = find_left_out(backbone) if card is None else card
    cohorts = known.cohorts if known is not None else ()
    if not cohorts:
        return "", "not known"
    text = ", ".join(cohorts)
    return text, "named" if names_cohort(text, name) else "not named"
