"""History into an outbox: planned and counted by Spark first, then fed at a rate that can be stopped and resumed."""
