from typing import ClassVar

import numpy as np
import pytest
import torch

from adestim.backbone import load_backbone, loading
from adestim.backbone.forward import batch_by_size, encode_frozen, pool_backbone, run_backbone
from adestim.encoding import BackboneSpec
from adestim.exceptions import DeviceMemoryError
from tests.backbone.toys import ToyBackbone, subjects, toy


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "_LOADED", {})
    torch.save(toy().state_dict(), tmp_path / "model.pt")
    return BackboneSpec(
        "toy",
        digest=ToyBackbone.digest(tmp_path / "model.pt"),
        options=(("architecture", ()),),
        sources=(
            ("weights", str(tmp_path / "model.pt")),
            ("home", "tests.backbone.toys:ToyBackbone"),
        ),
    )


def alone(model, table):
    """Tokens of one subject by itself."""
    with torch.no_grad():
        inputs = model.collate([table])
        return model.encode(model.embed(inputs), None, len(table))[0].numpy()


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_tokens_do_not_depend_on_the_batch(spec, batch_size):
    tables = subjects(5, 2, 7, 4)
    encodings = encode_frozen(tables, spec, device="cpu", batch_size=batch_size)
    for table, encoding in zip(tables, encodings, strict=True):
        expected = alone(load_backbone(spec), table)
        np.testing.assert_allclose(encoding.tokens, expected, atol=1e-6)
        assert encoding.mask is None
        assert encoding.inputs is table
        assert encoding.backbone == spec


def test_tokens_are_float32_and_hold_no_batch(spec):
    [first, _] = encode_frozen(subjects(5, 3), spec, device="cpu")
    assert first.tokens.dtype == np.float32
    assert first.tokens.base is None


def test_a_missing_subject_stays_missing(spec):
    table = subjects(3)[0]
    encodings = encode_frozen([None, table, None], spec, device="cpu")
    assert [encoding is None for encoding in encodings] == [True, False, True]


@pytest.mark.parametrize("inputs", [[], [None, None]])
def test_without_subjects_the_model_is_not_loaded(spec, tmp_path, inputs):
    (tmp_path / "model.pt").unlink()
    assert encode_frozen(inputs, spec, device="cpu") == [None] * len(inputs)


def test_half_precision_is_near(spec):
    tables = subjects(5, 3)
    whole = encode_frozen(tables, spec, device="cpu")
    half = encode_frozen(tables, spec, device="cpu", precision="bfloat16")
    for first, second in zip(whole, half, strict=True):
        assert second.tokens.dtype == np.float32
        np.testing.assert_allclose(second.tokens, first.tokens, atol=0.1)
        assert not np.array_equal(second.tokens, first.tokens)


def test_inputs_of_like_size_share_a_batch():
    tables = [*subjects(9, 2, 8, 3), None]
    assert list(batch_by_size(tables, 2)) == [[1, 3], [2, 0]]


class FirstStandsForNoData(ToyBackbone):
    def readable(self, own):
        return own & (torch.arange(own.shape[1]) > 0)


class NothingIsReadable(ToyBackbone):
    def readable(self, own):
        return own & False


def spec_like(spec, cls):
    sources = {**dict(spec.sources), "home": f"tests.backbone.test_forward:{cls.__name__}"}
    return BackboneSpec(cls.__name__, spec.digest, spec.options, tuple(sources.items()))


def test_tokens_that_stand_for_no_data_are_masked(spec):
    [encoding] = encode_frozen(subjects(4)[:1], spec_like(spec, FirstStandsForNoData), device="cpu")
    assert encoding.mask.tolist() == [False, True, True, True]
    assert encoding.tokens.shape == (4, 6)


def test_a_subject_without_a_readable_token_keeps_a_masked_one(spec):
    [encoding] = encode_frozen(subjects(4)[:1], spec_like(spec, NothingIsReadable), device="cpu")
    assert encoding.mask.tolist() == [False]
    assert encoding.tokens.shape == (1, 6)


def test_a_batch_is_run_with_its_mask():
    model = toy()
    with torch.no_grad():
        tokens, mask = run_backbone(model, model.collate(subjects(5, 3)))
        pooled = pool_backbone(model, model.collate(subjects(5, 3)))
    assert mask.sum(axis=1).tolist() == [5, 3]
    np.testing.assert_allclose(pooled[1].numpy(), tokens[1, :3].mean(0).numpy(), atol=1e-6)


def test_progress_is_shown_where_a_title_is_given(spec, terminal):
    encode_frozen(subjects(), spec, device="cpu")
    assert terminal.getvalue() == ""
    encode_frozen(subjects(), spec, device="cpu", title="smri: toy")
    assert "smri: toy" in terminal.getvalue()


# A GPU that is too small


class Cramped(ToyBackbone):
    """A model whose device has room for two subjects."""

    room = 2

    def encode(self, tokens, log_mask, n_own):
        if len(tokens) > self.room:
            raise torch.OutOfMemoryError("no room")
        return super().encode(tokens, log_mask, n_own)


class Crowded(Cramped):
    room = 0


def test_a_batch_that_does_not_fit_is_halved(spec):
    tables = subjects(5, 5, 5, 5, 5)
    expected = encode_frozen(tables, spec, device="cpu", batch_size=5)
    found = encode_frozen(tables, spec_like(spec, Cramped), device="cpu", batch_size=5)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.tokens, other.tokens, atol=1e-5)


class Counting(Cramped):
    """Notes how many subjects it is tried with."""

    tried: ClassVar[list] = []

    def encode(self, tokens, log_mask, n_own):
        self.tried.append(len(tokens))
        return super().encode(tokens, log_mask, n_own)


def test_the_smaller_batch_is_kept_for_inputs_of_that_size(spec):
    Counting.tried.clear()
    counting = spec_like(spec, Counting)
    encode_frozen(subjects(*[5] * 8), counting, device="cpu", batch_size=4)
    assert Counting.tried == [4, 2, 2, 2, 2]
    encode_frozen(subjects(*[5] * 4), counting, device="cpu", batch_size=4)
    assert Counting.tried[5:] == [2, 2]


def test_smaller_inputs_are_tried_in_whole_batches_again(spec):
    Counting.tried.clear()
    counting = spec_like(spec, Counting)
    encode_frozen(subjects(5, 5, 5, 5), counting, device="cpu", batch_size=4)
    encode_frozen(subjects(2, 2), counting, device="cpu", batch_size=4)
    assert Counting.tried == [4, 2, 2, 2]


def test_a_subject_that_does_not_fit_is_said_with_the_remedy(spec):
    with pytest.raises(DeviceMemoryError, match=r"Crowded.*one subject.*precision='bfloat16'"):
        encode_frozen(subjects(5, 5), spec_like(spec, Crowded), device="cpu", batch_size=2)
