import logging

import pytest

from adestim._support.quiet import silence_logger


def test_warnings_of_a_package_are_kept_quiet_and_errors_are_not(caplog):
    with silence_logger("some_package"):
        logging.getLogger("some_package.part").warning("noise")
        logging.getLogger("some_package.part").error("fault")
    assert caplog.messages == ["fault"]


def test_level_is_left_as_found_even_by_an_error():
    logging.getLogger("some_package").setLevel(logging.INFO)
    with pytest.raises(KeyError), silence_logger("some_package"):
        raise KeyError
    assert logging.getLogger("some_package").level == logging.INFO
