"""What a job worker and `medheart … --local` do: import, segment, measure, report, export, and the whole way.

Functions take a `Store` and `Settings` and return frozen dataclasses; nothing here prints.
"""
