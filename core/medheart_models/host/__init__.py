"""The model host: one process a device that holds the loaded networks and serves waiting people first.

Start it with `python -m medheart_models.host`; talk to it with `medheart_models.host.client.HostClient`.
"""
