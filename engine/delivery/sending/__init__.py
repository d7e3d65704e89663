"""From events that wait to requests on the wire: batches, pacing, HTTP, and what responses mean."""
