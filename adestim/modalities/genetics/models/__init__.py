"""Foundation models of genetics, one a file."""
