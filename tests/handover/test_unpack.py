"""Nodes that somebody has written by hand."""

import json
import pickle

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

import adestim
from adestim.backbone import loading
from adestim.exceptions import InputError, SavedModelError
from adestim.handover.folder import ARRAYS
from adestim.handover.trust import Trust
from adestim.handover.unpack import Unpacker
from tests.extraction.test_moved_weights import KINDS
from tests.extraction.test_moved_weights import fitted as fitted_to_weights
from tests.extraction.test_moved_weights import table as table_of_images
from tests.fusion_tables import numeric_table
from tests.handover.saved import bytes_of, node_of, rewrite, rewrite_nodes
from tests.kept_nets import fit_kept, nets_kept, paper
from tests.toy_backbone import ToyExtractor, ToyViT, write_weights

MINE = (ToyExtractor, ToyViT)


class Alarm:
    """Rings when it is unpickled."""

    rung = False

    def __reduce__(self):
        return ring, ()


def ring():
    Alarm.rung = True
    return {}


def unpack_nodes(*nodes):
    return Unpacker(nodes, {}, Trust()).unpack({"at": 0})


def test_skorch_is_not_asked_to_unpickle(tmp_path):
    X, y = numeric_table(40)
    folder = adestim.save(fit_kept(paper(anchor="mri"), X, y), tmp_path / "model")
    hidden = np.frombuffer(pickle.dumps(Alarm()), dtype=np.uint8)

    def change(nodes):
        state = node_of(nodes, "FusionNet")["state"]["at"]
        nodes.append({"kind": "bytes", "array": "hidden"})
        nodes[state]["pairs"].append(["__cuda_dependent_attributes__", {"at": len(nodes) - 1}])

    def add_array(content):
        from safetensors.numpy import load, save

        return save({**load(content), "hidden": hidden})

    rewrite(folder, ARRAYS, add_array)
    rewrite_nodes(folder, change)
    adestim.load(folder)
    assert not Alarm.rung


def test_a_tree_that_leads_outside_is_refused(tmp_path):
    tree = DecisionTreeClassifier(max_depth=2, random_state=0).fit(np.eye(6), np.arange(6) % 3)
    folder = adestim.save(tree, tmp_path / "model")
    nodes = json.loads((folder / "structure.json").read_text())
    record = next(node for node in nodes if node.get("dtype") and "left_child" in str(node))

    def lead_outside(content):
        from safetensors.numpy import load, save

        arrays = load(content)
        steps = arrays[record["array"]].copy()
        steps[:8] = np.frombuffer(np.int64(10**6).tobytes(), dtype=np.uint8)
        return save({**arrays, record["array"]: steps})

    rewrite(folder, ARRAYS, lead_outside)
    with pytest.raises(SavedModelError, match="A tree's nodes lead to later ones"):
        adestim.load(folder)


def test_a_circle_of_tuples_is_refused():
    with pytest.raises(SavedModelError, match="can be made one after another"):
        unpack_nodes(
            {"kind": "tuple", "items": [{"at": 1}]}, {"kind": "tuple", "items": [{"at": 0}]}
        )


def test_a_generator_of_others_is_refused():
    state = [["bit_generator", "seed"]]
    with pytest.raises(SavedModelError, match="Random numbers are numpy's"):
        unpack_nodes({"kind": "generator", "state": {"at": 1}}, {"kind": "dict", "pairs": state})


def test_a_word_of_torch_is_a_type():
    with pytest.raises(SavedModelError, match="A data type of torch is one"):
        unpack_nodes({"kind": "torch dtype", "word": "load"})


@pytest.mark.parametrize("word", ["trust_remote_code", "trust_checkpoint"])
def test_code_beside_weights_is_not_asked_for(word):
    node = {"kind": "dict", "pairs": [[word, True]]}
    with pytest.raises(SavedModelError, match=rf"trusted=\['{word}'\]"):
        unpack_nodes(node)
    assert Unpacker([node], {}, Trust(word)).unpack({"at": 0}) == {word: True}
    assert unpack_nodes({"kind": "dict", "pairs": [[word, False]]}) == {word: False}


# Weights that are not in the folder


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A file of weights that is found by its digest alone, every time anew."""
    monkeypatch.setattr(loading, "_LOADED", {})
    (tmp_path / "shelf").mkdir()
    return write_weights(tmp_path / "shelf" / "toy.pt", seed=7)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_found_by_their_digest(kind, weights, tmp_path, monkeypatch):
    model, X = fitted_to_weights(weights, **KINDS[kind]), table_of_images()[0]
    said = model.predict_proba(X)
    folder = adestim.save(model, tmp_path / "model", trusted=MINE)
    assert str(tmp_path).encode() not in bytes_of(folder)
    weights.rename(tmp_path / "toy.pt")
    monkeypatch.setenv("ADESTIM_WEIGHTS", str(tmp_path))
    loading._LOADED.clear()
    assert np.array_equal(adestim.load(folder, trusted=MINE).predict_proba(X), said)


def test_a_model_is_loaded_before_its_weights_are_found(weights, tmp_path, monkeypatch):
    monkeypatch.delenv("ADESTIM_WEIGHTS", raising=False)
    with nets_kept():
        model = fitted_to_weights(weights, fusion={"lora_rank": 2, "members": ()})
    folder = adestim.save(model, tmp_path / "model", trusted=MINE)
    weights.unlink()
    loading._LOADED.clear()
    loaded = adestim.load(folder, trusted=MINE)
    with pytest.raises(InputError, match="must be those that fit saw"):
        loaded.predict_proba(table_of_images()[0])


def test_weights_are_named_in_the_manifest(weights, tmp_path):
    folder = adestim.save(fitted_to_weights(weights), tmp_path / "model", trusted=MINE)
    named = json.loads((folder / "adestim.json").read_text())["backbones"]
    assert named == [{"name": "toy", "sha256": ToyViT.digest(weights)}]


def test_the_class_of_a_model_must_be_trusted(weights, tmp_path):
    folder = adestim.save(fitted_to_weights(weights), tmp_path / "model", trusted=MINE)
    with pytest.raises(SavedModelError, match=r"Got tests\.toy_backbone\.Toy"):
        adestim.load(folder, trusted=MINE[:1])
