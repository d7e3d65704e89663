"""An outbox on NATS JetStream, for more than one machine: any number of collectors, workers and consoles."""
