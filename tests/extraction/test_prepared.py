import subprocess
import sys

import numpy as np

from adestim.extraction.prepared import Prepared, SubjectPreparation, TokenPreparation


def test_the_key_of_an_input_is_that_of_its_content():
    inputs = np.arange(6.0).reshape(2, 3)
    assert Prepared(inputs).content_key() == Prepared(inputs.copy()).content_key()
    assert Prepared(inputs).content_key() != Prepared(inputs + 1).content_key()


def test_a_key_that_is_known_is_not_made_again():
    assert Prepared(None, key="known").content_key() == "known"


class Reader:
    """Reads a number; a file beside it says its unit."""

    def __call__(self, cells):
        return cells[0]

    def also_reads(self, cells):
        return [f"{cells[0]}.json"]


def doubled(raw):
    return Prepared(2 * raw)


def test_a_subject_is_read_then_prepared():
    assert SubjectPreparation(Reader(), doubled)((3,)).inputs == 6


def test_a_subject_without_data_is_not_prepared():
    assert SubjectPreparation(Reader(), doubled)((None,)) is None


def test_files_beside_the_cells_are_those_of_the_reader():
    assert SubjectPreparation(Reader(), doubled).also_reads((3,)) == ["3.json"]
    assert SubjectPreparation(len, doubled).also_reads((3,)) == []


def test_tokens_of_a_built_in_model_are_its_inputs():
    prepared = TokenPreparation(lambda raw: (raw, [True]))("tokens")
    assert (prepared.inputs, prepared.mask) == ("tokens", [True])


def test_workers_who_prepare_subjects_bring_no_torch():
    code = "import adestim.extraction.prepared, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
