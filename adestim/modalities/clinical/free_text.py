"""The free text that the built-in model of clinical tables reads."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from adestim.encoding.texts import FreeText
from adestim.modalities.clinical.cells import find_known_cells, plain_cells
from adestim.modalities.clinical.tabular import TabularBackbone


def read_free_text(tabular: TabularBackbone, frame: pd.DataFrame) -> Iterator[FreeText]:
    """Yield the columns of free text of a table."""
    first = tabular.first_feature("text")
    for place, column in enumerate(tabular.columns):
        if column.kind == "text":
            semantics = tabular.semantics[column.name]
            cells = plain_cells(frame.iloc[:, column.position])
            texts = zip(cells, find_known_cells(cells), strict=True)
            yield FreeText(
                column.name,
                place,
                slice(first, first + semantics.width),
                semantics,
                tuple(str(cell) if known else None for cell, known in texts),
            )
