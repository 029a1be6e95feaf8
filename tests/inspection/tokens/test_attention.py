import numpy as np
import pytest
import torch

from adestim.backbone import Attention
from adestim.backbone.attention import AttentionWeights, absorb, log_mask_of
from adestim.backbone.reading import norm_tokens
from adestim.exceptions import InputError
from adestim.inspection import query_attention
from adestim.inspection.tokens.attention import watch_attention
from tests.fusion_tables import free_tokens, numeric_table, quick
from tests.inspection.fitted import fitted, in_pipeline


@pytest.fixture
def attention():
    return query_attention(*fitted())


def test_weights_are_those_by_which_the_layer_mixes():
    torch.manual_seed(0)
    layer, norm = Attention(8, 2), torch.nn.LayerNorm(8)
    queries, tokens = torch.randn(1, 2, 8), torch.randn(3, 5, 8)
    log_mask = log_mask_of(torch.rand(3, 5) > 0.3)
    [maps] = absorb(AttentionWeights.stack([layer], [norm]), n_heads=2).unbind()
    with watch_attention({"layer": layer.shares}, n_heads=2) as seen:
        layer.read(queries, [norm_tokens(tokens)], log_mask, maps)
    q = layer.query(queries).unflatten(-1, (2, -1)).transpose(1, 2)
    key = layer.key_value(norm(tokens)).chunk(2, dim=-1)[0].unflatten(-1, (2, -1)).transpose(1, 2)
    logits = q @ key.transpose(-1, -2) / 2 + log_mask[:, None, None]
    torch.testing.assert_close(seen["layer"][0], logits.softmax(dim=-1).mean(dim=1))


def test_weights_sum_to_one_where_the_modality_is_there(attention):
    _, X = fitted()
    total = attention.weights["csf"].sum(axis=2)
    has = X["csf__a"].notna().to_numpy()
    np.testing.assert_allclose(total[has], 1, atol=1e-5)
    assert np.isnan(total[~has]).all()


def test_cross_modal_attention_sums_to_one_over_modalities(attention):
    _, X = fitted()
    total = sum(attention.cross_to_tokens(name).sum(axis=2) for name in ("csf", "gene"))
    has = X[["csf__a", "gene__a"]].notna().any(axis=1).to_numpy()
    np.testing.assert_allclose(total[has], 1, atol=1e-5)


def test_cross_modal_path_gives_nothing_to_missing_modalities(attention):
    _, X = fitted()
    missing = X["csf__a"].isna().to_numpy() & X["gene__a"].notna().to_numpy()
    assert missing.any()
    assert (attention.cross_to_tokens("csf")[missing] == 0).all()


def test_tidy_tables_have_a_row_a_cell(attention):
    n_tokens, n_subjects, n_nets = 3 + 2, len(fitted()[1]), 5
    assert len(attention.frame()) == 2 * n_tokens
    assert len(attention.frame("subject")) == n_subjects * 2 * n_tokens
    assert len(attention.frame("query")) == n_subjects * n_nets * 2 * 2 * n_tokens
    assert list(attention.frame("query")) == [
        "subject", "query", "path", "modality", "token", "weight",
    ]  # fmt: skip


def test_tokens_bear_their_names_and_the_scores_come_last(attention):
    assert attention.tokens == {
        "csf": ("a", "b", "score of its own model"),
        "gene": ("a", "score of its own model"),
    }


def test_model_is_left_as_it_was():
    fusion, X = fitted()
    before = fusion.predict_proba(X)
    query_attention(fusion, X)
    layers = fusion.nets_["mri"].module_.modules()
    assert not any(layer._forward_pre_hooks for layer in layers)
    np.testing.assert_array_equal(fusion.predict_proba(X), before)


def test_pipeline_reads_as_the_fusion_in_it(attention):
    fusion, X = fitted()
    same = query_attention(in_pipeline(fusion), X)
    np.testing.assert_array_equal(same.weights["csf"], attention.weights["csf"])


def test_without_cross_modal_path_there_is_one_path():
    fusion, X = fitted(cross_modal=False, members=(), learning_rate=2e-3, max_epochs=10)
    assert set(query_attention(fusion, X).frame()["path"]) == {"own queries"}


def test_queries_of_all_nets_stand_side_by_side(attention):
    fusion, X = fitted()
    nets = fusion.nets_["mri"].module_.folds
    n_queries = fusion.n_queries
    assert attention.weights["csf"].shape[1] == len(nets) * n_queries
    last = slice(-n_queries, None)
    paths = [
        np.einsum(
            "scq,sqt->sct", attention.cross["csf"][:, part], attention.weights["csf"][:, part]
        )
        for part in (slice(0, n_queries), last)
    ]
    found = attention.cross_to_tokens("csf")
    has = X["csf__a"].notna().to_numpy()
    np.testing.assert_allclose(found[has, :n_queries], paths[0][has], atol=1e-6)
    np.testing.assert_allclose(found[has, last], paths[1][has], atol=1e-6)


def test_free_tokens_are_numbered_and_padding_gets_nothing():
    notes = free_tokens(80)
    X, _ = numeric_table(80)
    table = X[["mri__a"]].set_axis(notes.index).assign(notes=notes["notes"])
    said = np.array([cell.tokens[:, 0].mean() for cell in notes["notes"]])
    y = np.where(table["mri__a"] * said > 0, "AD", "CN")
    fusion = quick(members=(), max_epochs=20, learning_rate=0.03).fit(table, y)
    attention = query_attention(fusion, table)
    assert attention.tokens["notes"] == (
        "token 1",
        "token 2",
        "token 3",
        "token 4",
        "score of its own model",
    )
    assert (attention.weights["notes"][0, :, 2:4] == 0).all()


def test_the_anchor_of_the_largest_share_is_read_unless_another_is_named():
    fusion, X = fitted(anchor="all")
    assert len(fusion.nets_) > 1
    assert query_attention(fusion, X).anchor == max(fusion.nets_, key=fusion.interaction_.get)
    other = min(fusion.nets_, key=fusion.interaction_.get)
    assert query_attention(fusion, X, anchor=other).anchor == other


def test_an_anchor_without_a_net_is_told_with_those_that_have_one():
    fusion, X = fitted(anchor="all")
    [lost] = set(fusion.anchors_) - set(fusion.nets_)
    with pytest.raises(InputError, match=f"{lost}' has no net.*no share.*Choose one of these"):
        query_attention(fusion, X, anchor=lost)


def test_a_fusion_without_any_net_says_why():
    with pytest.raises(InputError, match=r"Only a fusion with a net.*max_epochs=0, so that none"):
        query_attention(*fitted(max_epochs=0))
    X, _ = numeric_table(60)
    # Nets have nothing to gain where nothing tells the class.
    fusion = quick(start="stacked").fit(X, np.arange(60) % 2)
    assert not fusion.nets_
    with pytest.raises(InputError, match=r"none whose share in the mixture is above 0"):
        query_attention(fusion, X)


@pytest.mark.parametrize("change", [{"n_queries": 0}, {"columns": ["mri__a"]}])
def test_fusions_without_queries_are_refused(change):
    X, y = numeric_table(24)
    X = X[change.pop("columns", list(X))]
    with pytest.raises(InputError, match=r"Only a fusion with a Q-former.*n_queries="):
        query_attention(quick(max_epochs=0, **change).fit(X, y), X)
