"""Plans of events as a step of a Spark job: `plan_events`."""
