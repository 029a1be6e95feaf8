"""Saved models: the same to the last bit, whole or not at all, and nobody's data in them."""

import json
import shutil

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import OneHotEncoder

import adestim
from adestim import ClinicalExtractor
from adestim.encoding import Encoding
from adestim.exceptions import DataWarning, SavedModelError, VersionWarning
from adestim.handover.folder import ARRAYS, CARD, MANIFEST, STRUCTURE
from adestim.tuning import AdestimSearchCV
from tests.fusion_tables import numeric_table
from tests.handover.saved import (
    FREQUENT,
    RARE,
    SUBJECT,
    bytes_of,
    clinic,
    fitted,
    node_of,
    outputs_of,
    rewrite,
    rewrite_nodes,
    small,
    union,
)
from tests.kept_nets import fit_kept, nets_kept, paper
from tests.test_scikit_learn import ROWS
from tests.toy_backbone import ToyExtractor, ToyViT, toy_cells, write_weights

OF_TESTS = [
    "tests.number_rows.NumbersAsYears",
    *(
        f"tests.number_rows.RowsAs{what}"
        for what in (
            "Dosages",
            "Regions",
            "Series",
            "Uptake",
            "Visits",
            "Volumes",
        )
    ),
]
READ_CELLS = {"smri", "fmri", "genetics", "freesurfer", "pet"}
MESSAGES = "ignore::adestim.exceptions.AdestimWarning"


@pytest.fixture
def folder(tmp_path):
    return adestim.save(small()[0], tmp_path / "model")


# The same model


@pytest.mark.filterwarnings(MESSAGES)
@pytest.mark.parametrize("name", sorted(ROWS.keys() - READ_CELLS))
def test_every_estimator_says_the_same_to_the_last_bit(name, tmp_path):
    X, y = np.random.default_rng(0).normal(size=(40, 4)), np.arange(40) % 2
    with nets_kept():
        model = clone(ROWS[name].estimator).fit(X, y)
    adestim.save(model, tmp_path / "model", trusted=OF_TESTS)
    loaded = adestim.load(tmp_path / "model", trusted=OF_TESTS)
    assert outputs_of(loaded, X) == outputs_of(model, X)


def test_a_pipeline_says_the_same_wherever_its_folder_lies(tmp_path):
    model, later = fitted()
    adestim.save(model, tmp_path / "a" / "model")
    shutil.move(tmp_path / "a" / "model", tmp_path / "elsewhere")
    assert outputs_of(adestim.load(tmp_path / "elsewhere"), later) == outputs_of(model, later)


def test_nets_of_anchors_are_the_same(tmp_path):
    X, y = numeric_table(40)
    model = fit_kept(paper(anchor="all"), X, y)
    loaded = adestim.load(adestim.save(model, tmp_path / "model"))
    assert set(loaded.nets_) == {"mri", "csf", "gene"}
    assert outputs_of(loaded, X) == outputs_of(model, X)


def test_a_table_of_encodings_is_subjects_data_and_stays_so(tmp_path):
    table, _ = clinic(8)
    encodings = union().fit_transform(table)
    loaded = adestim.load(adestim.save(encodings, tmp_path / "encodings"))
    assert list(loaded.index) == list(table.index)
    for own, other in zip(loaded.to_numpy().ravel(), encodings.to_numpy().ravel(), strict=True):
        assert (own is None) == (other is None)
        assert own is None or np.array_equal(own.tokens, other.tokens)
    assert "data of subjects" in (tmp_path / "encodings" / CARD).read_text()


def test_encodings_that_lie_in_a_store_need_it_no_more(tmp_path):
    weights = write_weights(tmp_path / "toy.pt")
    cells = toy_cells(6)[0]
    extractor = ToyExtractor(weights, memory=tmp_path / "store")
    encodings = extractor.fit(cells).transform(cells)
    tokens = [cell.tokens for cell in encodings["img"]]
    folder = adestim.save(encodings, tmp_path / "encodings")
    shutil.rmtree(tmp_path / "store")
    loaded = adestim.load(folder, trusted=[ToyViT])
    assert all(map(np.array_equal, tokens, [cell.tokens for cell in loaded["img"]]))
    assert str(tmp_path).encode() not in bytes_of(folder)


def test_one_encoding_is_loaded_as_it_was(tmp_path):
    encoding = ClinicalExtractor().fit_transform(clinic(8)[0][["age"]]).iloc[0, 0]
    loaded = adestim.load(adestim.save(encoding, tmp_path / "one"))
    assert isinstance(loaded, Encoding)
    assert np.array_equal(loaded.tokens, encoding.tokens)


def test_a_folder_is_a_few_kilobytes(tmp_path):
    folder = adestim.save(fitted()[0], tmp_path / "model")
    assert sum(path.stat().st_size for path in folder.iterdir()) < 200_000


def test_versions_and_classes_are_told(folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["class"] == "adestim.fusion.late.LateFusionClassifier"
    assert manifest["packages"]["numpy"] == np.__version__
    assert manifest["adestim"] == adestim.__version__


# Whose data are not in it


def test_no_name_of_a_subject_a_rare_category_or_a_folder_is_in_it(tmp_path):
    table, y = clinic()
    secret = tmp_path / "secret-project"
    model = union(memory=str(secret / "store")).fit(table, y)
    model.transformers[0][1].weights = secret / "weights.pt"
    content = bytes_of(adestim.save(model, tmp_path / "model"))
    for word in (SUBJECT, RARE, "secret-project", str(tmp_path)):
        assert word.encode() not in content
    for word in ("history", FREQUENT, "weights.pt"):
        assert word.encode() in content


def test_a_rare_category_is_read_as_one_that_was_never_seen(tmp_path):
    model, later = fitted()
    loaded = adestim.load(adestim.save(model, tmp_path / "model"))
    of_the_rare = later.iloc[:3].assign(history=RARE)
    with pytest.warns(DataWarning, match="holds a category not seen in fit"):
        said = loaded.predict_proba(of_the_rare)
    with pytest.warns(DataWarning, match="holds a category not seen in fit"):
        assert np.array_equal(said, loaded.predict_proba(of_the_rare.assign(history="unheard of")))


def test_rare_categories_are_kept_where_asked_for(tmp_path):
    model, later = fitted()
    folder = adestim.save(model, tmp_path / "model", keep_rare=True)
    of_the_rare = later.iloc[:3].assign(history=RARE)
    assert outputs_of(adestim.load(folder), of_the_rare) == outputs_of(model, of_the_rare)


def test_an_extractor_and_a_fusion_that_are_saved_apart_fit_together(tmp_path):
    model, later = fitted()
    parts = [adestim.save(step, tmp_path / name) for name, step in model.steps]
    extractor, fusion = map(adestim.load, parts)
    said = fusion.predict_proba(extractor.transform(later))
    assert np.array_equal(said, model.predict_proba(later))


def test_where_genotypes_lie_is_told_by_the_file_alone(tmp_path):
    extractor = adestim.GeneticsExtractor(min_call_rate=0.1).fit(clinic()[0].iloc[:, 2:])
    extractor.genotypes = [str(tmp_path / "cohort.bed")]
    loaded = adestim.load(adestim.save(extractor, tmp_path / "model"))
    assert loaded.genotypes == ["cohort.bed"]


def test_a_table_of_subjects_among_parameters_is_emptied(tmp_path):
    people = clinic()[0][["age"]]
    X = people + 1.0
    model = adestim.evaluation.CovariateClassifier(people).fit(X, people["age"] > 70)
    folder = adestim.save(model, tmp_path / "model")
    assert SUBJECT.encode() not in bytes_of(folder)
    loaded = adestim.load(folder).set_params(covariates=people)
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_search_is_saved_without_its_study(tmp_path):
    X, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 2
    model = AdestimSearchCV(clone(ROWS["search"].estimator.estimator), n_trials=1, cv=2,
                            space=ROWS["search"].estimator.space, random_state=0)  # fmt: skip
    loaded = adestim.load(adestim.save(model.fit(X, y), tmp_path / "model"))
    assert loaded.tuned_.study is None
    assert loaded.best_params_ == model.best_params_


def test_a_member_that_keeps_rows_is_refused(tmp_path):
    X, y = np.zeros((8, 1)), np.arange(8) % 2
    model = adestim.PatternCalibratedClassifier(KNeighborsClassifier(2), cv=2).fit(X, y)
    with pytest.raises(SavedModelError, match=r"no row of a training subject\. Got sklearn\.neigh"):
        adestim.save(model, tmp_path / "model")


def test_what_was_said_of_training_rows_is_left_out(tmp_path):
    X, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 2
    forest = RandomForestClassifier(20, oob_score=True, random_state=0).fit(X, y)
    loaded = adestim.load(adestim.save(forest, tmp_path / "model"))
    assert loaded.oob_decision_function_ is None
    assert outputs_of(loaded, X) == outputs_of(forest, X)


def test_an_encoder_of_words_that_nobody_counted_is_refused_and_kept_on_request(tmp_path):
    encoder = OneHotEncoder().fit(np.array([["a"], ["b"]], dtype=object))
    with pytest.raises(SavedModelError, match="does not count the people"):
        adestim.save(encoder, tmp_path / "model")
    loaded = adestim.load(adestim.save(encoder, tmp_path / "model", keep_rare=True))
    assert list(loaded.categories_[0]) == ["a", "b"]


# Places


def test_a_taken_folder_is_refused(folder):
    with pytest.raises(SavedModelError, match=r"must be free.*Pass overwrite=True"):
        adestim.save(small()[0], folder)


def test_a_saved_model_is_replaced_where_asked_for(folder):
    (folder / CARD).write_text("mine")
    adestim.save(small()[0], folder, overwrite=True)
    assert (folder / CARD).read_text() != "mine"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_folder_with_other_things_is_never_replaced(folder):
    (folder / "thesis.tex").write_text("ten years")
    with pytest.raises(SavedModelError, match="other things in it"):
        adestim.save(small()[0], folder, overwrite=True)
    assert (folder / "thesis.tex").exists()


def test_a_save_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr("adestim.handover.folder.give_place", fail)
    with pytest.raises(OSError, match="disk full"):
        adestim.save(small()[0], tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_the_card_is_the_users_and_may_be_edited(tmp_path):
    folder = adestim.save(small()[0], tmp_path / "model", card="# Ours\n")
    assert (folder / CARD).read_text() == "# Ours\n"
    (folder / CARD).write_text("# Ours, edited\n")
    adestim.load(folder)


def test_what_is_not_fitted_is_refused(tmp_path):
    with pytest.raises(SavedModelError, match="Got a Pipeline that is not"):
        adestim.save(clone(fitted()[0]), tmp_path / "model")


def test_what_is_no_estimator_is_refused(tmp_path):
    with pytest.raises(SavedModelError, match="Got a list"):
        adestim.save([1], tmp_path / "model")


# Damage and strangers


@pytest.mark.parametrize("name", [STRUCTURE, ARRAYS])
def test_a_damaged_file_is_refused(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(SavedModelError, match=f"{name} with another SHA-256"):
        adestim.load(folder)


def test_a_missing_file_is_refused(folder):
    (folder / ARRAYS).unlink()
    with pytest.raises(SavedModelError, match=f"Got no {ARRAYS}"):
        adestim.load(folder)


def test_a_folder_of_others_is_refused(tmp_path):
    joblib.dump(1, tmp_path / "model.joblib")
    with pytest.raises(SavedModelError, match=r"that adestim\.save has written"):
        adestim.load(tmp_path)
    with pytest.raises(SavedModelError, match="no such folder"):
        adestim.load(tmp_path / "nowhere")


def change_manifest(folder, **changes):
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_newer_format_is_refused(folder):
    change_manifest(folder, format_version=99, adestim="9.0")
    with pytest.raises(SavedModelError, match=r"Got format 99, written by adestim 9\.0\. Update"):
        adestim.load(folder)


def test_another_version_is_told(folder):
    def change(nodes):
        for node in nodes:
            if ["_adestim_version", adestim.__version__] in node.get("pairs", []):
                node["pairs"].remove(["_adestim_version", adestim.__version__])
                node["pairs"].append(["_adestim_version", "0.0.1"])

    rewrite_nodes(folder, change)
    with pytest.warns(VersionWarning, match=r"was written by adestim 0\.0\.1"):
        adestim.load(folder)


# Hostile folders


def test_a_path_out_of_the_folder_is_refused(folder):
    (folder.parent / "outside.json").write_bytes((folder / STRUCTURE).read_bytes())
    manifest = json.loads((folder / MANIFEST).read_text())
    files = {"../outside.json": manifest["files"][STRUCTURE], ARRAYS: manifest["files"][ARRAYS]}
    change_manifest(folder, files=files)
    with pytest.raises(SavedModelError, match=f"another {MANIFEST}"):
        adestim.load(folder)


@pytest.mark.parametrize(
    "name", ["os:system", "builtins:eval", "subprocess:Popen", "adestim.handover.hub:push_to_hub"]
)
def test_a_function_that_is_not_trusted_is_refused(folder, name):
    def change(nodes):
        node = node_of(nodes, "LateFusionClassifier")
        node.clear()
        node |= {"kind": "object", "call": name, "args": ["true"]}

    rewrite_nodes(folder, change)
    with pytest.raises(
        SavedModelError, match=r"Nothing in a saved model is called|trusted by name"
    ):
        adestim.load(folder)


def test_a_class_that_is_not_trusted_is_never_imported(folder, tmp_path, monkeypatch):
    (tmp_path / "hostile_module.py").write_text("raise SystemExit\n")
    monkeypatch.syspath_prepend(tmp_path)
    rewrite_nodes(
        folder,
        lambda nodes: node_of(nodes, "LateFusionClassifier").update(type="hostile_module:Model"),
    )
    with pytest.raises(SavedModelError, match=r"Got hostile_module\.Model.*trusted=\['hostile"):
        adestim.load(folder)


def test_an_estimator_of_compiled_code_that_believes_its_file_is_refused(tmp_path):
    X, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 2
    model = HistGradientBoostingClassifier(max_iter=2).fit(X, y)
    with pytest.raises(SavedModelError, match=r"trusted=\['sklearn\.ensemble\._hist"):
        adestim.save(model, tmp_path / "model")


@pytest.mark.parametrize(
    "node",
    [
        {"kind": "list"},
        {"kind": "magic"},
        {},
        {"kind": "list", "items": [{"at": 0}, {"at": 10**6}]},
    ],
)
def test_nodes_that_make_no_sense_are_refused(folder, node):
    rewrite_nodes(folder, lambda nodes: (nodes[0].clear(), nodes[0].update(node)))
    with pytest.raises(SavedModelError):
        adestim.load(folder)


def test_text_that_is_no_json_is_refused(folder):
    rewrite(folder, STRUCTURE, lambda content: content[:-5])
    with pytest.raises(SavedModelError, match="nodes that cannot be read"):
        adestim.load(folder)
