import os
import pickle

import numpy as np
import pytest

from adestim import GeneticsExtractor
from adestim._support import digests
from adestim.exceptions import GenotypeError
from adestim.modalities.genetics import opened
from adestim.modalities.genetics.opened import OVERHEAD, OpenedFiles
from adestim.modalities.genetics.plink import open_plink, plink_files
from adestim.modalities.genetics.pooled import open_genotypes
from adestim.modalities.genetics.vcf import open_vcf
from tests.modalities.genetics.files import (
    random_dosages,
    simple_variants,
    write_plink,
    write_vcf,
)
from tests.modalities.genetics.frames import SAMPLES, frame_of


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Takes files for settled that were written just now."""
    monkeypatch.setattr(digests, "FRESH", -1.0)


class Counted:
    """Opens file sets of PLINK and counts how often they are read."""

    def __init__(self, limit=10 * OVERHEAD):
        self.files = OpenedFiles(limit)
        self.n_read = 0

    def __call__(self, bed):
        return self.files.open(plink_files(bed), lambda: self.read(bed))

    def read(self, bed):
        self.n_read += 1
        return open_plink(bed)


def written(path, n_variants=2):
    return write_plink(path, np.zeros((1, n_variants)), ["s"], simple_variants(n_variants))


def test_file_set_is_read_once(tmp_path):
    opening, bed = Counted(), written(tmp_path / "a")
    assert opening(bed) is opening(bed)
    assert opening.n_read == 1


@pytest.mark.parametrize("ending", [".bed", ".bim", ".fam"])
def test_file_set_of_which_a_file_changed_is_read_anew(tmp_path, ending):
    opening, bed = Counted(), written(tmp_path / "a")
    first = opening(bed)
    os.utime(bed.with_suffix(ending), (1e9, 1e9))
    assert opening(bed) is not first
    assert opening.files.size == OVERHEAD + 2 + 3


def test_change_of_the_same_length_and_date_is_seen(tmp_path):
    opening, bed = Counted(), written(tmp_path / "a")
    before = bed.with_suffix(".bim").stat()
    assert opening(bed).variants["counted"].tolist() == ["A", "A"]
    write_plink(tmp_path / "a", np.zeros((1, 2)), ["s"], simple_variants(2, ("C", "G")))
    os.utime(bed.with_suffix(".bim"), ns=(before.st_atime_ns, before.st_mtime_ns))
    assert opening(bed).variants["counted"].tolist() == ["C", "C"]


def test_file_that_takes_the_place_of_another_of_its_size_and_date_is_read(tmp_path):
    files = OpenedFiles(10 * OVERHEAD)
    path = write_vcf(tmp_path / "a.vcf", np.ones((1, 2)), ["s"], simple_variants(2))
    first = files.open([path], lambda: open_vcf(path))
    other = write_vcf(tmp_path / "b.vcf", np.ones((1, 2)), ["t"], simple_variants(2))
    stat = path.stat()
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)
    assert path.stat().st_size == stat.st_size
    assert list(first.lookup) == ["s"]
    assert list(files.open([path], lambda: open_vcf(path)).lookup) == ["t"]


def test_file_written_just_now_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "FRESH", 60.0)
    opening, bed = Counted(), written(tmp_path / "a")
    opening(bed), opening(bed)
    assert opening.n_read == 2
    assert opening.files.size == 0


def test_file_that_is_gone_is_forgotten(tmp_path):
    opening, bed = Counted(), written(tmp_path / "a")
    opening(bed)
    bed.unlink()
    with pytest.raises(GenotypeError, match="does not exist"):
        opening(bed)
    assert opening.files.size == 0


def test_sets_asked_for_longest_ago_make_room(tmp_path):
    opening = Counted(limit=2 * (OVERHEAD + 2 + 3))
    first, second, third = (written(tmp_path / name) for name in "abc")
    opening(first), opening(second), opening(first), opening(third)
    assert opening.n_read == 3
    opening(first)
    assert opening.n_read == 3
    opening(second)
    assert opening.n_read == 4
    assert opening.files.size <= opening.files.limit


def test_set_that_is_too_large_is_not_kept(tmp_path):
    opening = Counted(limit=OVERHEAD)
    opening(written(tmp_path / "a"))
    assert opening.files.size == 0


@pytest.mark.parametrize("write", [write_plink, write_vcf])
def test_files_of_an_extractor_are_opened_once(tmp_path, write, monkeypatch):
    monkeypatch.setattr(opened.OPENED, "_kept", {})
    path = tmp_path / ("a" if write is write_plink else "a.vcf")
    path = write(path, np.ones((1, 2)), ["s"], simple_variants(2))
    assert open_genotypes(path)[0] is open_genotypes(path)[0]


def test_nothing_that_was_opened_is_in_a_pickle(tmp_path):
    dosages = random_dosages(len(SAMPLES), 3)
    bed = write_plink(tmp_path / "a", dosages, SAMPLES, simple_variants(3))
    extractor = GeneticsExtractor(genotypes=bed).fit(frame_of(SAMPLES))
    assert b"PlinkSet" not in pickle.dumps(extractor)
