import numpy as np
import pytest
from tabicl._sklearn.preprocessing import PreprocessingPipeline, TransformToNumerical

from adestim.modalities.clinical.models.tabicl import TabICLRows


def test_rows_are_scaled_as_by_the_package():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(40, 4)) * [1, 10, 0.1, 5]
    table[3, 1] = 400
    table[::7, 2] = np.nan
    options = TabICLRows.learn(list(table), n_context=40)
    filled = TransformToNumerical().fit(table).transform(table)
    expected = PreprocessingPipeline("none", 4.0).fit(filled).X_transformed_
    np.testing.assert_allclose(options["context"], expected, rtol=1e-5, atol=1e-6)
    prepared = TabICLRows.prepare(table[3], **options)
    assert (prepared.shape, prepared.dtype) == ((41, 4), np.float32)
    np.testing.assert_allclose(prepared[0], expected[3], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rows", [[[3.0]], [[3.0], [np.nan]]])
def test_a_column_of_one_value_has_finite_scores(rows):
    options = TabICLRows.learn(np.array(rows))
    assert np.isfinite(TabICLRows.prepare(np.array([4.0]), **options)).all()
