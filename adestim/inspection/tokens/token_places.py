"""Where the tokens of a fitted estimator's modality are."""

from __future__ import annotations

from typing import Any

from adestim.backbone.registry import find_extractor
from adestim.encoding.places import TokenPlaces, name_tokens
from adestim.exceptions import InputError
from adestim.extraction import BaseExtractor
from adestim.inspection.tokens.view import find_extractor_in, fusion_of


def token_places(
    estimator: Any,
    modality: str,
    *,
    n_tokens: int | None = None,
    parcellation: Any = None,
    coordinates: Any = None,
) -> TokenPlaces:
    """Return where the tokens of a modality are, as far as the fitted estimator knows.

    Parameters
    ----------
    estimator : AnchoredFusionClassifier, AnchoredFusionRegressor or Pipeline
        Fitted fusion, or a fitted pipeline that ends in one; a pipeline's extractors know more.
    modality : str
        Name of the modality.
    n_tokens : int, default=None
        Number of tokens, for models that have more of them at their input; None for those that
        auxiliary modalities are read by.
    parcellation : str, path-like or nibabel image, default=None
        Label image of the regions, where another than the built-in one was used.
    coordinates : array-like of shape (n_tokens, 3), default=None
        Centres of the parcels in mm, MNI152 space.

    Returns
    -------
    TokenPlaces

    Raises
    ------
    InputError
        When there is no such modality, or regions or coordinates do not fit its tokens.

    Notes
    -----
    Grids are those of ``"brainiac"``, ``"sam-med3d"`` and ``"brainmvp"``: boxes around the
    subject's brain in its own space, of a size in mm that is known for the last two. Parcels of
    ``"brain-jepa"`` sum over time; a token of the larger BrainLM models sees several
    parcels, which share its value equally.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import AnchoredFusionClassifier
    >>> from adestim.inspection import token_places
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(40, 2)), columns=["csf__abeta", "csf__tau"])
    >>> fusion = AnchoredFusionClassifier(width=8, n_trees=0, max_epochs=0)
    >>> token_places(fusion.fit(X, X["csf__tau"] > 0), "csf").names
    ('abeta', 'tau')
    """
    likes = fusion_of(estimator).inputs_.likes
    if modality not in likes:
        raise InputError(
            "'modality' must be one of the fusion's",
            got=repr(modality),
            remedy=f"Choose from {list(likes)}",
        )
    spec = likes[modality].backbone
    names = name_tokens(spec, n_tokens or likes[modality].tokens.shape[1])
    fitted = find_extractor_in(estimator, modality)
    kind = type(fitted)
    if not isinstance(fitted, BaseExtractor):
        fitted, kind = None, find_extractor(spec) or BaseExtractor
    return kind.place_tokens(
        TokenPlaces(modality, "columns", names),
        spec,
        fitted=fitted,
        parcellation=parcellation,
        coordinates=coordinates,
    )
