"""Which classes and functions a saved model may name; all others are refused before an import."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from torch import nn

from adestim.exceptions import SavedModelError

# Files and processes are nothing that these packages' estimators open of themselves; compiled
# code that believes whatever indices it is given (nearest neighbours, histogram boosting, support
# vectors) is not among them.
SKLEARN = (
    "calibration", "compose", "decomposition", "discriminant_analysis",
    "dummy", "ensemble._bagging", "ensemble._forest", "ensemble._stacking", "ensemble._voting",
    "feature_extraction", "feature_selection", "frozen", "impute", "isotonic", "linear_model",
    "model_selection", "multiclass", "multioutput", "naive_bayes", "neural_network", "pipeline",
    "preprocessing", "random_projection", "tree._classes",
)  # fmt: skip
CLASSES = {
    "builtins": {"bool", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object",
                 "set", "slice", "str", "tuple"},
    "collections": {"Counter", "OrderedDict", "defaultdict", "deque"},
    "datetime": {"date", "datetime", "timedelta"},
    "decimal": {"Decimal"},
    "scipy.sparse._csr": {"csr_array", "csr_matrix"},
    "scipy.sparse._csc": {"csc_array", "csc_matrix"},
    "sklearn.calibration": {"_CalibratedClassifier", "_SigmoidCalibration"},
    "sklearn.compose._column_transformer": {"make_column_selector"},
    "sklearn.tree._tree": {"Tree"},
    "sklearn.utils._bunch": {"Bunch"},
    "skorch.callbacks.logging": {"EpochTimer", "PrintLog"},
    "skorch.callbacks.lr_scheduler": {"LRScheduler"},
    "skorch.callbacks.scoring": {"EpochScoring", "PassthroughScoring"},
    "skorch.dataset": {"Dataset"},
    "skorch.history": {"History"},
    "torch.optim.adamw": {"AdamW"},
    "torch.optim.lr_scheduler": {"LambdaLR"},
}  # fmt: skip
FUNCTIONS = {
    "adestim.modalities.genetics.reading": {"prepare_dosages"},
    "adestim.training.net": {"class_losses", "hazard_losses"},
    "skorch.setter": {"optimizer_setter"},
}
# Bound methods by the class that has them.
METHODS = {
    "adestim.modalities.clinical.tabular:TabularBackbone": {"code"},
}
# What may be called to make an object: compiled classes that need their sizes at once.
CALLED = {"sklearn.tree._tree:Tree", "collections:Counter", "collections:OrderedDict",
          "collections:defaultdict", "collections:deque", "builtins:slice", "datetime:date",
          "datetime:datetime", "datetime:timedelta", "decimal:Decimal"}  # fmt: skip


class Trust:
    """What a saved model may name: a fixed list, and what the user adds to it."""

    def __init__(self, trusted: Iterable[str | type | FunctionType] = ()):
        names = [trusted] if isinstance(trusted, str) else trusted
        self.own = frozenset(write_dotted(item if isinstance(item, str) else name_of(item))
                             for item in names)  # fmt: skip

    def find(self, name: str) -> Any:
        """Return the class or function of a name, ``"package.module:Class"``."""
        module, _, path = name.partition(":")
        if not (write_dotted(name) in self.own or may_hold(module, path)):
            raise refuse_name(name)
        try:
            found = reduce(getattr, path.split("."), import_module(module))
        except (ImportError, AttributeError) as error:
            raise SavedModelError(
                "What a saved model is made of must be installed",
                got=f"{write_dotted(name)}, which is not there",
                remedy="Install the package, in the version that the folder's adestim.json names",
            ) from error
        if not (write_dotted(name) in self.own or is_listed(found, module, path)):
            raise refuse_name(name)
        return found

    def require(self, item: Any) -> str:
        """Return the name of a class or function that a saved model may name, or refuse it."""
        name = name_of(item)
        if self.find(name) is not item:
            raise refuse_name(name)
        return name

    def may_call(self, name: str) -> bool:
        """Tell whether a class or function may be called, with what a saved model holds."""
        return name in CALLED or write_dotted(name) in self.own

    def may_bind(self, kind: type, method: str) -> bool:
        """Tell whether a saved model may hold a bound method."""
        return method in METHODS.get(name_of(kind), ()) or write_dotted(
            f"{name_of(kind)}.{method}"
        ) in (self.own)

    def allows(self, word: str) -> bool:
        """Tell whether the user has allowed something that is named by a word."""
        return word in self.own


def name_of(item: Any) -> str:
    """Return the importable name of a class or function."""
    if isinstance(item, np.ufunc):
        return f"numpy:{item.__name__}"
    return f"{item.__module__}:{item.__qualname__}"


def write_dotted(name: str) -> str:
    """Return an importable name as users write it."""
    return name.replace(":", ".")


def may_hold(module: str, path: str) -> bool:
    """Tell, before anything is imported, whether a module may have trusted things."""
    first = path.split(".")[0]
    return (
        first in CLASSES.get(module, ())
        or first in FUNCTIONS.get(module, ())
        or module == "numpy"
        or f"{module}.".startswith(("adestim.", "torch.nn.modules.", "sklearn.metrics."))
        or is_of_sklearn(module)
    )


def is_of_sklearn(module: str) -> bool:
    """Tell whether a module has estimators of scikit-learn that are trusted."""
    return any(f"{module}.".startswith(f"sklearn.{part}.") for part in SKLEARN)


def is_listed(found: Any, module: str, path: str) -> bool:
    """Tell whether what has a name is trusted."""
    if isinstance(found, np.ufunc):
        return module == "numpy"
    if path in CLASSES.get(module, ()) or path in FUNCTIONS.get(module, ()):
        return True
    if getattr(found, "__module__", None) != module:
        return False
    if not isinstance(found, type):
        return isinstance(found, FunctionType) and module.startswith("sklearn.metrics.")
    return is_trusted_class(found, module)


def is_trusted_class(found: type, module: str) -> bool:
    """Tell whether a class is one of ours, or of a kind that only holds what was learned."""
    if module.split(".")[0] == "adestim":
        return True
    if module == "numpy":
        return issubclass(found, np.generic)
    if module.startswith("torch.nn.modules."):
        return issubclass(found, nn.Module)
    # Scorers hold a function, which is looked at by itself; splitters hold numbers.
    plain = module.startswith(("sklearn.metrics.", "sklearn.model_selection._split"))
    return plain or issubclass(found, BaseEstimator)


def refuse_name(name: str) -> SavedModelError:
    """Return the error about something that is not trusted."""
    written = write_dotted(name)
    return SavedModelError(
        "A saved model is made of classes and functions that are trusted by name",
        got=f"{written}, which is none of them",
        remedy=f"If you know what it does and who wrote the model, pass trusted=[{written!r}]",
    )


def is_told_by_name(value: Any) -> bool:
    """Tell whether something is a class or a function, which is told by its name."""
    kinds = (type, FunctionType, type(len), np.ufunc, ModuleType)
    return isinstance(value, kinds)
