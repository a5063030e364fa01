"""``python -m runlake.cli`` is the command ``runlake``."""

from runlake.cli.program import main

main()
