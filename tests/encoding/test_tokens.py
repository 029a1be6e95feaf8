"""Token tables: stacked and padded, pooled, standardised."""

import numpy as np
import pandas as pd
import pytest

from adestim.encoding import BackboneSpec, Encoding
from adestim.encoding.tokens import (
    TokenScaler,
    TokenTable,
    drop_rows,
    feature_moments,
    require_a_modality,
    stack_tokens,
)
from adestim.exceptions import InputError, NoModalityError

FREE = BackboneSpec("transformer")
FIXED = BackboneSpec(
    "morphometry", options=(("token_names", ("left", "right")), ("feature_names", ("gm", "wm")))
)


def encoding(tokens, backbone=FREE, mask=None):
    tokens = np.array(tokens, dtype=np.float32)
    return Encoding(tokens, tokens, None if mask is None else np.array(mask), backbone)


@pytest.fixture
def ragged():
    """Three subjects with three, no and one token."""
    return stack_tokens([encoding([[1, 2], [3, 4], [5, 9]]), None, encoding([[7, 8]])], "text")


@pytest.fixture
def fixed():
    """Three subjects with both regions, the right one alone, and none."""
    cells = [
        encoding([[1, 2], [3, 4]], FIXED),
        encoding([[9, 9], [5, 6]], FIXED, mask=[False, True]),
        None,
    ]
    return stack_tokens(cells, "smri")


# Stacking


def test_ragged_tokens_are_padded(ragged):
    assert ragged.tokens.shape == (3, 3, 2)
    np.testing.assert_array_equal(ragged.mask, [[1, 1, 1], [0, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(ragged.tokens[2], [[7, 8], [0, 0], [0, 0]])


def test_masked_tokens_are_zero(fixed):
    np.testing.assert_array_equal(fixed.tokens[1], [[0, 0], [5, 6]])
    np.testing.assert_array_equal(fixed.mask[1], [False, True])


def test_masked_tokens_may_be_nan():
    table = stack_tokens([encoding([[np.nan, np.nan], [1, 2]], FIXED, [False, True])], "smri")
    np.testing.assert_array_equal(table.tokens[0], [[0, 0], [1, 2]])


def test_stacked_tokens_are_single_precision():
    half = np.ones((2, 2), dtype=np.float16)
    table = stack_tokens([Encoding(half, half, None, FREE)], "text")
    assert table.tokens.dtype == np.float32


def test_who_has_the_modality_is_known(ragged):
    np.testing.assert_array_equal(ragged.present, [True, False, True])


def test_subject_whose_tokens_are_all_masked_is_not_present():
    table = stack_tokens([encoding([[1, 2], [3, 4]], FIXED, [False, False])], "smri")
    assert not table.present.any()


def test_modality_that_nobody_has_is_refused():
    with pytest.raises(NoModalityError, match="'smri' is missing for every training subject"):
        stack_tokens([None, None], "smri")


def test_modality_that_nobody_has_takes_the_shape_of_fit(fixed):
    table = stack_tokens([None, None], "smri", like=drop_rows(fixed))
    assert table.tokens.shape == (2, 2, 2)
    assert table.backbone == FIXED
    assert not table.present.any()


@pytest.mark.parametrize(
    "other",
    [
        BackboneSpec("another"),
        BackboneSpec("transformer", digest="ab12"),
        BackboneSpec("transformer", options=(("layer", 3),)),
    ],
    ids=["name", "weights", "options"],
)
def test_encodings_of_different_backbones_are_refused(other):
    with pytest.raises(InputError, match=r"'text' must come from one backbone.*same fitted"):
        stack_tokens([encoding([[1, 2]]), encoding([[1, 2]], other)], "text")


def test_encodings_of_different_widths_are_refused(ragged):
    with pytest.raises(InputError, match=r"'transformer', width 2\)\. Got 'transformer', width 3"):
        stack_tokens([encoding([[1, 2, 3]])], "text", like=ragged)


def test_encodings_of_another_backbone_than_in_fit_are_refused(fixed):
    with pytest.raises(InputError, match="Encode training and test subjects with the same"):
        stack_tokens([encoding([[1, 2], [3, 4]])], "smri", like=fixed)


def test_equal_backbones_need_not_be_one_object():
    twin = BackboneSpec(FIXED.name, FIXED.digest, FIXED.options)
    cells = [encoding([[1, 2], [3, 4]], spec) for spec in (FIXED, twin)]
    assert stack_tokens(cells, "smri").present.all()


@pytest.mark.parametrize("n_tokens", [1, 3])
@pytest.mark.parametrize("in_fit", [True, False])
def test_more_or_fewer_tokens_than_their_backbone_names_are_refused(fixed, n_tokens, in_fit):
    cells = [encoding(np.ones((n_tokens, 2)), FIXED)]
    with pytest.raises(InputError, match=f"the 2 tokens.*Got one of {n_tokens} tokens"):
        stack_tokens(cells, "smri", like=None if in_fit else fixed)


def test_more_tokens_than_in_fit_are_welcome_without_fixed_places(ragged):
    table = stack_tokens([encoding(np.ones((5, 2)))], "text", like=drop_rows(ragged))
    assert table.tokens.shape == (1, 5, 2)


def test_table_without_rows_keeps_shape_and_backbone_alone(fixed):
    empty = drop_rows(fixed)
    assert empty.tokens.shape == (0, 2, 2)
    assert empty.mask.shape == (0, 2)
    assert empty.backbone is fixed.backbone


# Pooling


def test_tokens_with_fixed_places_are_laid_side_by_side(fixed):
    nan = np.nan
    np.testing.assert_array_equal(
        fixed.pooled(), [[1, 2, 3, 4], [nan, nan, 5, 6], [nan, nan, nan, nan]]
    )


def test_tokens_without_fixed_places_are_averaged(ragged):
    np.testing.assert_array_equal(ragged.pooled(), [[3, 5], [np.nan, np.nan], [7, 8]])


def test_masked_tokens_do_not_count_in_the_average():
    table = stack_tokens([encoding([[1, 2], [3, 4]], mask=[True, False])], "text")
    np.testing.assert_array_equal(table.pooled(), [[1, 2]])


@pytest.mark.parametrize("table", ["fixed", "ragged"])
def test_pooled_features_are_single_precision(request, table):
    assert request.getfixturevalue(table).pooled().dtype == np.float32


def test_pooled_features_are_named_by_token_and_feature(fixed):
    assert fixed.feature_names("smri") == [
        "smri__left__gm", "smri__left__wm", "smri__right__gm", "smri__right__wm",
    ]  # fmt: skip


def test_single_feature_needs_no_name():
    spec = BackboneSpec(
        "dosage", options=(("token_names", ("rs1", "rs2")), ("feature_names", ("dosage",)))
    )
    assert stack_tokens([encoding([[0], [2]], spec)], "snp").feature_names("snp") == [
        "snp__rs1", "snp__rs2",
    ]  # fmt: skip


def test_features_without_names_are_numbered(ragged):
    assert ragged.feature_names("text") == ["text__d0", "text__d1"]


@pytest.mark.parametrize("table", ["fixed", "ragged"])
def test_every_pooled_feature_has_a_name(request, table):
    table = request.getfixturevalue(table)
    assert len(table.feature_names("m")) == table.pooled().shape[1]


# Standardising


def test_moments_are_those_of_the_known_values():
    values = np.array([[1.0, np.nan], [3.0, 5.0], [np.nan, 7.0]])
    mean, scale = feature_moments(values)
    np.testing.assert_allclose(mean, np.nanmean(values, axis=0))
    np.testing.assert_allclose(scale, np.nanstd(values, axis=0))


def test_large_tables_are_standardised_block_by_block(monkeypatch, ragged):
    whole = TokenScaler.fit(ragged)
    scores = whole.transform(ragged)
    monkeypatch.setattr("adestim.encoding.tokens.LARGEST_BLOCK", 3)
    blocks = TokenScaler.fit(ragged)
    np.testing.assert_allclose(blocks.mean, whole.mean)
    np.testing.assert_allclose(blocks.scale, whole.scale)
    np.testing.assert_allclose(blocks.transform(ragged), scores, rtol=1e-6)


@pytest.mark.parametrize("column", [[2.0, 2.0], [np.nan, np.nan], [0.0, 0.0], [1e6, 1e6 + 1e-3]])
def test_feature_that_does_not_vary_has_an_infinite_deviation(column):
    assert feature_moments(np.array(column)[:, None])[1] == [np.inf]


def test_moments_do_not_lose_digits_of_large_values():
    values = np.float32(1e4) + np.arange(1000, dtype=np.float32)[:, None] % 2
    np.testing.assert_allclose(feature_moments(values)[1], 0.5, rtol=1e-6)


def test_scores_of_fixed_places_are_standardised_by_place(fixed):
    scaler = TokenScaler.fit(fixed)
    np.testing.assert_allclose(scaler.mean, [[1, 2], [4, 5]])
    np.testing.assert_allclose(scaler.scale, [[np.inf, np.inf], [1, 1]])
    scores = scaler.transform(fixed)
    np.testing.assert_allclose(scores[:2], [[[0, 0], [-1, -1]], [[0, 0], [1, 1]]])


def test_scores_without_fixed_places_are_standardised_by_feature(ragged):
    scores = TokenScaler.fit(ragged).transform(ragged)
    known = scores[ragged.mask]
    np.testing.assert_allclose(known.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(known.std(axis=0), 1, rtol=1e-6)


def test_scores_are_zero_where_there_is_no_token(ragged, fixed):
    for table in (ragged, fixed):
        scores = TokenScaler.fit(table).transform(table)
        assert not scores[~table.mask].any()
        assert scores.dtype == np.float32


def test_constant_feature_scores_zero_on_new_values_too():
    train = TokenTable(np.full((3, 1, 1), 2, np.float32), np.ones((3, 1), bool), FREE)
    test = TokenTable(np.full((1, 1, 1), 5, np.float32), np.ones((1, 1), bool), FREE)
    assert TokenScaler.fit(train).transform(test) == 0


def test_outliers_are_cut():
    train = TokenTable(np.array([[[0]], [[2]]], np.float32), np.ones((2, 1), bool), FREE)
    test = TokenTable(np.full((2, 1, 1), [[[1e9]], [[-1e9]]], np.float32), train.mask, FREE)
    np.testing.assert_array_equal(TokenScaler.fit(train).transform(test).ravel(), [6, -6])


def test_scaler_takes_more_tokens_than_in_fit_without_fixed_places(ragged):
    scaler = TokenScaler.fit(ragged)
    wider = stack_tokens([encoding(np.ones((9, 2)))], "text", like=ragged)
    assert scaler.transform(wider).shape == (1, 9, 2)


# Subjects with nothing


def test_subject_with_one_modality_is_accepted(ragged, fixed):
    require_a_modality({"text": ragged, "smri": fixed}, pd.Index(["s1", "s2", "s3"]))


def test_subject_without_a_modality_is_refused_by_name(ragged):
    with pytest.raises(NoModalityError, match=r"none for 1 subject.*first 's2'.*Leave these"):
        require_a_modality({"text": ragged}, pd.Index(["s1", "s2", "s3"]))


# Summaries of a model's own


def summarised(value, spec=FREE):
    tokens = np.full((2, 3), value, dtype=np.float32)
    return Encoding(tokens, tokens, None, spec, np.full(4, 10 * value, dtype=np.float32))


def test_a_models_own_summary_is_the_pooled_vector():
    table = stack_tokens([summarised(1.0), None, summarised(2.0)], "text")
    expected = [[10.0] * 4, [np.nan] * 4, [20.0] * 4]
    np.testing.assert_array_equal(table.pooled(), expected)
    assert table.feature_names("text") == [f"text__d{number}" for number in range(4)]


def test_summaries_keep_their_width_where_nobody_has_the_modality():
    like = drop_rows(stack_tokens([summarised(1.0)], "text"))
    table = stack_tokens([None, None], "text", like)
    assert table.pooled().shape == (2, 4)
    assert np.isnan(table.pooled()).all()


# Tokens that are gathered


FROZEN = BackboneSpec("vit", options=(("architecture", ()),))


class Counting:
    """Stands for an array in a file, and counts how often it is read."""

    def __init__(self, values):
        self.values, self.shape, self.n_read = values, values.shape, 0

    def read(self):
        self.n_read += 1
        return self.values


def frozen_cells(n=4):
    """Encodings of a foundation model whose tokens lie elsewhere, in half precision."""
    rng = np.random.default_rng(0)
    files = [Counting(rng.normal(2, 3, (5 - row % 2, 2)).astype(np.float16)) for row in range(n)]
    vector = np.ones(2, np.float32)
    cells = [Encoding(file, file, None, FROZEN, vector) for file in files]
    return [*cells, None], files


def test_tokens_of_a_foundation_model_are_not_read_to_stack_them():
    cells, files = frozen_cells()
    table = stack_tokens(cells, "smri")
    assert table.tokens.shape == (5, 5, 2)
    assert table.present.tolist() == [True] * 4 + [False]
    assert table.pooled().shape == (5, 2)
    assert sum(file.n_read for file in files) == 0


def test_gathered_tokens_are_those_of_the_rows_asked_for():
    cells, files = frozen_cells()
    tokens = stack_tokens(cells, "smri").tokens[np.array([2, 4, 1])]
    np.testing.assert_array_equal(tokens[0], files[2].values)
    np.testing.assert_array_equal(tokens[1], 0)
    np.testing.assert_array_equal(tokens[2], [*files[1].values, [0, 0]])
    assert [file.n_read for file in files] == [0, 1, 1, 0]


def test_gathered_tokens_are_standardised_as_dense_ones():
    cells, _ = frozen_cells()
    table = stack_tokens(cells, "smri")
    dense = TokenTable(np.asarray(table.tokens), table.mask, FREE)
    scaler, expected = TokenScaler.fit(table), TokenScaler.fit(dense)
    np.testing.assert_allclose(scaler.mean, expected.mean)
    np.testing.assert_allclose(scaler.scale, expected.scale)
    np.testing.assert_allclose(scaler.transform(table), expected.transform(dense), rtol=1e-6)
    real = np.concatenate([cell.tokens for cell in cells if cell is not None]).astype(float)
    np.testing.assert_allclose(scaler.mean, real.mean(axis=0))
    np.testing.assert_allclose(scaler.scale, real.std(axis=0))
