"""Models on a hub: there, back at a commit, offline, and refused with the remedy."""

import pickle

import numpy as np
import pytest

import adestim
from adestim.exceptions import AdestimWarning, SavedModelError
from adestim.handover.folder import ARRAYS, CARD, MANIFEST, STRUCTURE
from tests.handover.hub_server import serve_hub
from tests.handover.saved import clinic, outputs_of, small, union

REPO = "clinic/memory"


@pytest.fixture
def hub():
    with serve_hub() as (address, repositories):
        yield address, repositories


@pytest.fixture
def place(hub, tmp_path):
    """Where models are looked for, and kept."""
    return {"endpoint": hub[0], "token": False, "cache_dir": tmp_path / "cache"}


def pushed(hub, model=None, **settings):
    model = small()[0] if model is None else model
    return adestim.push_to_hub(model, REPO, endpoint=hub[0], token="hf_test", **settings)


def test_a_model_comes_back_from_its_commit(hub, place):
    model, X = small()
    commit = pushed(hub)
    loaded = adestim.from_pretrained(REPO, revision=commit, **place)
    assert outputs_of(loaded, X) == outputs_of(model, X)
    assert set(hub[1].commits[REPO, commit]) == {MANIFEST, STRUCTURE, ARRAYS, CARD}


def test_a_new_repository_is_private_unless_it_is_said_otherwise(hub):
    pushed(hub)
    pushed(hub, private=False)
    assert [asked.get("private", asked.get("visibility")) for asked in hub[1].created] in (
        [True, False],
        ["private", "public"],
    )


def test_its_card_says_how_to_load_it(hub):
    card = hub[1].commits[REPO, pushed(hub)][CARD].decode()
    assert f'adestim.from_pretrained("{REPO}", revision="commit")' in card


def test_what_is_no_commit_is_said_to_change(hub, place):
    commit = pushed(hub)
    with pytest.warns(AdestimWarning, match=f"may change: this is its commit {commit}"):
        adestim.from_pretrained(REPO, **place)


def test_a_commit_stays_what_it_was(hub, place):
    first, X = small()
    commit = pushed(hub)
    pushed(hub, adestim.LateFusionClassifier().fit(X, X[:, 1] > 0))
    loaded = adestim.from_pretrained(REPO, revision=commit, **place)
    assert outputs_of(loaded, X) == outputs_of(first, X)


def test_what_was_loaded_once_is_there_without_a_network(hub, place):
    commit = pushed(hub)
    adestim.from_pretrained(REPO, revision=commit, **place)
    hub[1].asked.clear()
    adestim.from_pretrained(REPO, revision=commit, local_files_only=True, **place)
    assert hub[1].asked == []


def test_offline_nothing_is_asked_of_the_hub(hub, place, monkeypatch):
    commit = pushed(hub)
    adestim.from_pretrained(REPO, revision=commit, **place)
    hub[1].asked.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    adestim.from_pretrained(REPO, revision=commit, **place)
    elsewhere = {**place, "cache_dir": place["cache_dir"] / "empty"}
    with pytest.raises(SavedModelError, match="Load it once with a network"):
        adestim.from_pretrained(REPO, revision=commit, **elsewhere)
    assert hub[1].asked == []


def test_other_files_of_a_repository_are_left_there(hub, place):
    commit = pushed(hub)
    hub[1].commits[REPO, commit]["model.pkl"] = pickle.dumps(print)
    adestim.from_pretrained(REPO, revision=commit, **place)
    assert not list(place["cache_dir"].rglob("model.pkl"))


def test_a_repository_that_is_not_there_is_told_by_name(hub, place):
    with pytest.raises(SavedModelError, match=r"take, clinic/memory.*RepositoryNotFoundError"):
        adestim.from_pretrained(REPO, **place)


def test_a_commit_that_is_not_there_is_told(hub, place):
    pushed(hub)
    with pytest.raises(SavedModelError, match="Look which revisions there are"):
        adestim.from_pretrained(REPO, revision="v9", **place)


def test_a_name_that_is_none_is_refused(place):
    with pytest.raises(SavedModelError, match="Write 'organisation/name'"):
        adestim.from_pretrained("not a name!", **place)


def test_a_damaged_download_is_refused(hub, place):
    commit = pushed(hub)
    content = hub[1].commits[REPO, commit][ARRAYS]
    hub[1].commits[REPO, commit][ARRAYS] = content[:-1] + bytes([content[-1] ^ 1])
    with pytest.raises(SavedModelError, match=f"{ARRAYS} with another SHA-256"):
        adestim.from_pretrained(REPO, revision=commit, **place)


def test_subjects_data_do_not_go_there(hub):
    with pytest.raises(SavedModelError, match="no data of subjects"):
        pushed(hub, union().fit_transform(clinic(8)[0]))
    assert hub[1].created == []


def test_a_hub_that_cannot_be_reached_is_told(tmp_path):
    place = {"endpoint": "http://127.0.0.1:9", "token": False, "cache_dir": tmp_path}
    with pytest.raises(SavedModelError, match=r"The hub must have, or take"):
        adestim.from_pretrained(REPO, revision="main", **place)


def test_names_of_rare_categories_are_not_sent(hub):
    table, y = clinic()
    commit = pushed(hub, union().fit(table, np.asarray(y)))
    sent = b"".join(hub[1].commits[REPO, commit].values())
    assert b"Ziegenhals" not in sent
    assert b"participant-" not in sent
