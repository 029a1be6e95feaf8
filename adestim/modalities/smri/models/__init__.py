"""Foundation models of structural MRI, one a file."""
