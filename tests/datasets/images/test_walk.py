import os

import pytest

from adestim.datasets.images.walk import walk_images
from adestim.exceptions import InputError
from tests.datasets.writers.bids import tiny_image, write

NAME = "sub-01_T1w.nii.gz"


def paths(root, **options):
    """Files of use, from the folder on."""
    findings, _ = walk_images(root, **options)
    return sorted(os.path.relpath(finding.row[3], root) for finding in findings)


def problem(root):
    """What is wrong with the one file that there is."""
    [finding], _ = walk_images(root)
    return finding.problem


def test_image_in_order_has_no_problem(tmp_path):
    write(tmp_path / "sub-01" / "anat" / NAME, tiny_image(3))
    assert problem(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (NAME, b"", "empty file"),
        ("sub-01_T1w.nii", tiny_image(3)[:352], "header without voxels"),
        (NAME, b"/annex/objects/MD5E-s1--0.nii.gz\n", "its content was never fetched (git-annex)"),
        (NAME, b"version https://git-lfs.github.com/spec/v1\n",
         "its content was never fetched (Git LFS)"),
    ],
)  # fmt: skip
def test_image_that_cannot_be_used_is_told_by_its_size(tmp_path, name, content, expected):
    write(tmp_path / "sub-01" / "anat" / name, content)
    assert problem(tmp_path) == expected


def test_dangling_link_is_listed(tmp_path):
    (tmp_path / NAME).symlink_to(tmp_path / ".git" / "annex" / "gone")
    assert problem(tmp_path) == "dangling link"


def test_folders_that_repeat_names_are_passed_over(tmp_path):
    for folder in ("figures", "log", "sourcedata", ".git"):
        write(tmp_path / folder / NAME, b"x")
    assert paths(tmp_path) == []


def test_derivatives_are_entered_unless_told_otherwise(tmp_path):
    write(tmp_path / "derivatives" / "fmriprep" / "sub-01" / NAME, b"x")
    assert len(paths(tmp_path)) == 1
    assert paths(tmp_path, enter_derivatives=False) == []


def test_link_to_a_folder_elsewhere_is_followed_once(tmp_path):
    write(tmp_path / "store" / "sub-01" / NAME, b"x")
    (tmp_path / "store" / "sub-01" / "again").symlink_to(tmp_path / "store" / "sub-01")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sub-01").symlink_to(tmp_path / "store" / "sub-01")
    assert paths(tmp_path / "data") == [f"sub-01/{NAME}"]


def test_link_into_the_folder_itself_counts_nothing_twice(tmp_path):
    write(tmp_path / "sub-01" / "anat" / NAME, b"x")
    (tmp_path / "sub-02").symlink_to(tmp_path / "sub-01")
    (tmp_path / "sub-01" / "up").symlink_to(tmp_path)
    assert paths(tmp_path) == [f"sub-01/anat/{NAME}"]


def test_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "no", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"can be read\. Got PermissionError at.*permission"):
        walk_images(tmp_path)


def test_tables_of_scans_and_sessions_are_noted(tmp_path):
    scans = write(tmp_path / "sub-01" / "sub-01_scans.tsv", "filename\n")
    sessions = write(tmp_path / "sub-01" / "sub-01_sessions.tsv", "session_id\n")
    assert walk_images(tmp_path)[1] == {"scans": [scans], "sessions": [sessions]}
