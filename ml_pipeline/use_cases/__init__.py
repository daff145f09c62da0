"""One folder a use case: the only place a user writes."""
