import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from adestim import GeneticsExtractor, ModalityUnion, PoolTokens
from adestim.encoding import Encoding
from tests.modalities.genetics.frames import SAMPLES, frame_of, stacked


def test_extractor_survives_pickling(extractor):
    frame = frame_of(SAMPLES)
    extractor.fit(frame)
    restored = pickle.loads(pickle.dumps(extractor))
    np.testing.assert_array_equal(
        stacked(restored.transform(frame)), stacked(extractor.transform(frame))
    )


def test_clone_forgets_what_was_learned(extractor):
    copy = clone(extractor.fit(frame_of(SAMPLES)))
    assert copy.get_params() == extractor.get_params()
    assert not hasattr(copy, "variants_")


def test_set_output_leaves_the_encodings_alone(extractor):
    frame = frame_of(SAMPLES)
    for kind in ("default", "pandas"):
        encodings = extractor.set_output(transform=kind).fit_transform(frame)
        assert list(encodings.columns) == ["genetics"]
        assert encodings.index.equals(frame.index)
        assert isinstance(encodings.iloc[0, 0], Encoding)


def test_extractor_stands_in_a_union_and_is_pooled(extractor, dosages):
    pipeline = make_pipeline(ModalityUnion([("genetics", extractor, ["iid"])]), PoolTokens())
    pooled = pipeline.fit_transform(frame_of(SAMPLES))
    np.testing.assert_array_equal(pooled, dosages)
    assert pooled.columns[0] == "genetics__rs100"


@pytest.mark.parametrize(
    "params", [{"min_maf": 0.7}, {"min_call_rate": 2}, {"max_snps": 0}, {"absent": "drop"},
               {"backbone": "gpt"}, {"snps": "rs1"}]
)  # fmt: skip
def test_parameters_are_validated(params):
    with pytest.raises(ValueError, match=next(iter(params))):
        GeneticsExtractor(**params).fit(pd.DataFrame({"rs1": [0, 1]}))


def test_fit_leaves_parameters_alone(extractor):
    before, own = extractor.get_params(), set(vars(extractor))
    after = extractor.fit(frame_of(SAMPLES)).get_params()
    assert all(after[name] is before[name] for name in before)
    learned = set(vars(extractor)) - own
    assert all(name.startswith("_") or name.endswith("_") for name in learned)
