"""Values among which a parameter is searched, and reasons why others are not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from adestim.exceptions import InputError

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

    Raises
    ------
    InputError
        When the ends are no finite numbers, the first lies above the second, a ``log`` range does
        not begin above 0, or the step is none.

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

    def __post_init__(self) -> None:
        """Refuse ends that enclose nothing."""
        require_ends(self.low, self.high, self.log)
        require_step(self.step, self.log, self.is_whole)

    @property
    def is_whole(self) -> bool:
        """Whether it is one of whole numbers."""
        return isinstance(self.low, Integral) and isinstance(self.high, Integral)

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
        if self.is_whole:
            step = int(self.step or 1)
            return trial.suggest_int(name, int(self.low), int(self.high), step=step, log=self.log)
        return trial.suggest_float(
            name, float(self.low), float(self.high), step=self.step, log=self.log
        )

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
        whole = not self.is_whole or value == int(value)
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

    Raises
    ------
    InputError
        When there is no value.

    Examples
    --------
    >>> from adestim.tuning import Choice
    >>> Choice(("mean", "stacked")).contains("mean")
    True
    """

    options: tuple
    on_request: bool = False

    def __post_init__(self) -> None:
        """Refuse a choice of nothing."""
        if isinstance(self.options, str) or not len(self.options):
            raise InputError(
                "The options of a Choice are a tuple of one value or more",
                got=repr(self.options),
                remedy="Write for example Choice((16, 32, 64))",
            )

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


def require_ends(low: Any, high: Any, log: bool) -> None:
    """Refuse ends of a range between which there is nothing."""
    numbers = all(isinstance(end, Real) and not isinstance(end, bool) for end in (low, high))
    finite = numbers and math.isfinite(low) and math.isfinite(high)
    if not finite or low > high or (log and low <= 0):
        least = ", the first above 0 as log=True" if log else ""
        raise InputError(
            f"The ends of a Range are finite numbers, the second no smaller than the first{least}",
            got=f"{low!r} and {high!r}",
            remedy="Exchange or correct them; for other values use Choice",
        )


def require_step(step: Any, log: bool, is_whole: bool) -> None:
    """Refuse a step between values that leads nowhere, or that a range cannot have."""
    kind = Integral if is_whole else Real
    is_number = isinstance(step, kind) and not isinstance(step, bool)
    wrong = step is not None and (log or not is_number or not 0 < float(step) < math.inf)
    if wrong:
        raise InputError(
            "The step of a Range is a number above 0, a whole one where the ends are, and there is "
            "none where log=True",
            got=f"step={step!r}" + (" and log=True" if log else ""),
            remedy="Correct it, or leave it out",
        )
