"""Rows of a bench: what, against, ours, theirs, ratio, target, met. Printed as a markdown table, written as JSON."""

import dataclasses
import json
import statistics


@dataclasses.dataclass
class Row:
    what: str
    against: str
    ours: float
    theirs: float | None
    unit: str
    target: float  # of the ratio, or of `ours` where there is nothing to compare with
    spread: str = ""

    @property
    def ratio(self):
        return self.ours / self.theirs if self.theirs else None

    @property
    def met(self):
        return (self.ratio if self.theirs else self.ours) <= self.target

    def as_dict(self):
        return dataclasses.asdict(self) | {"ratio": self.ratio, "met": self.met}


def median(values):
    return statistics.median(values)


def spread(values):
    return f"{min(values):.0f}/{statistics.median(values):.0f}/{max(values):.0f}"


def table(rows):
    lines = ["| what | against | ours | theirs | ratio | target | met | min/median/max of ours |", "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        theirs = f"{row.theirs:.2f} {row.unit}" if row.theirs else "–"
        ratio = f"{row.ratio:.2f}" if row.theirs else "–"
        lines.append(f"| {row.what} | {row.against} | {row.ours:.2f} {row.unit} | {theirs} | {ratio} | {row.target:g} | "
                     f"{'yes' if row.met else 'NO'} | {row.spread} |")
    return "\n".join(lines)


def finish(rows, json_path):
    """Prints the table; the exit code: 1 when a row falls short."""
    print(table(rows))
    if json_path:
        with open(json_path, "w") as out:
            json.dump([row.as_dict() for row in rows], out, indent=2)
    return 0 if all(row.met for row in rows) else 1
