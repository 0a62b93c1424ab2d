"""`python -m authz` is the command line."""

from authz.cli import main

main(prog_name="authz")
