import subprocess
import sys

import pytest

import adestim
from adestim import backbone
from adestim.modalities import smri


def test_a_name_is_that_of_its_module():
    from adestim.modalities.smri.extractor import SMRIExtractor

    assert adestim.SMRIExtractor is SMRIExtractor
    assert smri.SMRIExtractor is SMRIExtractor


def test_names_are_listed_before_they_are_imported():
    code = "import adestim.modalities.fmri as package; print(dir(package))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "'FMRIExtractor'" in result.stdout
    assert "'__doc__'" in result.stdout


@pytest.mark.parametrize("package", [adestim, smri, backbone])
def test_an_unknown_name_is_refused_in_the_words_of_python(package):
    with pytest.raises(AttributeError, match=f"'{package.__name__}' has no attribute 'nobody'"):
        package.nobody  # noqa: B018
