"""The table that is printed: a line for each thing measured, and beside it, if there is one, the same line of another table."""

WIDTHS = (34, 14, 14, 12, 12)
HEAD = ("what", "configured", "measured", "difference", "bound")


def cells(line):
    found = []
    for width in WIDTHS:
        found.append(line[:width].strip())
        line = line[width + 1:]
    return found


def read(name):
    """Of a table that was printed: (what, configured) -> (measured, difference)."""
    with open(name, encoding="utf-8") as file:
        rows = [cells(line.rstrip("\n")) for line in file]
    return {(what, configured): (measured, difference) for what, configured, measured, difference, _ in rows}


class Table:
    def __init__(self, name, beside=None):
        self.failed = 0
        self.beside = read(beside) if beside else None
        self.name = name
        other = f" | {'beside it':>14} {'difference':>12}" if beside else ""
        print(name)
        self.print(*HEAD, other=other)

    def print(self, what, configured, measured, difference, bound, remark="", other=None):
        if other is None:
            other = ""
            if self.beside is not None:
                measured_there, difference_there = self.beside.get((what, configured), ("not measured", ""))
                other = f" | {measured_there:>14} {difference_there:>12}"
        line = " ".join([f"{what:{WIDTHS[0]}}", *(f"{cell:>{width}}" for cell, width in
                                                  zip((configured, measured, difference, bound), WIDTHS[1:]))])
        print(f"{line}{other}  {remark}".rstrip(), flush=True)

    def line(self, what, configured, measured, difference, bound):
        good = abs(difference) <= bound
        self.failed += not good
        self.print(what, configured, measured, f"{difference:.4g}", f"{bound:.4g}", "" if good else "OUT OF BOUNDS")

    def note(self, what, configured, measured, remark=""):
        """Without a bound."""
        self.print(what, configured, measured, "", "", remark)

    def lacks(self, what, configured):
        self.note(what, configured, "has none")
