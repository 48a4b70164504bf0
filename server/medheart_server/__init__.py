"""The service: studies, versions, measurements, reports and jobs over REST, and the pages of the portal.

Holds no network and runs no long work: it enqueues jobs by name and reads what they left in the store.
"""
