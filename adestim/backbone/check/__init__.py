"""Whether a model keeps the contract."""
