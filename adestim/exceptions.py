"""What can go wrong, said as: the rule, the value that broke it, the remedy.

Every class survives ``pickle``, so that an error raised in a worker process reaches the
user with its words intact. A message names the subject, never a patient's data.
"""

__all__ = [
    "AdestimError",
    "AdestimWarning",
    "CellTypeError",
    "CheckpointError",
    "DataWarning",
    "DeviceMemoryError",
    "GenotypeError",
    "InputError",
    "LeakageError",
    "LeakageWarning",
    "MissingDependencyError",
    "NoModalityError",
    "SavedModelError",
    "SubjectsError",
    "TableError",
    "TimeSeriesError",
    "VersionWarning",
    "VolumeError",
]


class AdestimError(Exception):
    """Base of every error of the library.

    Parameters
    ----------
    rule : str
        What must hold, as a sentence without its full stop.
    got : str, default=None
        What was found instead; never a patient's data.
    remedy : str, default=None
        What the user can do.
    subject : str, default=None
        Identifier of the subject concerned.

    Examples
    --------
    >>> from adestim.exceptions import VolumeError
    >>> error = VolumeError("A T1w volume has 3 dimensions", got="4", remedy="Pass one volume")
    >>> print(error.about("sub-01"))
    Subject 'sub-01': A T1w volume has 3 dimensions. Got 4. Pass one volume.
    """

    def __init__(self, rule, got=None, remedy=None, subject=None):
        self.rule = rule
        self.got = got
        self.remedy = remedy
        self.subject = subject
        super().__init__(rule, got, remedy, subject)

    def __str__(self):
        subject = f"Subject {self.subject!r}: " if self.subject is not None else ""
        got = f" Got {self.got}." if self.got is not None else ""
        remedy = f" {self.remedy.rstrip('.')}." if self.remedy is not None else ""
        return f"{subject}{self.rule.rstrip('.')}.{got}{remedy}"

    def about(self, subject):
        """Return the same error, naming the subject."""
        return type(self)(self.rule, self.got, self.remedy, str(subject))


class InputError(AdestimError, ValueError):
    """Data that cannot be used as they are."""


class VolumeError(InputError):
    """An image file or volume that cannot be used."""


class TimeSeriesError(InputError):
    """A 4-D run or a table of ROI series that cannot be used."""


class TableError(InputError):
    """A table of patients whose columns or cells cannot be used."""


class CellTypeError(TableError, TypeError):
    """A table cell that holds an object where a number or a string is due."""


class LeakageError(InputError):
    """A split, or a table, that would let a test subject take part in training."""


class CheckpointError(InputError):
    """Weights of a model that cannot be found, read or used."""


class GenotypeError(InputError):
    """A genotype file, sample or SNP that cannot be used."""


class NoModalityError(InputError):
    """A subject without a single modality, about whom nothing can be said."""


class SavedModelError(InputError):
    """A model that cannot be saved, or a folder of a saved one that cannot be loaded."""


class SubjectsError(InputError):
    """Several subjects whose data cannot be used, reported together."""


class DeviceMemoryError(AdestimError, RuntimeError):
    """A GPU that is too small for what it is asked to do."""


class MissingDependencyError(AdestimError, ImportError):
    """An optional package that a feature needs and that is not installed."""


class AdestimWarning(UserWarning):
    """Base of every warning of the library."""


class DataWarning(AdestimWarning):
    """Data that were used, though something in them deserves a look."""


class LeakageWarning(AdestimWarning):
    """Something that may carry the label, or a subject, across the split."""


class VersionWarning(AdestimWarning):
    """Something pickled that another version of adestim wrote, as scikit-learn warns of its own."""
