"""The HTTP side: one module per group of endpoints; `table` says who may call what."""
