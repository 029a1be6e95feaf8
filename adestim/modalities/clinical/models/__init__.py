"""Foundation models of clinical records."""
