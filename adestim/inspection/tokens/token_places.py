"""Where a modality's tokens are: in the brain, in the genome, or in a table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from nilearn.image import check_niimg
from scipy.spatial import cKDTree

from adestim.encoding import BackboneSpec
from adestim.exceptions import InputError
from adestim.inspection.tokens.model_tokens import TokenGrid, ordered_tokens, token_grid
from adestim.inspection.tokens.view import SCORE_TOKEN, extractor_of, fusion_of, names_of_tokens
from adestim.modalities.fmri.parcellation import seitzman_parcellation
from adestim.modalities.fmri.timeseries import networks_of_names
from adestim.modalities.genetics.selection import token_names
from adestim.modalities.smri.parcellation import builtin_parcellation, label_parcellation
from adestim.modalities.smri.template import mni_grid

SPHERE_MM = 6.0
SPHERE_GRID_MM = 3.0
PLACE = r"^(?:chr)?(?P<chromosome>\w+):(?P<position>\d+)"


@dataclass(frozen=True, eq=False)
class TokenPlaces:
    """Where the tokens of one modality are.

    Parameters
    ----------
    modality : str
        Name of the modality.
    kind : {"regions", "grid", "parcels", "variants", "columns"}
        Regions of a label image, cells of a foundation model's grid, functional parcels, genetic
        variants, or columns, words and whatever else has a name alone.
    names : tuple of str
        Names of the places.
    mixing : ndarray of shape (n_places, n_tokens) or None, default=None
        Share of every token that falls to a place; None where each token is a place.
    labels : nibabel image or None, default=None
        Label image, k the k-th place.
    coordinates : ndarray of shape (n_places, 3) or None, default=None
        Centres in mm of MNI152 space.
    networks : tuple of str or None, default=None
        Functional network of every place.
    positions : DataFrame or None, default=None
        Columns ``chromosome`` and ``position`` of variants.
    in_mni : bool, default=True
        Whether the label image is in MNI152 space. A foundation model's grid is the box that it
        reads, its middle at 0.

    Examples
    --------
    >>> from adestim.inspection import TokenPlaces
    >>> places = TokenPlaces("clinical", "columns", ("age", "sex"))
    >>> places.frame([0.5, -0.25, 0.0])
       token  value
    0    age   0.50
    1    sex  -0.25
    """

    modality: str
    kind: str
    names: tuple[str, ...]
    mixing: np.ndarray | None = None
    labels: Any = None
    coordinates: np.ndarray | None = None
    networks: tuple[str, ...] | None = None
    positions: pd.DataFrame | None = None
    in_mni: bool = True

    @property
    def n_tokens(self) -> int:
        """Number of tokens that are placed."""
        return len(self.names) if self.mixing is None else self.mixing.shape[1]

    def placed(self, values: Any) -> np.ndarray:
        """Return one value a place.

        Parameters
        ----------
        values : array-like of shape (n_tokens,) or (n_tokens + 1,)
            One a token; that of the phase-1 scores, which are nowhere, may come last.

        Returns
        -------
        ndarray of shape (n_places,)

        Raises
        ------
        InputError
            When there are more or fewer values than tokens.
        """
        array = np.asarray(values, dtype=float)
        if array.ndim != 1 or len(array) not in (self.n_tokens, self.n_tokens + 1):
            raise InputError(
                f"Modality {self.modality!r} has {self.n_tokens} tokens to be placed",
                got=f"values of shape {array.shape}",
                remedy=f"Pass one a token, that of {SCORE_TOKEN!r} last or left out",
            )
        array = array[: self.n_tokens]
        return array if self.mixing is None else self.mixing @ np.nan_to_num(array)

    def frame(self, values: Any) -> pd.DataFrame:
        """Return values with all that is known of their places.

        Parameters
        ----------
        values : array-like of shape (n_tokens,) or (n_tokens + 1,)
            As for :meth:`placed`.

        Returns
        -------
        DataFrame
            ``token`` and ``value``; ``x``, ``y`` and ``z`` in mm, ``network``, ``chromosome`` and
            ``position`` where they are known.
        """
        table = pd.DataFrame({"token": self.names, "value": self.placed(values)})
        if self.coordinates is not None:
            table[["x", "y", "z"]] = self.coordinates
        if self.networks is not None:
            table["network"] = self.networks
        if self.positions is not None:
            table[["chromosome", "position"]] = self.positions.to_numpy()
        return table

    def to_image(self, values: Any) -> nibabel.Nifti1Image:
        """Return values as an image: every voxel has that of its place, 0 outside.

        Parameters
        ----------
        values : array-like of shape (n_tokens,) or (n_tokens + 1,)
            As for :meth:`placed`.

        Returns
        -------
        nibabel.Nifti1Image

        Raises
        ------
        InputError
            When it is not known where the places are.
        """
        placed = np.nan_to_num(self.placed(values))
        if self.labels is not None:
            codes = np.asanyarray(self.labels.dataobj).astype(int)
            affine = self.labels.affine
        elif self.coordinates is not None:
            codes, affine = spheres(self.coordinates)
        else:
            raise nowhere(self.modality)
        return nibabel.Nifti1Image(np.r_[0.0, placed][codes].astype(np.float32), affine)

    def network_matrix(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return what pairs of networks add, from attributions of a connectome's features.

        Parameters
        ----------
        features : DataFrame of shape (n_tokens, n_features)
            ``TokenAttribution.features`` of the modality: a row a parcel, columns ``z_<network>``
            or ``z_<parcel>``.

        Returns
        -------
        DataFrame of shape (n_networks, n_networks)
            Symmetric but for what is not: the mean of both directions.

        Raises
        ------
        InputError
            When networks are not known, or the features are no connectivity.
        """
        links = features.filter(regex="^z_").rename(columns=lambda name: name.removeprefix("z_"))
        if self.networks is None or links.empty or len(links) != len(self.names):
            raise InputError(
                "Pairs of networks need a connectome's features, and parcels of known networks",
                got=f"{links.shape[1]} features of connectivity, networks "
                + ("unknown" if self.networks is None else "known"),
                remedy="Name the regions as the Schaefer atlases do, or use the built-in spheres",
            )
        network_of = dict(zip(self.names, self.networks, strict=True))
        columns = np.asarray([network_of.get(name, name) for name in links.columns])
        summed = links.groupby(np.asarray(self.networks)).sum().T.groupby(columns).sum().T
        names = sorted(set(summed.index) & set(summed.columns))
        square = summed.loc[names, names]
        return (square + square.T) / 2


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
    spec, extractor = likes[modality].backbone, extractor_of(estimator, modality)
    grid = token_grid(spec, n_tokens)
    if grid is not None:
        return on_grid(modality, grid)
    n_tokens = n_tokens or likes[modality].tokens.shape[1]
    plain = TokenPlaces(modality, "columns", names_of_tokens(spec, n_tokens))
    if spec.name == "morphometry":
        return in_regions(plain, spec, extractor, parcellation)
    parcels = ordered_tokens(spec)
    if parcels is not None:
        plain = replace(plain, names=parcels.names, mixing=parcels.mixing)
        coordinates = parcels.coordinates if coordinates is None else coordinates
    if spec.name == "connectome" or parcels is not None:
        return at_parcels(plain, extractor, parcellation, coordinates)
    if spec.option("counted_alleles") is not None:
        return at_loci(plain, extractor)
    return plain


def on_grid(modality: str, grid: TokenGrid) -> TokenPlaces:
    """Return cells of a grid, numbered along x, y and z."""
    labels = np.empty(grid.shape, dtype=np.int32)
    labels[tuple(grid.cells.T)] = np.arange(1, len(grid.cells) + 1)
    affine = np.diag([*grid.edge, 1.0])
    affine[:3, 3] = -np.asarray(grid.edge) * (np.asarray(grid.shape) - 1) / 2
    names = tuple(f"patch {x}-{y}-{z}" for x, y, z in grid.cells)
    image = nibabel.Nifti1Image(labels, affine)
    return TokenPlaces(modality, "grid", names, labels=image, in_mni=False)


def in_regions(
    plain: TokenPlaces, spec: BackboneSpec, extractor: Any, parcellation: Any
) -> TokenPlaces:
    """Return regions of a label image; without one they have names alone."""
    grid = mni_grid(spec.option("resolution"))
    measure = getattr(extractor, "_measure", None)
    if parcellation is not None:
        found = label_parcellation(parcellation, grid, list(plain.names))
    elif hasattr(measure, "regions"):
        found = measure.regions()
    else:
        found = builtin_parcellation(grid)
    if found.digest != spec.option("parcellation"):
        if parcellation is None:
            return plain
        raise InputError(
            f"The parcellation must be the one that modality {plain.modality!r} was measured in",
            got="other regions",
            remedy="Pass the label image that the extractor was given",
        )
    image = nibabel.Nifti1Image(found.labels.astype(np.int32), grid.affine)
    return replace(plain, kind="regions", labels=image)


def at_parcels(
    plain: TokenPlaces, extractor: Any, parcellation: Any, coordinates: Any
) -> TokenPlaces:
    """Return functional parcels with what is known of them."""
    spheres_ = seitzman_parcellation()
    own = getattr(getattr(extractor, "_reader", None), "parcellation", None)
    layout = getattr(extractor, "layout_", None)
    networks = networks_of_names(plain.names)
    labels = None if parcellation is None else check_niimg(parcellation)
    if plain.names == spheres_.names:
        networks = spheres_.networks
        coordinates = spheres_.centres if coordinates is None else coordinates
    elif getattr(layout, "names", None) == plain.names:
        networks = layout.networks or networks
    if labels is None and own is not None and own.labels is not None:
        labels = nibabel.Nifti1Image(own.labels.astype(np.int32), own.affine)
    if labels is not None:
        labels, centres = numbered(labels, len(plain.names), plain.modality)
        coordinates = centres if coordinates is None else coordinates
    if coordinates is not None:
        coordinates = require_coordinates(coordinates, plain)
    return replace(plain, kind="parcels", networks=networks, coordinates=coordinates, labels=labels)


def numbered(image: Any, n_places: int, modality: str) -> tuple[nibabel.Nifti1Image, np.ndarray]:
    """Return a label image whose values count from 1, and the centres of its regions in mm."""
    values, codes = np.unique(np.asanyarray(image.dataobj), return_inverse=True)
    codes = codes.reshape(image.shape) + int(values[0] != 0)
    if codes.max() != n_places:
        raise InputError(
            f"The parcellation must have the {n_places} regions of modality {modality!r}",
            got=f"{codes.max()}",
            remedy="Pass the label image that the extractor was given",
        )
    centres = [np.argwhere(codes == code).mean(axis=0) for code in range(1, n_places + 1)]
    labels = nibabel.Nifti1Image(codes.astype(np.int32), image.affine)
    return labels, nibabel.affines.apply_affine(image.affine, np.array(centres))


def require_coordinates(coordinates: Any, plain: TokenPlaces) -> np.ndarray:
    """Return coordinates, three a parcel."""
    array = np.asarray(coordinates, dtype=float)
    if array.shape != (len(plain.names), 3):
        raise InputError(
            f"'coordinates' must give x, y and z of the {len(plain.names)} parcels of modality "
            f"{plain.modality!r}",
            got=f"shape {array.shape}",
        )
    return array


def at_loci(plain: TokenPlaces, extractor: Any) -> TokenPlaces:
    """Return variants, with chromosome and position where the extractor or the name tells."""
    variants = getattr(extractor, "variants_", None)
    names = pd.Series(plain.names)
    found = names.str.extract(PLACE)
    if variants is not None:
        known = variants[["chromosome", "position"]].set_axis(token_names(variants))
        told = known[known["position"] > 0].reindex(names).reset_index(drop=True)
        found = told.astype(object).where(told.notna(), found)
    position = pd.to_numeric(found["position"]).astype(float)
    positions = pd.DataFrame({"chromosome": found["chromosome"], "position": position})
    known_at_all = position.notna().any()
    return replace(plain, kind="variants", positions=positions if known_at_all else None)


def spheres(coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a label image of balls around coordinates, and its affine."""
    grid = mni_grid(SPHERE_GRID_MM)
    distance, nearest = cKDTree(coordinates).query(grid.centres())
    return np.where(distance <= SPHERE_MM, nearest + 1, 0), grid.affine


def nowhere(modality: str) -> InputError:
    """Return the error about tokens whose place is not known."""
    return InputError(
        f"It is not known where the tokens of modality {modality!r} are",
        got="names alone",
        remedy="Pass parcellation= or coordinates= to token_places; or plot them as bars",
    )
