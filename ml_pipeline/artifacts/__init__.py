"""The only room that touches storage: objects, datasets, parameters, versions, the promotion log."""
