import numpy as np
import torch

from adestim.batches import (
    AnchorBatches,
    BatchIterator,
    GatheredTokens,
    drop_modalities,
    to_device,
)
from adestim.encoding import BackboneSpec
from adestim.tokens import TokenScaler, TokenTable
from tests.batch_data import N_SUBJECTS, base_logits, fusion_data


def test_batches_cover_all_rows_once():
    batches = list(BatchIterator(fusion_data(), 8, shuffle=True))
    rows = torch.cat([batch["base"][:, 0] for batch, _ in batches])
    assert sorted(rows.tolist()) == list(range(N_SUBJECTS))
    assert len(batches) == len(BatchIterator(fusion_data(), 8)) == 3


def test_batches_come_in_another_order_every_epoch_only_where_asked():
    def order(iterator):
        return [int(row) for batch, _ in iterator for row in batch["base"][:, 0]]

    shuffled = BatchIterator(fusion_data(), 8, shuffle=True)
    assert order(shuffled) != order(shuffled)
    assert order(BatchIterator(fusion_data(), 8)) == list(range(N_SUBJECTS))


def test_a_view_holds_its_rows_and_shares_the_data():
    data = fusion_data()
    view = data.view(np.array([3, 5, 7]))
    [(batch, y)] = BatchIterator(view, 8)
    assert (len(view), len(data)) == (3, N_SUBJECTS)
    assert batch["base"][:, 0].tolist() == [3, 5, 7]
    torch.testing.assert_close(y, data.y[[3, 5, 7]])
    assert view.tokens["a"] is data.tokens["a"]


def test_modality_dropout_never_drops_everything():
    present = torch.rand(500, 3, generator=torch.Generator().manual_seed(0)) > 0.5
    present[~present.any(dim=1), 0] = True
    kept = drop_modalities(present, 0.95)
    assert kept.any(dim=1).all()
    assert not (kept & ~present).any()
    assert (kept.sum() < present.sum()).item()


def test_modality_dropout_recomputes_the_base_logits():
    batch, _ = fusion_data().batch(np.arange(N_SUBJECTS), dropout=0.5)
    shown = batch["present"].sum(dim=1)
    assert shown.min() == 1
    assert shown.max() == 2
    np.testing.assert_array_equal(batch["base"][:, 1], shown)


def test_modality_dropout_closes_the_tokens_of_what_it_drops():
    batch, _ = fusion_data().batch(np.arange(N_SUBJECTS), dropout=0.5)
    for place, name in enumerate("ab"):
        np.testing.assert_array_equal(batch["masks"][name].all(dim=1), batch["present"][:, place])


def test_modality_dropout_leaves_the_data_as_found():
    data = fusion_data()
    data.batch(np.arange(N_SUBJECTS), dropout=0.9)
    assert data.present.all()
    assert (data.base_logits[:, 1] == 2).all()


def test_data_upon_another_base_share_their_tokens():
    data = fusion_data()
    other = data.rebased(lambda rows, present: np.ones((len(rows), 2), dtype=np.float32))
    assert other.tokens is data.tokens
    np.testing.assert_array_equal(other.base_logits, 1)
    np.testing.assert_array_equal(other.batch(np.array([3]))[0]["base"], [[1.0, 1.0]])


# What is gathered batch by batch


def test_tokens_in_files_are_gathered_as_dense_ones():
    tokens = np.random.default_rng(0).normal(size=(6, 3, 2)).astype(np.float32)
    table = TokenTable(tokens, np.ones((6, 3), bool), BackboneSpec("vit"))
    scaler = TokenScaler.fit(table)
    found = GatheredTokens(table, scaler)[torch.tensor([4, 1])]
    np.testing.assert_array_equal(found, scaler.transform(table)[[4, 1]])


def test_inputs_are_those_of_the_subjects_whose_anchor_is_shown():
    inputs = [np.full(2, row, np.float32) if row % 2 else None for row in range(6)]
    batches = AnchorBatches("a", 1, inputs, lambda shown: torch.from_numpy(np.stack(shown)))
    present = np.array([[True, True], [True, False], [False, True]])
    shown = batches.batch(np.array([3, 1, 5]), present)
    assert len(shown) == 3
    assert shown.values.tolist() == [[3, 3], [5, 5]]
    assert batches.batch(np.array([1]), np.array([[True, False]])).values is None


def test_the_anchors_own_tokens_are_left_out_where_its_inputs_are_read():
    data = fusion_data().rebased(
        base_logits, AnchorBatches("a", 0, [np.zeros(1)] * N_SUBJECTS, lambda shown: torch.ones(1))
    )
    batch, _ = data.batch(np.array([0, 1]))
    assert set(batch["tokens"]) == set(batch["masks"]) == {"b"}
    assert len(to_device(batch, torch.device("cpu"))["inputs"]) == 2
