"""OpenTelemetry spans as runs: OTLP bodies in, the same ``RunWrite`` objects out that ``wire.run_writes`` makes.

``read`` is the way in; ``protobuf`` and ``json_body`` turn the two encodings into ``spans``; ``attributes`` sorts the
attributes of a span by the tables in ``conventions``; ``run`` builds the write. No I/O, no store, no merging.
"""
