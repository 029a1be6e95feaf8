"""From columns of a clinical table to the tokens of a language model."""

import pickle
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from adestim import ModalityUnion, PoolTokens
from adestim.exceptions import (
    CheckpointError,
    DataWarning,
    InputError,
    LeakageWarning,
    MissingDependencyError,
    SubjectsError,
    TableError,
)
from adestim.modalities.clinical import ClinicalExtractor, RecordTemplate
from adestim.modalities.clinical.models.language_files import read_tokenizer
from tests.modalities.clinical.language_folders import WORDS, small_folder

NOTES = ["forgets names of friends", "tremor of the right hand", "sleeps badly since last year"]


@pytest.fixture(scope="module")
def folder(bert_folder):
    return str(bert_folder)


@pytest.fixture
def frame():
    return pd.DataFrame(
        {"age": [71.0, 62.0, np.nan], "sex": ["F", "M", None], "education": [16, None, np.nan]},
        index=["s1", "s2", "s3"],
    )


def extractor_of(folder, **params):
    params.setdefault("backbone_params", {"reserve": 8})
    return ClinicalExtractor(backbone=folder, **params)


def words(encoding):
    return " ".join(WORDS[number] for number in encoding.inputs)


def pooled(encodings):
    """Return the mean of every subject's tokens, scaled to length 1."""
    means = np.stack([cell.tokens.mean(axis=0) for cell in encodings["clinical"]])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def test_a_table_becomes_tokens_of_its_sentences(folder, frame):
    encodings = extractor_of(folder).fit_transform(frame.iloc[:2])
    assert list(encodings.columns) == ["clinical"]
    one, two = encodings["clinical"]
    assert words(one).startswith("[CLS] the patient's age is 71 [UNK] the patient's sex is [UNK]")
    assert one.tokens.shape == (len(one.inputs), 16)
    assert one.tokens.dtype == np.float32
    assert "not" in words(two)
    assert one.mask is None


def test_a_subject_without_a_single_cell_is_none(folder, frame):
    column = extractor_of(folder).fit_transform(frame)["clinical"]
    assert column.isna().tolist() == [False, False, True]


def test_a_subject_without_a_value_that_is_used_is_none(folder, frame):
    table = frame.assign(mmse=20.0)
    column = extractor_of(folder, diagnostic="exclude").fit_transform(table)["clinical"]
    assert column.isna().tolist() == [False, False, True]


def test_diagnostic_columns_are_guarded_alike(folder, frame):
    table = frame.iloc[:2].assign(mmse=[29.0, 20.0])
    with pytest.warns(LeakageWarning, match="'mmse'"):
        extractor_of(folder).fit(table)
    excluded = extractor_of(folder, diagnostic="exclude").fit_transform(table)
    allowed = extractor_of(folder, diagnostic="allow").fit_transform(table)
    assert "score" not in words(excluded.iloc[0, 0])
    assert "score" in words(allowed.iloc[0, 0])


def test_free_text_is_read_only_where_it_is_named(folder, frame):
    table = frame.assign(note=NOTES)
    extractor = extractor_of(folder)
    with pytest.warns(DataWarning, match="'note' holds free text.*left out"):
        extractor.fit(table)
    assert [column.name for column in extractor.columns_] == ["age", "sex", "education"]
    named = extractor_of(folder, text=["note"]).fit_transform(table)
    assert "forgets names" in words(named.iloc[0, 0])


def test_free_text_alone_must_be_named(folder):
    with pytest.raises(TableError, match=r"free text alone.*Name it in text="):
        extractor_of(folder).fit(pd.DataFrame({"note": NOTES}))


def test_the_template_decides_the_words_and_is_part_of_the_name_tag(folder, frame):
    tags = []
    for opening in ("age", "sex"):
        template = RecordTemplate(opening=opening, missing="omit")
        extractor = extractor_of(folder, backbone_params={"template": template, "reserve": 8})
        encodings = extractor.fit_transform(frame)
        assert words(encodings.iloc[0, 0]).startswith(f"[CLS] {opening} the patient's")
        tags.append(extractor.backbone_)
    assert tags[0] != tags[1]
    assert hash(tags[0]) != hash(tags[1])


@pytest.mark.parametrize("params", [{"pooling": "cls"}, {"reserve": 9}, {"normalize": True}])
def test_every_option_that_matters_is_part_of_the_name_tag(folder, frame, params):
    plain = extractor_of(folder).fit(frame).backbone_
    other = extractor_of(folder, backbone_params={"reserve": 8, **params}).fit(frame).backbone_
    assert plain != other


def test_where_the_folder_lies_is_no_part_of_the_name_tag(folder, frame, tmp_path):
    again = str(small_folder(tmp_path, "bert"))
    tags = [extractor_of(place).fit(frame).backbone_ for place in (folder, again)]
    assert tags[0] == tags[1]
    assert tags[0].source("weights") != tags[1].source("weights")


def test_batches_do_not_matter(folder, frame):
    table = pd.concat([frame] * 3, ignore_index=True)
    one = extractor_of(folder, batch_size=1).fit_transform(table)["clinical"]
    many = extractor_of(folder, batch_size=4).fit_transform(table)["clinical"]
    for first, second in zip(one.dropna(), many.dropna(), strict=True):
        np.testing.assert_allclose(first.tokens, second.tokens, atol=1e-5)


def test_the_preparation_is_small_and_survives_pickling(folder, frame):
    preparation = extractor_of(folder).fit(frame)._preparation()
    stored = pickle.dumps(preparation)
    assert len(stored) < 5000
    cells = (71.0, "F", 16)
    np.testing.assert_array_equal(pickle.loads(stored)(cells).inputs, preparation(cells).inputs)


def test_long_records_name_their_subjects(folder, frame):
    extractor = extractor_of(folder, backbone_params={"reserve": 80})
    with pytest.raises(SubjectsError, match=r"2 subject.*'s1'.*16 tokens.*'s2'"):
        extractor.fit(frame).transform(frame)


def test_long_records_are_missing_or_cut_when_asked_for(folder, frame):
    lenient = extractor_of(folder, backbone_params={"reserve": 80}, errors="missing")
    with pytest.warns(DataWarning, match="2 subject"):
        assert lenient.fit_transform(frame)["clinical"].isna().all()
    params = {"reserve": 80, "too_long": "truncate"}
    with pytest.warns(DataWarning, match=r"2 record\(s\) of more than 16 tokens were cut.*'s1'"):
        encodings = extractor_of(folder, backbone_params=params).fit_transform(frame.iloc[:2])
    assert [cell.n_tokens for cell in encodings["clinical"]] == [16, 16]


def test_infinite_numbers_are_refused_by_subject(folder, frame):
    bad = frame.replace(62.0, np.inf)
    with pytest.raises(TableError, match="Subject 's2': Column 'age' must hold finite numbers"):
        extractor_of(folder).fit(bad).transform(bad)


def test_templates_of_other_columns_are_refused_in_fit(folder, frame):
    params = {"template": {"weight": "Weight {value}"}, "reserve": 8}
    with pytest.raises(InputError, match="'weight', absent from it"):
        extractor_of(folder, backbone_params=params).fit(frame)


def test_an_absent_package_and_an_absent_tokenizer_are_told_in_fit(folder, frame, monkeypatch):
    extractor = extractor_of(folder, errors="missing")
    with monkeypatch.context() as patch:
        patch.setattr("adestim.modalities.clinical.models.language_files.VOCABULARIES", ())
        read_tokenizer.cache_clear()
        with pytest.raises(CheckpointError, match="must hold its tokenizer"):
            extractor.fit(frame)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'adestim\[foundation\]'"):
        extractor.fit(frame)


def test_it_survives_cloning_and_pickling(folder, frame):
    extractor = clone(extractor_of(folder, backbone_params={"reserve": 8, "template": {}}))
    encodings = extractor.fit_transform(frame)
    stored = pickle.dumps(extractor)
    assert len(stored) < 10_000
    again = pickle.loads(stored).transform(frame)
    np.testing.assert_array_equal(again.iloc[0, 0].tokens, encodings.iloc[0, 0].tokens)


def test_a_registered_model_of_ones_own_reads_records(frame, monkeypatch):
    from adestim.backbone.registry import _CARDS, BackboneCard
    from tests.modalities.clinical import own_model

    card = BackboneCard("own-model", "clinical", own_model.AgeModel)
    monkeypatch.setitem(_CARDS, card.name, card)
    extractor = ClinicalExtractor(backbone="own-model", weights=own_model.__file__)
    encodings = extractor.fit_transform(frame[["age"]])
    assert [cell.tokens.item() for cell in encodings["clinical"].dropna()] == [71, 62]


def test_a_pretrained_encoder_finds_like_patients_alike(sentence_encoder):
    table = pd.DataFrame(
        {"age": [71, 72, 45], "sex": ["female", "female", "male"], "education": [16, 16, 8],
         "family_history": ["yes", "yes", "no"]},
    )  # fmt: skip
    one = ClinicalExtractor(backbone="all-minilm-l6-v2", weights=sentence_encoder)
    vectors = pooled(one.fit_transform(table))
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    sentence = "{label} = {value};"
    worded = clone(one).set_params(backbone_params={"template": RecordTemplate(sentence=sentence)})
    assert vectors[0] @ vectors[1] > vectors[0] @ pooled(worded.fit_transform(table))[0]


def test_a_pretrained_encoder_stands_in_a_union_and_cross_validates(sentence_encoder):
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 6)
    table = pd.DataFrame({"age": 60 + 15 * y + rng.integers(0, 5, 12), "sex": ["F", "M", "F"] * 4})
    extractor = ClinicalExtractor(backbone=str(sentence_encoder), batch_size=12)
    model = make_pipeline(
        ModalityUnion([("clinical", extractor, ["age", "sex"])]),
        PoolTokens(),
        LogisticRegression(C=100),
    )
    predicted = cross_val_predict(model, table, y, cv=2)
    assert (predicted == y).mean() > 0.7


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("embeddings.LayerNorm.weight"), "1 missing: embeddings.LayerNorm"),
        (
            lambda state: state.update({"encoder.layer.0.output.dense.bias": torch.ones(3)}),
            r"other shapes than its config\.json says",
        ),
        (lambda state: state.update({"strange.weight": torch.ones(3)}), "unexpected: strange"),
    ],
)
def test_weights_of_another_model_are_refused_in_fit(tmp_path, change, words):
    folder = small_folder(tmp_path / "model", "bert")
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=words):
        ClinicalExtractor(backbone=str(folder), device="cpu").fit(pd.DataFrame({"age": [70.0]}))
