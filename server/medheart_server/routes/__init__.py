"""One file per kind of thing."""
