"""Runs in the interpreter of a Python model: loads `Pred.py`, calls its function, and speaks to who asked for scores.

These modules need numpy and nothing else, run on Python 3.9 and newer, and are loaded by path, because the model's
interpreter has neither scorebridge nor its gateway installed: see `start`.
"""
