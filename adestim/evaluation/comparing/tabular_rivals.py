"""Tabular foundation models as rivals: those of installed packages whose weights are at hand."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline

from adestim.exceptions import AdestimWarning, InputError
from adestim.extraction.pool_tokens import PoolTokens

# Where the package tabicl looks, as its classifier's loading says.
TABICL_REPOSITORY = "jingang/TabICL"


@dataclass(frozen=True)
class TabularModel:
    """What is known of a tabular foundation model, and how its classifier is made."""

    package: str  # name of the package on PyPI, and of its module
    licence: str  # of the weights
    find: Callable[[], Path | None]  # where its weights are on this machine; None if nowhere
    fetch: Callable[[], Path]  # downloads them
    make: Callable[[Path, str, int | None], BaseEstimator]  # weights, device, seed


def tabular_rivals(
    random_state: int | None = 0,
    *,
    device: str = "auto",
    weights: Mapping[str, Any] | None = None,
    download: bool = False,
) -> dict[str, BaseEstimator]:
    """Return tabular foundation models on pooled tokens, by name.

    They read the training table in their context and predict the test rows in one forward pass;
    nothing is trained. Those of packages that are installed are returned, if their weights are at
    hand; of others that are installed a warning tells why they are left out. Within a comparison
    nothing is ever downloaded.

    Parameters
    ----------
    random_state : int or None, default=0
        Seed of their ensembles.
    device : str, default="auto"
        Where they run; ``"auto"`` takes a GPU where there is one.
    weights : mapping of str to path-like, default=None
        Files of weights by name of the model. None, and models that it does not name: those that
        were downloaded before.
    download : bool, default=False
        Whether to download, now, weights that are not at hand. With ``HF_HUB_OFFLINE=1`` nothing
        is downloaded. TabPFN's ask to log in and to accept their licence.

    Returns
    -------
    dict of str to classifier
        ``"TabICL"`` of the package ``tabicl`` (weights: BSD-3-Clause) and ``"TabPFN"`` of the
        package ``tabpfn`` (weights of versions 2.5 to 3.5: for non-commercial use alone; of
        version 2: Apache-2.0 with attribution). Both read missing values.

    Raises
    ------
    InputError
        When ``weights`` names another model, or a file that is not there.

    Warns
    -----
    AdestimWarning
        When a package is installed and the weights of its model are not at hand.

    See Also
    --------
    plain_rivals : scikit-learn's own classifiers.
    rivals : All rivals.

    References
    ----------
    .. [1] J. Qu, D. Holzmüller, G. Varoquaux and M. Le Morvan (2025). TabICL: a tabular foundation
       model for in-context learning on large data. ICML.
    .. [2] N. Hollmann et al. (2025). Accurate predictions on small data with a tabular foundation
       model. Nature 637.

    Examples
    --------
    >>> import warnings
    >>> from adestim.evaluation import tabular_rivals
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     models = tabular_rivals()
    >>> set(models) <= {"TabICL", "TabPFN"}
    True
    """
    given = read_weights(weights or {})
    found = {}
    for name, model in MODELS.items():
        if name not in given and find_spec(model.package) is None:
            continue
        path = given.get(name) or locate_weights(name, model, download)
        if path is not None:
            estimator = model.make(path, device, random_state)
            found[name] = make_pipeline(PoolTokens(), estimator)
    return found


def read_weights(weights: Mapping[str, Any]) -> dict[str, Path]:
    """Return files of weights by model, all of which must be there, as must the packages."""
    unknown = sorted(set(weights) - set(MODELS))
    if unknown:
        raise InputError(
            "'weights' maps names of tabular foundation models to files",
            got=", ".join(map(repr, unknown)),
            remedy=f"Choose from {', '.join(map(repr, MODELS))}",
        )
    paths = {name: Path(path).expanduser() for name, path in weights.items()}
    for name, path in paths.items():
        if not path.is_file():
            raise InputError(
                f"The weights of {name} must be an existing file",
                got=str(path),
                remedy=f"Correct weights={{{name!r}: ...}}",
            )
        if find_spec(MODELS[name].package) is None:
            raise InputError(
                f"{name} runs in the package {MODELS[name].package}",
                got="none installed",
                remedy=f"Run pip install {MODELS[name].package}",
            )
    return paths


def locate_weights(name: str, model: TabularModel, download: bool) -> Path | None:
    """Return where weights are, downloaded where asked for; warn and return None without any."""
    reason, remedy = "its weights are not on this machine", "download them"
    try:
        path = model.find()
        if path is None and download:
            path = model.fetch()
        if path is not None:
            return path
    # Packages and the hub each say in their own way what is wrong; the other rivals remain.
    except Exception as error:
        reason = f"looking for its weights ended in {type(error).__name__}: {error}".rstrip(".")
        remedy = "try again"
    warnings.warn(
        f"{name} is no rival here, though the package {model.package} is installed: {reason}. "
        f"To {remedy}, call tabular_rivals(download=True) once, with a connection, and mind their "
        f"licence ({model.licence}); or pass weights={{{name!r}: path}}. To leave it out "
        "knowingly, pass tabular=False to rivals.",
        AdestimWarning,
        stacklevel=4,
    )
    return None


def find_tabicl() -> Path | None:
    """Return the weights of TabICL that the hub's cache holds."""
    from huggingface_hub import try_to_load_from_cache
    from tabicl import TabICLClassifier

    found = try_to_load_from_cache(TABICL_REPOSITORY, TabICLClassifier().checkpoint_version)
    return Path(found) if isinstance(found, str) else None


def fetch_tabicl() -> Path:
    """Download the weights of TabICL into the hub's cache."""
    from huggingface_hub import hf_hub_download
    from tabicl import TabICLClassifier

    return Path(hf_hub_download(TABICL_REPOSITORY, TabICLClassifier().checkpoint_version))


def make_tabicl(weights: Path, device: str, seed: int | None) -> BaseEstimator:
    """Return TabICL's classifier, which reads a file and downloads nothing."""
    from tabicl import TabICLClassifier

    return TabICLClassifier(
        model_path=str(weights),
        allow_auto_download=False,
        device=None if device == "auto" else device,
        random_state=seed,
    )


def place_tabpfn() -> Path:
    """Return where the package keeps the weights of its default version."""
    from tabpfn.model_loading import resolve_model_path
    from tabpfn.settings import settings

    version = settings.tabpfn.model_version.value
    return Path(resolve_model_path(None, "classifier", version)[0][0])


def find_tabpfn() -> Path | None:
    """Return the weights of TabPFN that were downloaded before."""
    path = place_tabpfn()
    return path if path.is_file() else None


def fetch_tabpfn() -> Path:
    """Download the weights of TabPFN, whose licence is to be accepted."""
    from tabpfn.model_loading import download_model
    from tabpfn.settings import settings

    path = place_tabpfn()
    path.parent.mkdir(parents=True, exist_ok=True)
    said = download_model(path, version=settings.tabpfn.model_version, which="classifier")
    if said != "ok":
        raise said[0]
    return path


def make_tabpfn(weights: Path, device: str, seed: int | None) -> BaseEstimator:
    """Return TabPFN's classifier, which reads a file and downloads nothing."""
    from tabpfn import TabPFNClassifier

    return TabPFNClassifier(model_path=str(weights), device=device, random_state=seed)


MODELS: Mapping[str, TabularModel] = {
    "TabICL": TabularModel("tabicl", "BSD-3-Clause", find_tabicl, fetch_tabicl, make_tabicl),
    "TabPFN": TabularModel(
        "tabpfn",
        "non-commercial from version 2.5 on",
        find_tabpfn,
        fetch_tabpfn,
        make_tabpfn,
    ),
}
