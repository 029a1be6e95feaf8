"""Where functional parcels are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nibabel
import numpy as np
from nilearn.image import check_niimg

from adestim.encoding.places import TokenPlaces
from adestim.exceptions import InputError
from adestim.modalities.fmri.parcellation import Parcellation, seitzman_parcellation
from adestim.modalities.fmri.timeseries import RoiLayout, networks_of_names


def place_at_parcels(
    tokens: TokenPlaces,
    *,
    layout: RoiLayout | None = None,
    averaged_over: Parcellation | None = None,
    parcellation: Any = None,
    coordinates: Any = None,
) -> TokenPlaces:
    """Return tokens as parcels, with what is known of these.

    coordinates (n_parcels, 3).
    """
    built_in = seitzman_parcellation()
    networks = networks_of_names(tokens.names)
    coordinates = tokens.coordinates if coordinates is None else coordinates
    if tokens.names == built_in.names:
        networks = built_in.networks
        coordinates = built_in.centres if coordinates is None else coordinates
    elif layout is not None and layout.names == tokens.names:
        networks = layout.networks or networks
    labels = open_labels(parcellation, averaged_over)
    if labels is not None:
        labels, centres = number_regions(labels, len(tokens.names), tokens.modality)
        coordinates = centres if coordinates is None else coordinates
    if coordinates is not None:
        coordinates = require_coordinates(coordinates, tokens)
    return replace(
        tokens, kind="parcels", networks=networks, coordinates=coordinates, labels=labels
    )


def open_labels(parcellation: Any, averaged_over: Parcellation | None) -> Any:
    """Return the label image that is given, or else that of the extractor; None without either."""
    if parcellation is not None:
        return check_niimg(parcellation)
    if averaged_over is None or averaged_over.affine is None:
        return None
    return nibabel.Nifti1Image(averaged_over.labels.astype(np.int32), averaged_over.affine)


def number_regions(
    image: Any, n_places: int, modality: str
) -> tuple[nibabel.Nifti1Image, np.ndarray]:
    """Return a label image whose values count from 1, and the centres of its regions in mm.

    -> centres (n_places, 3).
    """
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


def require_coordinates(coordinates: Any, tokens: TokenPlaces) -> np.ndarray:
    """Return coordinates, three a parcel."""
    array = np.asarray(coordinates, dtype=float)
    if array.shape != (len(tokens.names), 3):
        raise InputError(
            f"'coordinates' must give x, y and z of the {len(tokens.names)} parcels of modality "
            f"{tokens.modality!r}",
            got=f"shape {array.shape}",
        )
    return array
