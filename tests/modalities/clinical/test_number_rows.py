"""Rows as numbers, and TabICL in the clinical extractor that reads them."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch

import adestim
from adestim import AnchoredFusionClassifier, ClinicalExtractor, ModalityUnion
from adestim.exceptions import (
    CheckpointError,
    DataWarning,
    InputError,
    SavedModelError,
    TableError,
)
from tests.tabicl_file import SMALL, write_tabicl

WIDTH, N_CLS = SMALL["embed_dim"], SMALL["row_num_cls"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("tabicl") / "tabicl.ckpt"
    write_tabicl(path)
    return path


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.normal(70, 5, 24),
            "sex": rng.choice(["F", "M"], 24),
            "stage": pd.Categorical(
                rng.choice(["low", "mid", "high"], 24), ["low", "mid", "high"], ordered=True
            ),
        },
        index=[f"s{row}" for row in range(24)],
    )
    frame.loc["s3", "age"] = np.nan
    return frame


def extractor(weights, **params):
    return ClinicalExtractor(backbone="tabicl", weights=weights, **params)


def test_a_column_is_a_token_beside_the_summaries(weights, table):
    encoding = extractor(weights).fit_transform(table).loc["s0", "clinical"]
    assert encoding.tokens.shape == (N_CLS + 3, WIDTH)
    assert encoding.pooled.shape == (N_CLS * WIDTH,)
    assert encoding.inputs.shape == (1 + len(table), 3)


def test_levels_become_numbers_and_missing_values_are_filled(weights, table):
    model = extractor(weights, backbone_params={"n_context": 4}).fit(table)
    rows = [model.transform(table).loc[name, "clinical"].inputs[0] for name in ("s3", "s0")]
    known = table["age"].dropna()
    filled = table["age"].fillna(known.mean())
    np.testing.assert_allclose(
        [row[0] for row in rows],
        (filled[["s3", "s0"]] - filled.mean()) / (filled.std(ddof=0) + 1e-6),
        rtol=1e-5,
        atol=1e-6,
    )
    sex = {row["sex"]: row["clinical"].inputs[0][1] for _, row in
           table.join(model.transform(table)).iterrows()}  # fmt: skip
    assert sex["F"] < sex["M"]


def test_a_row_without_a_value_is_missing(weights, table):
    table.loc["s5"] = [np.nan, None, None]
    encodings = extractor(weights).fit_transform(table)
    assert encodings.loc["s5", "clinical"] is None
    assert encodings.loc["s6", "clinical"].inputs.shape == (len(table), 3)


def test_a_category_not_seen_before_counts_as_unknown(weights, table):
    model = extractor(weights).fit(table)
    later = table.iloc[:2].assign(sex=["F", "diverse"])
    unknown = table.iloc[:2].assign(sex=["F", None])
    with pytest.warns(DataWarning, match="category not seen in fit for 1 subject"):
        found = model.transform(later).loc["s1", "clinical"]
    expected = model.transform(unknown).loc["s1", "clinical"]
    np.testing.assert_array_equal(found.tokens, expected.tokens)


def test_a_wrong_cell_is_its_subjects_error(weights, table):
    model = extractor(weights).fit(table)
    later = table.iloc[:2].astype(object)
    later.loc["s1", "age"] = "old"
    with pytest.raises(TableError, match="Subject 's1': Column 'age' is numeric"):
        model.transform(later)
    with pytest.warns(DataWarning, match="treated as missing"):
        assert model.set_params(errors="missing").transform(later).loc["s1", "clinical"] is None


def test_free_text_is_left_out_with_a_warning(weights, table):
    notes = [f"patient number {row} was quite tired today" for row in range(len(table))]
    with pytest.warns(DataWarning, match="'note' holds free text, which models of tables"):
        model = extractor(weights).fit(table.assign(note=notes))
    assert [column.name for column in model.columns_] == ["age", "sex", "stage"]
    with pytest.raises(TableError, match="at least one column of numbers or categories"):
        extractor(weights).fit(pd.DataFrame({"note": notes}))


@pytest.mark.parametrize("adapt", ["head", "lora", "full"])
def test_phase_one_adapts_it(weights, table, adapt):
    y = np.where(np.arange(len(table)) % 2, "AD", "CN")
    model = extractor(weights, adapt=adapt, adapt_params={"max_epochs": 1})
    assert model.fit_transform(table, y)["clinical"].notna().all()
    assert model.adaptation_.spec == model.backbone_


def test_it_is_an_anchor_and_an_auxiliary_beside_missing_modalities(weights, table):
    rng = np.random.default_rng(1)
    X = table.assign(hippocampus=rng.normal(size=len(table)))
    X.loc["s1", ["age", "sex", "stage"]] = None
    X.loc["s2", "hippocampus"] = np.nan
    y = np.where(rng.random(len(X)) > 0.5, "AD", "CN")
    union = ModalityUnion(
        [
            ("clinical", extractor(weights), ["age", "sex", "stage"]),
            ("volume", ClinicalExtractor(), ["hippocampus"]),
        ]
    )
    encodings = union.fit_transform(X)
    fusion = AnchoredFusionClassifier(max_epochs=1, n_folds=2, random_state=0)
    fusion = pickle.loads(pickle.dumps(fusion.fit(encodings, y)))
    probability = fusion.predict_proba(encodings)
    np.testing.assert_allclose(probability.sum(axis=1), 1)


def test_another_models_weights_are_refused_in_fit(tmp_path, table):
    path = tmp_path / "other.pt"
    torch.save({"blocks.0.attn.qkv.weight": torch.ones(3, 1), "x": torch.ones(1)}, path)
    with pytest.raises(CheckpointError, match="must hold exactly that model's weights"):
        extractor(path).fit(table)


def test_weights_of_version_one_have_sizes_of_their_own(tmp_path, table):
    write_tabicl(
        tmp_path / "v1.ckpt",
        col_affine=True, col_feature_group=False, col_target_aware=False, col_ssmax="none",
    )  # fmt: skip
    encodings = extractor(tmp_path / "v1.ckpt").fit_transform(table)
    assert encodings.loc["s0", "clinical"].tokens.shape == (N_CLS + 3, WIDTH)


def test_an_option_that_tabicl_does_not_have_is_refused(weights, table):
    with pytest.raises(InputError, match=r"must name options that it has. Got 'n_rows'"):
        extractor(weights, backbone_params={"n_rows": 4}).fit(table)


def test_it_is_not_saved_since_it_reads_training_rows_beside_new_ones(weights, table, tmp_path):
    model = extractor(weights).fit(table)
    with pytest.raises(SavedModelError, match="Got backbone 'tabicl', which keeps the rows"):
        adestim.save(model, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
