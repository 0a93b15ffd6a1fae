"""`python -m s4fw`: the same as the `s4fw` command."""

from s4fw.cli import main

if __name__ == "__main__":
    main(prog_name="s4fw")
