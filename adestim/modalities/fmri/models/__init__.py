"""Foundation models of functional MRI, one a file."""
