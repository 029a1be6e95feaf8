"""Every family of foundation models as users call it: extractor, anchor, auxiliary, phase 1."""

import copy
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

import adestim
from adestim import AnchoredFusionClassifier, ModalityUnion
from adestim.backbone import load_backbone
from adestim.backbone.lora import list_updates
from adestim.exceptions import SavedModelError
from tests.families import FAMILIES, N_SNPS, V1, WITHOUT_MODEL, WITHOUT_OTHER, cohort_of
from tests.kept_nets import fit_even

ADAPTED = {
    "brain-jepa": ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"),
    "brainharmonix-f": ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"),
    "brainlm-111m": (
        "attention.attention.query", "attention.attention.key", "attention.attention.value",
        "attention.output.dense", "intermediate.dense", "output.dense",
    ),
    "brainlm-13m": (
        "attention.self.query", "attention.self.key", "attention.self.value",
        "attention.output.dense", "intermediate.dense", "output.dense",
    ),
    "brainmvp": ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"),
    "sam-med3d": ("attn.qkv", "attn.proj", "mlp.lin1", "mlp.lin2"),
    "brainiac": ("attn.qkv", "attn.out_proj", "mlp.linear1", "mlp.linear2"),
    "cortex-mae-parcel": ("attn.q", "attn.k", "attn.v", "attn.proj", "mlp.fc1", "mlp.fc2"),
    "neurovfm": ("mixer.qkv", "mixer.proj", "mlp.fc1", "mlp.fc2"),
    "tabicl": ("attn.in_proj", "attn.out_proj", "linear1", "linear2"),
    "llama": ("self_attn.q_proj", "self_attn.v_proj"),
    "gemma3_text": ("self_attn.q_proj", "self_attn.v_proj"),
    "bert": ("attention.self.query", "attention.self.value"),
    "modernbert": ("attn.Wqkv",),
    "dnabert-2-117m": ("attention.self.Wqkv",),
}  # fmt: skip
# What reads a row among rows that it was fitted to is not saved without pickle.
KEEPS_ROWS = ("tabicl",)
OF_NT = ("attention.self.query", "attention.self.value")
# One imaging, one language and one DNA family: training a whole body takes long.
ONE_A_KIND = ("brainiac", "llama", V1)
PHASE_ONE = {
    "max_epochs": 3,
    "batch_size": 4,
    "learning_rate": 0.01,
    "body_learning_rate": 1e-3,
    "lora_rank": 2,
    "validation_fraction": 0.34,
}


@pytest.fixture(scope="module", params=FAMILIES)
def cohort(request, tmp_path_factory):
    return cohort_of(request.param, tmp_path_factory.mktemp("family"))


def union_of(cohort, **params):
    extractor = clone(cohort.extractor).set_params(**params)
    return ModalityUnion(
        [(cohort.modality, extractor, cohort.columns), ("csf", "passthrough", ["tau", "abeta"])]
    )


def quick(cohort, **params):
    small = {
        "anchor": cohort.modality, "max_epochs": 2, "lora_rank": 2, "n_queries": 2, "batch_size": 6,
        "n_folds": 2, "device": "cpu", "random_state": 0,
    }  # fmt: skip
    return AnchoredFusionClassifier(**(small | {"n_trees": 0} | params))


@pytest.fixture(scope="module")
def pipeline(cohort):
    return fit_even(make_pipeline(union_of(cohort), quick(cohort)), cohort.X, cohort.y)


@pytest.fixture(scope="module")
def union(pipeline):
    return pipeline[0]


@pytest.fixture(scope="module")
def model(pipeline):
    return pipeline[-1]


@pytest.fixture(scope="module")
def table(cohort, union):
    return union.transform(cohort.X)


@pytest.fixture(scope="module", params=ONE_A_KIND)
def few(request, tmp_path_factory):
    return cohort_of(request.param, tmp_path_factory.mktemp("few"))


@pytest.fixture(scope="module")
def table_of_few(few):
    return union_of(few).fit_transform(few.X, few.y)


@pytest.fixture(scope="module")
def frozen(union, cohort):
    return load_backbone(extractor_in(union, cohort).backbone_)


def extractor_in(union, cohort):
    return next(fitted for name, fitted, _ in union.transformers_ if name == cohort.modality)


def known(table, cohort):
    return [cell for cell in table[cohort.modality] if cell is not None]


def loud(model):
    """Return a copy in which head, gates and adapters are far from where training starts."""
    model = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in model.net_.module_.folds:
            module.log_gate.fill_(0.0)
            for name, weight in module.named_parameters():
                if name == "head.weight" or "lora_B" in name:
                    weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))
    return model


def require_probabilities(probabilities, n_subjects):
    assert probabilities.shape == (n_subjects, 2)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


# The extractor


def test_a_union_encodes_those_who_have_the_modality(cohort, table):
    missing = table[cohort.modality].isna().to_numpy()
    assert tuple(np.flatnonzero(missing)) == WITHOUT_MODEL
    assert tuple(np.flatnonzero(table["csf"].isna())) == WITHOUT_OTHER


def test_tokens_and_masks_are_those_of_the_model_alone(cohort, table, frozen):
    if cohort.genetics:
        assert {cell.tokens.shape for cell in known(table, cohort)} == {(N_SNPS, frozen.width_out)}
        assert sum(cell.mask is not None for cell in known(table, cohort)) == 1
        return
    for cell in known(table, cohort):
        inputs = frozen.collate([cell.inputs])
        own = frozen.own_mask(inputs)
        with torch.no_grad():
            tokens = frozen.embed(inputs)
            own = torch.ones(tokens.shape[:2], dtype=torch.bool) if own is None else own
            tokens = frozen.encode(tokens, None, tokens.shape[1])
            pooled = frozen.pool(tokens, own)[0].numpy()
        readable = frozen.readable(own)[0].numpy()
        mask = np.ones(len(cell.tokens), dtype=bool) if cell.mask is None else cell.mask
        np.testing.assert_array_equal(np.flatnonzero(mask), np.flatnonzero(readable))
        np.testing.assert_allclose(cell.tokens[mask], tokens[0].numpy()[readable], atol=1e-4)
        np.testing.assert_allclose(cell.pooled, pooled, atol=1e-4)


def test_arrays_are_small_own_their_memory_and_keep_their_kind(cohort, table):
    cells = known(table, cohort)
    for cell in cells:
        assert cell.tokens.dtype == np.float32
        assert cell.inputs.dtype.kind == ("i" if cohort.reads_text else "f")
        assert cell.inputs.dtype != np.float64
        for array in (cell.tokens, cell.inputs, cell.mask, cell.pooled):
            assert array is None or array.base is None or array.base.nbytes == array.nbytes
    lengths = {cell.n_tokens for cell in cells}
    assert (len(lengths) > 1) == cohort.ragged


def test_the_name_tag_is_the_same_in_fit_transform_and_a_copy(cohort, union, table):
    spec = extractor_in(union, cohort).backbone_
    assert {cell.backbone for cell in known(table, cohort)} == {spec}
    again = union_of(cohort)
    encodings = again.fit_transform(cohort.X, cohort.y)
    assert extractor_in(again, cohort).backbone_ == spec
    first, second = (known(each, cohort)[0] for each in (table, encodings))
    np.testing.assert_array_equal(first.tokens, second.tokens)
    assert extractor_in(pickle.loads(pickle.dumps(union)), cohort).backbone_ == spec


# The anchor


def test_a_pipeline_predicts_everybody(cohort, pipeline):
    require_probabilities(pipeline.predict_proba(cohort.X), len(cohort.X))
    nobody = cohort.X.copy()
    nobody[cohort.columns] = None
    nobody = nobody.drop(index=nobody.index[list(WITHOUT_OTHER)])
    require_probabilities(pipeline.predict_proba(nobody), len(nobody))


def test_a_pickled_pipeline_predicts_alike_and_holds_no_frozen_weights(cohort, pipeline, frozen):
    payload = pickle.dumps(pipeline)
    for weight in frozen.parameters():
        assert weight.ndim == 1 or weight.numpy().tobytes() not in payload
    np.testing.assert_array_equal(
        pickle.loads(payload).predict_proba(cohort.X), pipeline.predict_proba(cohort.X)
    )


def test_a_saved_pipeline_predicts_alike(cohort, pipeline, tmp_path, monkeypatch):
    if cohort.name in KEEPS_ROWS:
        with pytest.raises(SavedModelError, match="keeps the rows"):
            adestim.save(pipeline, tmp_path / "model")
        return
    folder = adestim.save(pipeline, tmp_path / "model")
    given = extractor_in(pipeline[0], cohort).get_params()
    place = str(Path(given["weights"] or given["backbone"]).parent)
    assert place.encode() not in b"".join(file.read_bytes() for file in folder.iterdir())
    monkeypatch.setenv("ADESTIM_WEIGHTS", place)
    loaded = adestim.load(folder)
    if "genotypes" in given:
        genotypes = {f"modalityunion__{cohort.modality}__genotypes": given["genotypes"]}
        loaded.set_params(**genotypes)
    np.testing.assert_array_equal(loaded.predict_proba(cohort.X), pipeline.predict_proba(cohort.X))


def test_training_leaves_the_frozen_weights(cohort, table, frozen):
    before = type(frozen).load(known(table, cohort)[0].backbone).state_dict()
    quick(cohort, learning_rate=0.05, max_epochs=1).fit(table, cohort.y)
    after = frozen.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert not any(weight.requires_grad for weight in frozen.parameters())


def test_adapters_sit_on_the_intended_layers(cohort, model):
    wanted = ADAPTED.get(cohort.name, OF_NT)
    first, second = (
        [name for name, _, _ in list_updates(module.backbone.body)]
        for module in model.net_.module_.folds
    )
    assert first == second
    places = [re.fullmatch(r"(.*?\.\d+)\.(.*)", name).groups() for name in first]
    assert {layer for _, layer in places} == set(wanted)
    assert len({block for block, _ in places}) == cohort.n_blocks
    assert len(first) == len(wanted) * cohort.n_blocks


def test_nothing_is_lost_where_nothing_moves(cohort, table):
    start = quick(cohort, max_epochs=0).fit(table, cohort.y)
    moved = fit_even(quick(cohort, learning_rate=1e-12), table, cohort.y)
    assert list(moved.nets_) == [cohort.modality]
    found, expected = (each.predict_proba_by_anchor(table) for each in (moved, start))
    np.testing.assert_allclose(found[cohort.modality], expected[cohort.modality], atol=1e-6)


def test_gradient_checkpointing_trains_alike(cohort, table):
    plain, saving = (
        quick(cohort, gradient_checkpointing=wanted, learning_rate=0.02).fit(table, cohort.y)
        for wanted in (False, True)
    )
    losses = [[epoch["train_loss"] for epoch in each.history_[1:]] for each in (plain, saving)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert losses[0][0] != losses[0][1]


def test_half_precision_trains(cohort):
    half = union_of(cohort, precision="bfloat16").fit_transform(cohort.X, cohort.y)
    assert {cell.tokens.dtype for cell in known(half, cohort)} == {np.dtype(np.float32)}
    model = quick(cohort, precision="bfloat16", gradient_checkpointing=True)
    fit_even(model, half, cohort.y)
    require_probabilities(model.predict_proba(half), len(half))
    adapters = [weight for weight in model.net_.module_.parameters() if weight.requires_grad]
    assert {weight.dtype for weight in adapters} == {torch.float32}


# A subject for itself


def test_a_subject_is_read_alike_whoever_is_read_beside(model, table):
    model = loud(model)
    together = record_pooled(model, table)
    for row in (0, WITHOUT_MODEL[0], WITHOUT_OTHER[0]):
        alone = record_pooled(model, table.iloc[[row]])
        torch.testing.assert_close(alone, together[:, [row]], atol=1e-3, rtol=1e-3)


def test_a_missing_anchor_lets_the_others_speak(model, table):
    model, rows = loud(model), list(WITHOUT_MODEL)
    others = table.assign(csf=np.roll(table["csf"], 1))
    first, second = (record_pooled(model, each.iloc[rows]) for each in (table, others))
    assert (first - second).abs().amax(dim=(1, 2)).min() > 1e-3


@pytest.mark.parametrize("place", [1, "output"])
def test_the_others_are_heard_where_they_join_later(cohort, table, place):
    deep = quick(cohort, interaction_depth=place, max_epochs=1)
    deep = loud(fit_even(deep, table, cohort.y))
    require_probabilities(deep.predict_proba(table), len(table))
    for module in deep.net_.module_.folds:
        assert module.backbone.join_at == (1 if place == 1 else 0)
    others = table.assign(csf=np.roll(table["csf"], 1))
    first, second = (record_pooled(deep, each) for each in (table, others))
    assert (first - second).abs().amax(dim=(1, 2)).min() > 1e-3


def record_pooled(model, table):
    """Return every net's pooled vectors that a prediction comes from (n_nets, n_subjects, C)."""
    folds = model.net_.module_.folds
    seen = [[] for _ in folds]
    handles = [
        module.dropout.register_forward_hook(lambda layer, args, out, own=own: own.append(out))
        for module, own in zip(folds, seen, strict=True)
    ]
    model.predict_proba(table)
    for handle in handles:
        handle.remove()
    return torch.stack([torch.cat(own) for own in seen])


# Auxiliary, and phase 1


def test_it_is_an_auxiliary_too(cohort, table):
    model = quick(cohort, anchor="csf").fit(table, cohort.y)
    require_probabilities(model.predict_proba(table), len(table))


def test_low_rank_adaptation_changes_tokens_and_digest(cohort, table, union):
    spec = extractor_in(union, cohort).backbone_
    adapted = union_of(cohort, adapt="lora", adapt_params=PHASE_ONE)
    encodings = adapted.fit_transform(cohort.X, cohort.y)
    one, other = known(encodings, cohort)[0], known(table, cohort)[0]
    assert one.backbone.digest != spec.digest
    assert one.tokens.shape == other.tokens.shape
    assert not np.allclose(one.tokens, other.tokens, atol=1e-4)
    again = pickle.loads(pickle.dumps(adapted)).transform(cohort.X)
    np.testing.assert_array_equal(known(again, cohort)[0].tokens, one.tokens)
    model = quick(cohort, max_epochs=1).fit(encodings, cohort.y)
    require_probabilities(model.predict_proba(encodings), len(encodings))


def test_full_adaptation_changes_tokens_and_is_what_the_anchor_starts_from(few, table_of_few):
    encodings = union_of(few, adapt="full", adapt_params=PHASE_ONE).fit_transform(few.X, few.y)
    one, other = known(encodings, few)[0], known(table_of_few, few)[0]
    assert one.backbone.digest != other.backbone.digest
    assert one.tokens.shape == other.tokens.shape
    assert not np.allclose(one.tokens, other.tokens, atol=1e-4)
    model = quick(few, max_epochs=1).fit(encodings, few.y)
    require_probabilities(model.predict_proba(encodings), len(encodings))


def test_cross_fitting_encodes_training_rows_by_models_that_did_not_see_them(few):
    params = {"adapt": "full", "adapt_params": PHASE_ONE | {"n_folds": 2}}
    adapted = union_of(few, cross_fit=True, **params)
    unseen = known(adapted.fit_transform(few.X, few.y), few)
    seen = known(adapted.transform(few.X), few)
    assert len({cell.backbone.digest for cell in unseen + seen}) == 1
    assert not any(
        np.allclose(one.tokens, other.tokens, atol=1e-4)
        for one, other in zip(unseen, seen, strict=True)
    )
    model = quick(few, max_epochs=1).fit(adapted.transform(few.X), few.y)
    require_probabilities(model.predict_proba(adapted.transform(few.X)), len(few.X))


def test_a_fitted_head_leaves_tokens_and_digest(cohort, table, union):
    adapted = union_of(cohort, adapt="head", adapt_params=PHASE_ONE)
    encodings = adapted.fit_transform(cohort.X, cohort.y)
    assert extractor_in(adapted, cohort).backbone_ == extractor_in(union, cohort).backbone_
    assert extractor_in(adapted, cohort).adaptation_.coef.shape[0] == 2
    first, second = (known(each, cohort)[0] for each in (table, encodings))
    np.testing.assert_array_equal(first.tokens, second.tokens)
