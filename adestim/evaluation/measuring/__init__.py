"""What to measure next, of people who lack modalities."""
