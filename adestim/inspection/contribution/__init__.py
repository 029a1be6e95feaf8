"""What each modality counts for."""
