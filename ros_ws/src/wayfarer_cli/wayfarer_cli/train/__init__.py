"""`wayfarer train`."""
