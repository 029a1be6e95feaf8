"""PLINK file sets of a study."""

import pandas as pd
import pytest

from adestim.datasets.loaders.plink import (
    BUILDS,
    MARKERS,
    find_build,
    find_file_sets,
    find_samples,
    read_samples,
)
from adestim.exceptions import DataWarning, GenotypeError
from adestim.modalities.genetics import build


def write_bim(path, *variants):
    lines = [f"{chromosome}\t{name}\t0\t{place}\tA\tG\n" for name, chromosome, place in variants]
    path.with_suffix(".bim").write_text("".join(lines))
    return path


def test_markers_are_those_of_the_extractor():
    assert BUILDS == build.BUILDS
    assert {name: tuple(marker) for name, marker in build.MARKERS.items()} == MARKERS


@pytest.mark.parametrize(("place", "name"), [(45412079, "hg19"), (50103919, "hg18"), (1, None)])
def test_the_build_is_told_by_markers(tmp_path, place, name):
    prefix = write_bim(tmp_path / "a", ("rs7412", "19", place), ("rs1", "1", 10))
    assert find_build(prefix) == name


def test_markers_of_two_builds_are_refused(tmp_path):
    prefix = write_bim(tmp_path / "a", ("rs7412", "19", 45412079), ("rs3094315", "1", 742429))
    with pytest.raises(GenotypeError, match=r"on one genome build\. Got hg18 and hg19"):
        find_build(prefix)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.bim").write_text("name\n")
    with pytest.raises(GenotypeError, match="six columns and no line of names"):
        find_build(tmp_path / "a")


def test_prefixes_may_be_given_by_one_file(tmp_path):
    for end in (".bed", ".bim", ".fam"):
        (tmp_path / f"set.v2{end}").touch()
    assert find_file_sets(tmp_path / "set.v2.bed") == [tmp_path / "set.v2"]
    assert find_file_sets([str(tmp_path / "set.v2")]) == [tmp_path / "set.v2"]
    assert find_file_sets(None) == []


def test_incomplete_sets_are_refused(tmp_path):
    (tmp_path / "set.bed").touch()
    with pytest.raises(GenotypeError, match=r"Got no \.bim and no \.fam at"):
        find_file_sets(tmp_path / "set")


def test_samples_are_found_with_and_without_the_prefix_of_bids(tmp_path):
    (tmp_path / "a.fam").write_text("f 0001 0 0 1 -9\nf sub-0002 0 0 2 -9\n\n")
    subjects = pd.Index(["sub-0001", "sub-0002", "sub-0003"])
    cells = find_samples([tmp_path / "a"], subjects)
    assert list(cells[:2]) == ["0001", "sub-0002"]
    assert pd.isna(cells["sub-0003"])


def test_file_that_is_no_list_of_samples_is_refused(tmp_path):
    with pytest.raises(GenotypeError, match=r"has a '.fam'\. Got none.*without the suffix"):
        read_samples(tmp_path / "a.bed")
    (tmp_path / "a.fam").write_text("alone\n")
    with pytest.raises(GenotypeError, match="a family and a sample"):
        read_samples(tmp_path / "a")


def test_file_set_of_other_people_is_warned_of(tmp_path):
    (tmp_path / "a.fam").write_text("f HG00096 0 0 1 -9\n")
    with pytest.warns(DataWarning, match=r"None of 1 samples \('HG00096'\) is of anybody"):
        find_samples([tmp_path / "a"], pd.Index(["sub-0001"]))


def test_samples_in_any_encoding_are_read_and_bytes_that_are_no_text_refused(tmp_path):
    path = tmp_path / "a.fam"
    path.write_bytes("F Müller 0 0 1 -9\n".encode("latin-1"))
    assert read_samples(tmp_path / "a") == ["Müller"]
    path.write_bytes(b"\x6c\x1b\x01\x00")
    with pytest.raises(GenotypeError, match=r"a file of text\. Got bytes that are no text"):
        read_samples(tmp_path / "a")
