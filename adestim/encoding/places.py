"""Where a modality's tokens are: in the brain, in the genome, or in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from adestim.encoding.encoding import BackboneSpec
from adestim.exceptions import InputError

# What stands beside a modality's tokens, and is nowhere.
# What a modality's own linear model, phase 1, says: one token more, which is nowhere.
SCORE_TOKEN = "score of its own model"
SPHERE_MM = 6.0
# Voxels of 3 mm that hold the MNI152 brain, none of them on the midline.
SPHERE_GRID_MM = 3.0
SPHERE_GRID_SHAPE = (50, 62, 53)
SPHERE_GRID_ORIGIN = (-73.5, -107.0, -72.0)


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
            codes, affine = draw_spheres(self.coordinates)
        else:
            raise InputError(
                f"It is not known where the tokens of modality {self.modality!r} are",
                got="names alone",
                remedy="Pass parcellation= or coordinates= to token_places; or plot them as bars",
            )
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


def name_tokens(spec: BackboneSpec, n_tokens: int | None = None) -> tuple[str, ...]:
    """Return the names of a model's tokens, numbers where it has none of them; nothing for None."""
    names = spec.option("token_names") or spec.option("snp_names") or ()
    if n_tokens is None or len(names) == n_tokens:
        return tuple(names)
    return tuple(f"token {number}" for number in range(1, n_tokens + 1))


def lay_on_grid(
    tokens: TokenPlaces,
    shape: Sequence[int],
    edge: float,
    order: np.ndarray | None = None,
) -> TokenPlaces:
    """Return tokens as cells of a box whose middle is at 0, numbered along x, y and z.

    Tokens run along z, then y, then x, unless another order is given.

    order (n_tokens, 3).
    """
    cells = np.indices(shape).reshape(3, -1).T if order is None else order
    labels = np.empty(shape, dtype=np.int32)
    labels[tuple(cells.T)] = np.arange(1, len(cells) + 1)
    affine = np.diag([edge, edge, edge, 1.0])
    affine[:3, 3] = -edge * (np.asarray(shape) - 1) / 2
    names = tuple(f"patch {x}-{y}-{z}" for x, y, z in cells)
    image = nibabel.Nifti1Image(labels, affine)
    return replace(tokens, kind="grid", names=names, labels=image, in_mni=False)


def share_among_parcels(
    tokens: TokenPlaces, mixing: np.ndarray, coordinates: np.ndarray | None = None
) -> TokenPlaces:
    """Return tokens that stand for parcels which have numbers alone.

    mixing (n_parcels, n_tokens), coordinates (n_parcels, 3).
    """
    names = tuple(f"parcel {number}" for number in range(1, len(mixing) + 1))
    return replace(tokens, kind="parcels", names=names, mixing=mixing, coordinates=coordinates)


def draw_spheres(coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a label image of balls around coordinates, and its affine.

    coordinates (n_places, 3) -> (n_x, n_y, n_z), (4, 4).
    """
    affine = np.diag([SPHERE_GRID_MM] * 3 + [1.0])
    affine[:3, 3] = SPHERE_GRID_ORIGIN
    index = np.moveaxis(np.indices(SPHERE_GRID_SHAPE, dtype=np.float32), 0, -1)
    centres = index * np.float32(SPHERE_GRID_MM) + np.asarray(SPHERE_GRID_ORIGIN, np.float32)
    distance, nearest = cKDTree(coordinates).query(centres)
    return np.where(distance <= SPHERE_MM, nearest + 1, 0), affine
