"""The label server: a MONAI Label application of ours behind a hardened ASGI door.

Modules by layer: `door` and `routes` speak HTTP; `backend` and the modules it gathers do the work and
know neither HTTP nor MONAI Label; `stock` and `app` put the same work behind MONAI Label's own endpoints.
Importing this package imports none of them.
"""
