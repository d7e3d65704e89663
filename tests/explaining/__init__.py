"""Why an event becomes what it becomes."""
