"""Splits published without a name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from adestim.datasets import (
    new_salt,
    read_manifest,
    split_manifest,
    splits_from_manifest,
    verify_manifest,
)
from adestim.exceptions import InputError, LeakageError, TableError

SALT = "a salt for tests alone"
SUBJECTS = [f"002_S_{number:04d}" for number in range(20)]
SPLITS = list(KFold(4, shuffle=True, random_state=0).split(SUBJECTS))


@pytest.fixture
def manifest():
    return split_manifest(SPLITS, SUBJECTS, salt=SALT)


def test_a_digest_is_the_hmac_of_the_identifier():
    # By `printf 'adestim split manifest 1\0s1' | openssl dgst -sha256 -hmac '<salt>'`.
    manifest = split_manifest([([0], [1])], ["s1", "s2"], salt=SALT)
    expected = "d21cab88ba9c27297e719a384e6eafe362b9b1bcbf5d5ddfe41e0abc8eb730b6"
    assert manifest.loc[manifest["side"] == "train", "digest"].tolist() == [expected]


def test_nothing_of_an_identifier_is_in_it(manifest):
    text = manifest.to_csv()
    assert not any(subject in text for subject in SUBJECTS)
    assert manifest["digest"].str.fullmatch("[0-9a-f]{64}").all()


def test_order_says_nothing(manifest):
    order = np.random.default_rng(0).permutation(20)
    place = np.argsort(order)
    moved = [(place[train], place[test]) for train, test in SPLITS]
    again = split_manifest(moved, [SUBJECTS[row] for row in order], salt=SALT)
    assert again.equals(manifest)


def test_another_salt_shares_no_digest(manifest):
    other = split_manifest(SPLITS, SUBJECTS, salt=SALT + "!")
    assert not set(manifest["digest"]) & set(other["digest"])


@settings(max_examples=20)
@given(st.permutations(range(20)))
def test_splits_come_back_whatever_the_order_of_the_table(order):
    subjects = [SUBJECTS[row] for row in order]
    found = splits_from_manifest(split_manifest(SPLITS, SUBJECTS, salt=SALT), subjects, salt=SALT)
    for before, after in zip(SPLITS, found, strict=True):
        for theirs, ours in zip(before, after, strict=True):
            assert {SUBJECTS[row] for row in theirs} == {subjects[row] for row in ours}


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_it_survives_a_file(manifest, tmp_path, suffix):
    path = tmp_path / f"splits.{suffix}"
    if suffix == "csv":
        manifest.to_csv(path, index=False)
    else:
        manifest.to_json(path, orient="records")
    again = read_manifest(path)
    assert again.to_dict("list") == manifest.to_dict("list")
    assert verify_manifest(again, SPLITS, SUBJECTS, salt=SALT)["agrees"].all()


@pytest.mark.parametrize("suffix", ["csv", "json"])
@pytest.mark.parametrize(
    "content", [None, b"", b"{", b"[1]", b"\xff\x00", b"fold,side\n0,test\n", b"null"]
)
def test_file_that_is_no_manifest_is_refused(tmp_path, suffix, content):
    path = tmp_path / f"splits.{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError):
        read_manifest(path)


def test_other_splits_do_not_agree(manifest):
    other = list(KFold(4).split(SUBJECTS))
    found = verify_manifest(manifest, other, SUBJECTS, salt=SALT)
    assert not found["agrees"].any()
    assert (found["shared"] <= found["manifest"]).all()


def test_a_fold_that_is_missing_does_not_agree(manifest):
    found = verify_manifest(manifest, SPLITS[:3], SUBJECTS, salt=SALT)
    assert found.groupby("fold")["agrees"].all().tolist() == [True, True, True, False]


def test_rows_of_a_subject_count_once():
    twice = np.repeat(["s1", "s2"], 2)
    manifest = split_manifest([([0, 1], [2, 3])], twice, salt=SALT)
    assert len(manifest) == 2
    [(train, test)] = splits_from_manifest(manifest, twice, salt=SALT)
    assert (train.tolist(), test.tolist()) == ([0, 1], [2, 3])


def test_masks_are_positions(manifest):
    masks = [(np.isin(range(20), train), np.isin(range(20), test)) for train, test in SPLITS]
    assert split_manifest(masks, SUBJECTS, salt=SALT).equals(manifest)


def test_new_salts_differ():
    assert new_salt() != new_salt()


def test_a_subject_on_both_sides_is_refused():
    with pytest.raises(LeakageError, match="1 on both sides of fold 0: 's1'"):
        split_manifest([([0], [1])], ["s1", "s1"], salt=SALT)


@pytest.mark.parametrize(("salt", "got"), [("short", "5 characters"), (b"x" * 32, "bytes")])
def test_a_weak_salt_is_refused(salt, got):
    with pytest.raises(InputError, match=f"16 characters or more. Got {got}. Draw one by"):
        split_manifest(SPLITS, SUBJECTS, salt=salt)


@pytest.mark.parametrize("row", [20, -1])
def test_positions_beyond_the_table_are_refused(row):
    with pytest.raises(InputError, match=f"position {row} of 20 rows"):
        split_manifest([([0], [row])], SUBJECTS, salt=SALT)


def test_no_split_is_refused():
    with pytest.raises(InputError, match="one split or more"):
        split_manifest([], SUBJECTS, salt=SALT)


def test_another_table_is_no_manifest(manifest):
    with pytest.raises(TableError, match="A manifest has the columns 'fold', 'side', 'digest'"):
        splits_from_manifest(manifest.drop(columns="side"), SUBJECTS, salt=SALT)


def test_the_wrong_salt_is_told(manifest):
    with pytest.raises(InputError, match=r"none for 20 of 20. Pass the salt"):
        splits_from_manifest(manifest, SUBJECTS, salt=SALT + "!")
    with pytest.raises(InputError, match="verified on its own cohort"):
        verify_manifest(manifest, SPLITS, SUBJECTS, salt=SALT + "!")


def test_absent_subjects_are_counted(manifest):
    with pytest.raises(InputError, match=r"none for 2 of 20. Get the same release"):
        splits_from_manifest(manifest, SUBJECTS[2:], salt=SALT)
