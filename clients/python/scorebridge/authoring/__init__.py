"""Writes bundles from the objects of a Python session: see `scorebridge.write_bundle`.

These modules use numpy and the runner of Python functions; nothing here talks to a gateway.
"""
