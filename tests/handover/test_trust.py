"""What a saved model may name."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.tree._tree import Tree
from torch import nn

from adestim import ClinicalExtractor
from adestim.exceptions import SavedModelError
from adestim.handover.trust import Trust, name_of
from tests.toy_backbone import ToyViT

TRUSTED = [
    StratifiedKFold,
    LogisticRegression,
    Tree,
    ClinicalExtractor,
    nn.Linear,
    np.log1p,
    np.float32,
    dict,
]


@pytest.mark.parametrize("item", TRUSTED, ids=name_of)
def test_what_only_holds_what_was_learned_is_trusted(item):
    trust = Trust()
    assert trust.find(trust.require(item)) is item


@pytest.mark.parametrize(
    "name",
    [
        "os:system", "builtins:exec", "builtins:getattr", "pickle:loads", "joblib:load",
        "numpy:load", "numpy:save", "numpy:memmap", "torch:load", "sklearn.utils:shuffle",
        "sklearn.neighbors._classification:KNeighborsClassifier", "sklearn.datasets:load_files",
        "adestim:save", "adestim.training.phase_one.remembered:pickle",
        "adestim.backbone.registry:import_class", "torch.nn.modules.module:torch",
        "adestim.training.phase_one.remembered:pickle.loads", "skorch.net:NeuralNet",
        "sklearn.pipeline:check_memory", "sklearn.metrics._scorer:np.load",
    ],
)  # fmt: skip
def test_what_does_more_is_not(name):
    with pytest.raises(SavedModelError, match="trusted by name"):
        Trust().find(name)


@pytest.mark.parametrize(
    "trusted", ["tests.toy_backbone.ToyViT", ["tests.toy_backbone:ToyViT"], [ToyViT]]
)
def test_the_user_may_trust_more(trusted):
    assert Trust(trusted).find("tests.toy_backbone:ToyViT") is ToyViT


def test_one_name_may_not_stand_for_another():
    class LogisticRegression:
        pass

    LogisticRegression.__module__ = "sklearn.linear_model._logistic"
    LogisticRegression.__qualname__ = "LogisticRegression"
    with pytest.raises(SavedModelError, match="trusted by name"):
        Trust().require(LogisticRegression)


def test_what_is_not_installed_is_told():
    with pytest.raises(SavedModelError, match="must be installed"):
        Trust("my_package.Model").find("my_package:Model")
