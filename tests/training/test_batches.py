import threading
import time

import numpy as np
import pytest
import torch

from adestim.encoding import BackboneSpec, Encoding
from adestim.encoding.tokens import TokenRows, TokenScaler, TokenTable
from adestim.training import batches
from adestim.training.batches import (
    N_AHEAD,
    AnchorBatches,
    BatchIterator,
    FusionData,
    GatheredTokens,
    drop_modalities,
    to_device,
)
from tests.training.batch_data import N_SUBJECTS, base_logits, fusion_data


def test_batches_cover_all_rows_once():
    found = list(BatchIterator(fusion_data(), 8, shuffle=True))
    rows = torch.cat([batch["base"][:, 0] for batch, _ in found])
    assert sorted(rows.tolist()) == list(range(N_SUBJECTS))
    assert len(found) == len(BatchIterator(fusion_data(), 8)) == 3


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


# What is gathered batch by batch


def test_tokens_in_files_are_gathered_as_dense_ones():
    tokens = np.random.default_rng(0).normal(size=(6, 3, 2)).astype(np.float32)
    table = TokenTable(tokens, np.ones((6, 3), bool), BackboneSpec("vit"))
    scaler = TokenScaler.fit(table)
    found = GatheredTokens(table, scaler)[torch.tensor([4, 1])]
    np.testing.assert_array_equal(found, scaler.transform(table)[[4, 1]])


def test_inputs_are_those_of_the_subjects_whose_anchor_is_shown():
    inputs = [np.full(2, row, np.float32) if row % 2 else None for row in range(6)]
    anchor = AnchorBatches("a", 1, inputs, lambda shown: torch.from_numpy(np.stack(shown)))
    present = np.array([[True, True], [True, False], [False, True]])
    shown = anchor.collate_shown(np.array([3, 1, 5]), [inputs[row] for row in (3, 1, 5)], present)
    assert len(shown) == 3
    assert shown.values.tolist() == [[3, 3], [5, 5]]
    assert shown.sources == (inputs[3], inputs[5])
    nobody = anchor.collate_shown(np.array([1]), [inputs[1]], np.array([[True, False]]))
    assert nobody.values is None


def test_the_anchors_own_tokens_are_left_out_where_its_inputs_are_read():
    own = AnchorBatches("a", 0, [np.zeros(1)] * N_SUBJECTS, lambda shown: torch.ones(1))
    data = fusion_data(inputs=own)
    batch, _ = data.batch(np.array([0, 1]))
    assert set(batch["tokens"]) == set(batch["masks"]) == {"b"}
    assert len(to_device(batch, torch.device("cpu"))["inputs"]) == 2


# Reading ahead


class InFile:
    """Stands for an array in a file, and notes when it is read, and where."""

    def __init__(self, value, events):
        self.value, self.events, self.shape = value, events, value.shape

    def read(self):
        name = "thread" if threading.current_thread() is not threading.main_thread() else "here"
        self.events.append(("read", name, int(self.value.flat[0])))
        return self.value


def data_in_files(events, n=12):
    """Subjects whose anchor's inputs, and whose other tokens, lie in files."""
    rng = np.random.default_rng(0)
    tokens = [InFile(rng.normal(size=(3, 2)).astype(np.float32), []) for _ in range(n)]
    cells = [Encoding(item, item, None, BackboneSpec("vit")) for item in tokens]
    table = TokenTable(TokenRows(cells, 3, 2), np.ones((n, 3), bool), BackboneSpec("vit"))
    inputs = [InFile(np.full((1, 2), row, np.float32), events) for row in range(n)]
    collate = lambda shown: torch.from_numpy(np.stack(shown))  # noqa: E731
    return FusionData(
        tokens={"a": None, "b": GatheredTokens(table, TokenScaler.fit(table))},
        masks={name: torch.ones(n, 3, dtype=torch.bool) for name in "ab"},
        scores=torch.zeros(n, 2, 2),
        present=torch.ones(n, 2, dtype=torch.bool),
        base=base_logits,
        y=torch.arange(n),
        weight=torch.ones(n),
        inputs=AnchorBatches("a", 0, inputs, collate),
    )


def epochs(ahead, n_epochs=2):
    """All batches of some epochs, random numbers drawn between them as dropout does."""
    torch.manual_seed(0)
    drawn, found = [], []
    iterator = BatchIterator(data_in_files([]), 5, True, 0.4, ahead=ahead)
    for _ in range(n_epochs):
        for batch, y in iterator:
            drawn.append(torch.rand(3))
            found.append((batch | {"inputs": batch["inputs"].values}, y))
    return found, drawn


def test_batches_and_random_numbers_are_those_without_reading_ahead():
    with torch.random.fork_rng():
        found, drawn = epochs(ahead=True)
        expected, expected_drawn = epochs(ahead=False)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    torch.testing.assert_close(drawn, expected_drawn, rtol=0, atol=0)


def test_the_next_batches_are_read_while_one_is_worked_on():
    events = []
    for batch, _ in BatchIterator(data_in_files(events, n=12), 2):
        time.sleep(0.05)
        events.append(("worked", int(batch["inputs"].values[0, 0, 0])))
    assert all(event[1] == "thread" for event in events if event[0] == "read")
    for first in (0, 2, 4):
        before = events[: events.index(("worked", first))]
        assert ("read", "thread", first + 2) in before
        assert ("read", "thread", first + 2 * (N_AHEAD + 1)) not in before


@pytest.mark.parametrize(("ahead", "expected"), [(None, "thread"), (False, "here")])
def test_files_are_read_ahead_unless_told_otherwise(ahead, expected):
    events = []
    list(BatchIterator(data_in_files(events), 4, ahead=ahead))
    assert {where for _, where, _ in events} == {expected}


def test_what_is_in_memory_is_not_read_ahead(monkeypatch):
    monkeypatch.setattr(batches, "ThreadPoolExecutor", None)
    assert not fusion_data().in_files
    assert len(list(BatchIterator(fusion_data(), 8))) == 3


def test_tokens_in_files_are_known_to_be():
    data = data_in_files([])
    data.inputs = None
    del data.tokens["a"]
    assert data.in_files


def test_an_error_in_reading_comes_where_its_batch_is_due():
    data = data_in_files([])
    data.inputs.inputs[5] = InFile(np.zeros((0, 2)), [])
    coming = iter(BatchIterator(data, 2))
    next(coming), next(coming)
    with pytest.raises(IndexError):
        next(coming)


def test_who_turns_away_leaves_no_thread():
    before = threading.active_count()
    coming = iter(BatchIterator(data_in_files([]), 2))
    next(coming)
    coming.close()
    assert threading.active_count() == before


def test_batches_are_pinned_where_asked_for(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor + 0)
    plain = list(BatchIterator(data_in_files([]), 5))
    for (batch, y), (expected, expected_y) in zip(
        BatchIterator(data_in_files([]), 5, pin_memory=True), plain, strict=True
    ):
        assert batch["inputs"].sources
        torch.testing.assert_close(batch["inputs"].values, expected["inputs"].values)
        torch.testing.assert_close(batch["tokens"], expected["tokens"])
        torch.testing.assert_close(y, expected_y)
