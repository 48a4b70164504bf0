"""Durable jobs on DBOS: enqueue, progress, cancel; SQLite on one machine, PostgreSQL on many.

The service and the command line hold a `Jobs`; a worker process calls `run_worker` with a
`Registry` of what it can do. Both meet in the job tables and nowhere else. Arguments and results are
JSON: ids and digests, never arrays.
"""

from medheart_jobs.client import Jobs
from medheart_jobs.worker import Registry, cancelled, report_progress, run_step, run_worker

__all__ = ["Jobs", "Registry", "cancelled", "report_progress", "run_step", "run_worker"]
