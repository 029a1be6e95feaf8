"""Encodings of a few subjects."""

import numpy as np
import pandas as pd
import pytest

from adestim.encoding import BackboneSpec, Encoding


def encoding(value=1.0):
    tokens = np.full((2, 3), value, dtype=np.float32)
    return Encoding(tokens, tokens, None, BackboneSpec("toy"))


@pytest.fixture
def encodings():
    return pd.DataFrame(
        {"smri": [encoding(), None, encoding()], "fmri": [encoding(), encoding(), None]},
        index=["s1", "s2", "s3"],
    )
