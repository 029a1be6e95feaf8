"""Cohorts to try things on.

:func:`make_cohort` simulates one, with real files if asked for. Performance on it says nothing
about patients.
"""

from adestim.datasets.simulate import make_cohort

__all__ = ["make_cohort"]
