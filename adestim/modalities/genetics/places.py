"""Where variants are in the genome."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from adestim.encoding.places import TokenPlaces
from adestim.modalities.genetics.selection import token_names

PLACE = r"^(?:chr)?(?P<chromosome>\w+):(?P<position>\d+)"


def place_variants(tokens: TokenPlaces, variants: pd.DataFrame | None = None) -> TokenPlaces:
    """Return variants, with chromosome and position where the extractor or the name tells."""
    names = pd.Series(tokens.names)
    found = names.str.extract(PLACE)
    if variants is not None:
        known = variants[["chromosome", "position"]].set_axis(token_names(variants))
        told = known[known["position"] > 0].reindex(names).reset_index(drop=True)
        found = told.astype(object).where(told.notna(), found)
    position = pd.to_numeric(found["position"]).astype(float)
    positions = pd.DataFrame({"chromosome": found["chromosome"], "position": position})
    known_at_all = position.notna().any()
    return replace(tokens, kind="variants", positions=positions if known_at_all else None)
