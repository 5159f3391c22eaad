"""Crafts: their declaration (`craft`), reusable groups of settings (`settings`) and the list of them all (`registry`).

Help appears at once: the list needs neither PyTorch nor pydantic, and the declaration no PyTorch.
"""
