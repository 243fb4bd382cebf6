"""Scores logged calls of a Python model again, in the model's own interpreter: see `start`.

These modules need numpy and nothing else, and run on Python 3.9 and newer. They share with serving Pred.py and, of the
folder of the runner, the rules for what a function returns (`outputs`) and for what a call must not leave to the next
one (`state`), but neither how a bundle is loaded nor how a call comes to the function.
"""
