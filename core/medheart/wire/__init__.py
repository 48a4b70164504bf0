"""What goes over the wire between processes: one file per interface, imported by both ends."""
