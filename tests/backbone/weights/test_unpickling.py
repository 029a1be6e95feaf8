import argparse
import collections

import pytest
import torch

from adestim.backbone.weights.unpickling import (
    StandIn,
    filled_as,
    named_in_pickle,
    not_data,
    passing_over,
)


@pytest.mark.parametrize("new_format", [True, False])
def test_names_in_a_file_are_found_in_the_words_of_python_3(tmp_path, new_format):
    content = {"args": argparse.Namespace(), "counts": collections.defaultdict(list)}
    path = tmp_path / "model.pt"
    torch.save(content, path, _use_new_zipfile_serialization=new_format)
    expected = {"argparse.Namespace", "collections.defaultdict", "builtins.list"}
    assert named_in_pickle(path) == expected


@pytest.mark.parametrize(
    "name",
    [
        "builtins.eval",
        "builtins.exec",
        "builtins.__import__",
        "os.system",
        "posix.system",
        "subprocess.Popen",
        "importlib.import_module",
        "operator.attrgetter",
        "_io.open",
        "urllib.request.urlopen",
    ],
)
def test_what_acts_is_no_data(name):
    assert not_data({name, "argparse.Namespace"}) == [name]


def test_data_may_be_named():
    names = {"builtins.list", "numpy.dtype", "collections.defaultdict", "ostrich.Settings"}
    assert not_data(names) == []


def test_a_stand_in_accepts_everything_and_keeps_nothing():
    thing = StandIn(1, a=2)
    thing.__setstate__({"b": 3})
    thing["c"] = 4
    assert vars(thing) == {}


def test_stand_ins_bear_the_name_of_what_they_stand_for(tmp_path):
    torch.save({"args": argparse.Namespace(a=1)}, tmp_path / "model.pt")
    with passing_over({"argparse.Namespace": StandIn}):
        content = torch.load(tmp_path / "model.pt", weights_only=True)
    assert content["args"].kind() == "argparse.Namespace"
    assert isinstance(content["args"], StandIn)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (
            "Can only SETITEMS for dict, but got <class 'a.Table'>",
            ("a.Table", collections.OrderedDict),
        ),
        ("Can only append to lists, but got <class 'a.Table'>", ("a.Table", list)),
        ("Can only SETITEMS for dict, but got <class 'b.Table'>", None),
        ("Unsupported class <class 'a.Table'>", None),
    ],
)
def test_what_a_stand_in_was_filled_like_is_read_from_the_complaint(message, kind):
    assert filled_as(message, ["a.Table", "a.Other"]) == kind
