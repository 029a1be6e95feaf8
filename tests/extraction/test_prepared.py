import numpy as np

from adestim.extraction.prepared import Prepared


def test_the_key_of_an_input_is_that_of_its_content():
    inputs = np.arange(6.0).reshape(2, 3)
    assert Prepared(inputs).content_key() == Prepared(inputs.copy()).content_key()
    assert Prepared(inputs).content_key() != Prepared(inputs + 1).content_key()


def test_a_key_that_is_known_is_not_made_again():
    assert Prepared(None, key="known").content_key() == "known"
