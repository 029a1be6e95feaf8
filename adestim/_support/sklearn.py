"""The only door to scikit-learn's private and experimental API.

scikit-learn may move any of these without a deprecation cycle; whoever repairs that
touches this file alone.
"""

import numpy as np
from sklearn.base import _fit_context as fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.callback._callback_support import callback_management_context
from sklearn.utils import _safe_indexing as take_rows
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils._repr_html.estimator import _VisualBlock as VisualBlock
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.metaestimators import _BaseComposition as BaseComposition
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in

__all__ = [
    "BaseComposition",
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "VisualBlock",
    "callback_management_context",
    "check_feature_names_in",
    "check_params",
    "draw_seeds",
    "find_output_container",
    "fit_context",
    "list_callbacks",
    "take_rows",
]


def list_callbacks(estimator):
    """Return the callbacks that were set on an estimator."""
    return list(getattr(estimator, "_skl_callbacks", None) or [])


def find_output_container(estimator):
    """Return what ``transform`` returns by ``set_output`` or the configuration."""
    return _get_output_config("transform", estimator)["dense"]


def draw_seeds(random_state, n_seeds):
    """Return seeds drawn from ``random_state``; None draws fresh ones.

    Unlike scikit-learn's own reading of None, NumPy's global generator is left as found.
    """
    generator = (
        np.random.RandomState(np.random.SeedSequence().generate_state(1)[0])
        if random_state is None
        else check_random_state(random_state)
    )
    return [int(seed) for seed in generator.randint(2**31 - 1, size=n_seeds)]


def check_params(estimator):
    """Refuse parameters of an estimator that its constraints do not allow."""
    estimator._validate_params()
