"""`wayfarer label`."""
