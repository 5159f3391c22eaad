"""What a craft is: its declaration (`craft`), the fragments of its settings (`settings`), the list of all (`registry`).

Help appears at once: the list needs neither PyTorch nor pydantic, and the declaration no PyTorch.
"""
