"""Parameters that several classes share, described once."""

__all__ = ["fill_docs"]

FRAGMENTS = {
    "device": """device : str, default="auto"
        Where to compute: ``"auto"`` for a CUDA GPU where there is one, else the CPU; or any
        device that torch knows.""",
    "per_subject": """errors : {"raise", "missing"}, default="raise"
        What becomes of subjects whose data cannot be used: one error that names them all, or a
        warning and a missing modality.
    n_jobs : int, default=None
        Number of subjects prepared at the same time.
    verbose : bool, default=False
        Whether to show a progress bar.""",
    "precision": """precision : {"float32", "bfloat16"}, default="float32"
        Precision of the forward pass.""",
    "random_state": """random_state : int, RandomState instance or None, default=None
        Seed of everything that is random. The global generators are left as found; None draws
        fresh seeds.""",
    "verbose": """verbose : int, default=0
        Whether to report progress.""",
}


def fill_docs(cls):
    """Replace ``%(name)s`` in a class's docstring by the shared fragment of that name."""
    for name, fragment in FRAGMENTS.items():
        cls.__doc__ = cls.__doc__.replace(f"%({name})s", fragment)
    return cls
