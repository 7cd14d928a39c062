"""``python -m recurra`` is the command ``recurra``."""

from recurra.cli import main

main()
