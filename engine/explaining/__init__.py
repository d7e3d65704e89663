"""Why an event becomes what it becomes: each output field with its rule, and each event field with what it reaches."""
