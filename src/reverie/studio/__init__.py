"""The studio: the queue and the crafts as a service on this machine, with a page in front of it."""
