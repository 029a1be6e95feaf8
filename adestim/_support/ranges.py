"""Values among which a parameter is searched, and reasons why others are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Reasons that hold for parameters of many classes.
HOW_IT_RUNS = "how it runs"
WHAT_IS_PRINTED = "what is printed"
WHERE_IT_IS_KEPT = "where results are kept"
LUCK = "the best of several seeds is luck"
OF_THE_USER = "given by the user; its own parameters are searched"
OF_THE_QUESTION = "changes what the probabilities mean: the question's"


@dataclass(frozen=True)
class Range:
    """Numbers between two ends, both included; whole ones where the ends are.

    Parameters
    ----------
    low, high : int or float
        The ends.
    log : bool, default=False
        Whether equal ratios are equally far apart, rather than equal differences.
    step : int, float or None, default=None
        Distance of the values; not with ``log``.
    on_request : bool, default=False
        Whether it is searched only where it is asked for by name.

    Examples
    --------
    >>> from adestim.tuning import Range
    >>> Range(1e-4, 1e-2, log=True).contains(1e-3)
    True
    >>> Range(16, 64, step=16).contains(40)
    False
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    on_request: bool = False

    def suggest(self, trial: Any, name: str) -> float:
        """Return a trial's value.

        Parameters
        ----------
        trial : optuna.trial.BaseTrial
            The trial.
        name : str
            Name of the parameter in the study.

        Returns
        -------
        int or float
        """
        if isinstance(self.low, int):
            return trial.suggest_int(name, self.low, self.high, step=self.step or 1, log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def contains(self, value: Any) -> bool:
        """Tell whether a value is one of the range.

        Parameters
        ----------
        value : object
            Anything.

        Returns
        -------
        bool
        """
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not self.low <= value <= self.high:
            return False
        whole = not isinstance(self.low, int) or value == int(value)
        return whole and (self.step is None or (value - self.low) % self.step == 0)


@dataclass(frozen=True)
class Choice:
    """Values without an order.

    Parameters
    ----------
    options : tuple
        The values.
    on_request : bool, default=False
        Whether it is searched only where it is asked for by name.

    Examples
    --------
    >>> from adestim.tuning import Choice
    >>> Choice(("mean", "stacked")).contains("mean")
    True
    """

    options: tuple
    on_request: bool = False

    def suggest(self, trial: Any, name: str) -> Any:
        """Return a trial's value.

        Parameters
        ----------
        trial : optuna.trial.BaseTrial
            The trial.
        name : str
            Name of the parameter in the study.

        Returns
        -------
        object
        """
        return trial.suggest_categorical(name, list(self.options))

    def contains(self, value: Any) -> bool:
        """Tell whether a value is one of the options.

        Parameters
        ----------
        value : object
            Anything.

        Returns
        -------
        bool
        """
        # True is no 1 here.
        return any(type(value) is type(each) and value == each for each in self.options)
