"""How the parts of a server are put together, one module a subject.

``foundation`` is what all of them stand on; ``http`` is where they end. ``runlake.app`` calls them in order.
"""
