"""Tables from the results of a run."""
import collections
import statistics

TITLES = {
    "local": "Local switch: two hosts on one machine",
    "plain": "Site to site, plain: an overlay without encryption",
    "encrypted": "Site to site, encrypted: an overlay with encryption",
}

# One column: the metric, its heading, its unit, and how to print a number.
Column = collections.namedtuple("Column", "metric heading unit number")

UP, DOWN = "\u2191", "\u2193"   # which way is better
THROUGHPUT = [
    Column("tcp1_gbps", "TCP x1", f"Gbit/s {UP}", "{:.2f}"),
    Column("tcp4_gbps", "TCP x4", f"Gbit/s {UP}", "{:.2f}"),
    Column("udp1400_gbps", "UDP 1400", f"Gbit/s {UP}", "{:.2f}"),
    Column("udp1400_loss_percent", "its loss", f"% {DOWN}", "{:.0f}"),
    Column("udp64_kpps", "UDP 64", f"kpps {UP}", "{:.0f}"),
    Column("udp64_loss_percent", "its loss", f"% {DOWN}", "{:.0f}"),
    Column("clean64_kpps", "clean 64", f"kpps {UP}", "{:.0f}"),
    Column("udp_reordered", "UDP reordered", f"packets {DOWN}", "{:.0f}"),
    Column("tcp1_retransmits", "TCP retransmits", f"packets {DOWN}", "{:.0f}"),
]
COST = [
    Column("rtt_p50_us", "idle p50", f"us {DOWN}", "{:.0f}"),
    Column("rtt_p99_us", "idle p99", f"us {DOWN}", "{:.0f}"),
    Column("exchange_p50_us", "UDP p50", f"us {DOWN}", "{:.1f}"),
    Column("exchange_p99_us", "UDP p99", f"us {DOWN}", "{:.1f}"),
    Column("load_p50_us", "loaded p50", f"us {DOWN}", "{:.0f}"),
    Column("load_p99_us", "loaded p99", f"us {DOWN}", "{:.0f}"),
    Column("tcp1_daemon_s_per_gb", "daemon CPU", f"s/GB {DOWN}", "{:.2f}"),
    Column("tcp1_machine_s_per_gb", "machine CPU", f"s/GB {DOWN}", "{:.2f}"),
    Column("tcp1_wire_bytes_per_byte", "on the wire", f"B/B {DOWN}", "{:.2f}"),
    Column("rss_mb", "peak RSS", f"MB {DOWN}", "{:.1f}"),
]
RATIOS = [column for column in THROUGHPUT + COST
          if column.unit[:-2] not in ("%", "B/B", "packets")]


def render(results, baselines=(), markdown=False):
    """The whole report, as text or with tables in Markdown."""
    table = markdown_table if markdown else text_table
    runs = results["runs"]
    parts = [header(results)]
    for topology, title in TITLES.items():
        measured = group(run for run in runs if run["topology"] == topology)
        if not measured:
            continue
        parts.append(f"### {title}" if markdown else f"== {title} ==")
        for columns in (THROUGHPUT, COST):
            parts.append(table(metric_rows(measured, columns)))
        for ours in measured:
            if is_ours(ours) and not all(map(is_ours, measured)):
                parts.append(table(lead_rows(measured, ours)))
        for base in baselines:
            if base in measured and len(measured) > 1:
                parts.append(table(ratio_rows(measured, base)))
    parts += remarks(runs)
    return "\n\n".join(parts) + "\n"


def header(results):
    machine, settings, runs = (results[k] for k in ("machine", "settings", "runs"))
    rounds = max((run["round"] for run in runs), default=0)
    busy = [run["background_percent"] for run in runs] or [0]
    return (f"{machine['cpu']}, {machine['cpus']} CPUs, "
            f"Linux {machine['kernel']}, {machine['date']}\n"
            f"scale {settings['scale']}, underlay {settings['underlay']}, "
            f"TCP {settings['congestion']}, {rounds} interleaved rounds; "
            f"median (min-max); {UP} higher is better, {DOWN} lower\n"
            f"machine busy with other things between the runs: "
            f"median {statistics.median(busy):.0f} %, at most {max(busy):.0f} %")


def group(runs):
    """The successful runs of each peer, by name."""
    peers = {}
    for run in runs:
        if run["status"] == "ok":
            peers.setdefault(run["peer"], []).append(run)
    return dict(sorted(peers.items()))


def is_ours(name):
    return name.startswith("weft")


def metric_rows(peers, columns):
    columns = measured_columns(peers, columns)
    rows = [["", "inner"] + [column.heading for column in columns],
            ["peer", "MTU"] + [column.unit for column in columns]]
    for name, runs in peers.items():
        rows.append([name, str(runs[0]["mtu"])]
                    + [cell(runs, column) for column in columns])
    return rows


def lead_rows(peers, ours):
    """One of ours, divided by each of the others."""
    columns = measured_columns(peers, RATIOS)
    rows = [[ours] + [column.heading for column in columns],
            ["relative to"] + [column.unit[-1] for column in columns]]
    for name, runs in peers.items():
        if not is_ours(name):
            rows.append([name] + [ratio(peers[ours], runs, column.metric)
                                  for column in columns])
    return rows


def ratio_rows(peers, base):
    """All, divided by one of them."""
    columns = measured_columns(peers, RATIOS)
    rows = [["relative to"] + [column.heading for column in columns],
            [base] + [column.unit[-1] for column in columns]]
    for name, runs in peers.items():
        rows.append([name] + [ratio(runs, peers[base], column.metric)
                              for column in columns])
    return rows


def measured_columns(peers, columns):
    return [column for column in columns
            if any(values(runs, column.metric) for runs in peers.values())]


def values(runs, metric):
    return [run["metrics"][metric] for run in runs if metric in run["metrics"]]


def cell(runs, column):
    """median (min-max)"""
    found = values(runs, column.metric)
    if not found:
        return "-"
    text = column.number.format(statistics.median(found))
    if len(found) > 1:
        low, high = (column.number.format(n) for n in (min(found), max(found)))
        text += f" ({low}-{high})"
    return text


def ratio(runs, base_runs, metric):
    """median / the baseline's median"""
    found, base = values(runs, metric), values(base_runs, metric)
    if not found or not base or not statistics.median(base):
        return "-"
    return f"{statistics.median(found) / statistics.median(base):.2f}x"


def text_table(rows):
    """Aligned text below two lines of headings: the first column to the left,
    the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [text.rjust(width) for text, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    lines.insert(2, "-" * max(map(len, lines)))
    return "\n".join(lines)


def markdown_table(rows):
    """The same; the two lines of headings become one."""
    headings = [" ".join(filter(None, pair)) for pair in zip(*rows[:2])]
    lines = [headings, ["---"] + ["--:"] * (len(headings) - 1)] + rows[2:]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def remarks(runs):
    """What to know about single peers: skips, failures, notes, with how many
    rounds had them."""
    counts = collections.Counter()
    for run in runs:
        for note in run["notes"]:
            counts[f"{run['peer']}: {note}"] += 1
        if run["status"] != "ok":
            counts[f"{run['peer']}: {run['status']}: {run['reason']}"] += 1
    lines = [f"  {line} (rounds: {n})" for line, n in sorted(counts.items())]
    return ["Remarks:\n" + "\n".join(lines)] if lines else []
