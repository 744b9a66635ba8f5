"""`python -m fra.emulator` is `fra emulate`."""

from fra.emulator.commands import emulate

if __name__ == "__main__":
    emulate(prog_name="fra emulate")
