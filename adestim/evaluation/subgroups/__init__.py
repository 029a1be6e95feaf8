"""For whom predictions are good."""
