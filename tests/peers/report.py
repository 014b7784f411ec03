"""The results as JSON and as Markdown: one row a case, one column a peer, ratios and bars."""

COLUMNS = ("torch", "onnxruntime", "openvino", "OpenBLAS", "CLBlast")


def ms(value):
    if value is None:
        return "-"
    return f"{value:.3f}" if value < 10 else f"{value:.2f}" if value < 100 else f"{value:.1f}"


def right(row):
    """The peers whose values are right; a wrong one is not a rival."""
    return [peer for peer in row["peers"] if peer["right"]]


def fastest(row, prefix=""):
    """Of a peer's ways, or of all of them."""
    ways = [peer for peer in right(row) if peer["name"].lower().startswith(prefix.lower())]
    return min(ways, key=lambda peer: peer["ms"], default=None)


def cell(row, prefix):
    """A peer's best time; with a star where all its ways are imprecise."""
    peer = fastest(row, prefix)
    if peer:
        return ms(peer["ms"])
    others = [peer["ms"] for peer in row["peers"] if peer["name"].lower().startswith(prefix.lower())]
    return f"{ms(min(others))}*" if others else "-"


def share(row, what):
    """Of the ceiling in the same rounds: the rate needed to be that fast."""
    return row[what] / (row["ms"] * 1e-3) / row["ceilings"][what]


def ratio_of(row, whom):
    """What a bar is held against; None if it was not measured."""
    if whom in ("flops", "bytes"):
        return share(row, whom)
    if whom == "own":
        return row["own"]["ms"] / row["ms"] if row.get("own") else None
    peer = fastest(row, "" if whom == "best" else whom)
    return peer["ms"] / row["ms"] if peer else None


def judge(rows):
    """Adds "bars" to each row: whom, factor, ratio and whether it is met (None = not measured)."""
    for row in rows:
        row["bars"] = []
        for whom, factor in row["wanted"]:
            ratio = ratio_of(row, whom)
            met = None if ratio is None else ratio >= factor
            row["bars"].append({"against": whom, "bar": factor, "ratio": ratio, "met": met})


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def bar_text(bar, row):
    names = {"own": f"own {row['own']['what']}" if row.get("own") else "own", "best": "best peer",
             "flops": "FMA ceiling", "bytes": "read ceiling"}  # fmt: skip
    whom = names.get(bar["against"], bar["against"])
    ratio = "not measured" if bar["ratio"] is None else f"{bar['ratio']:.2f}"
    mark = {True: "met", False: "**missed**", None: ""}[bar["met"]]
    return f"{ratio} x {whom} (bar {bar['bar']:.2f}) {mark}".strip()


def main_rows(rows):
    for row in rows:
        best = fastest(row)
        reached = max(share(row, "flops"), share(row, "bytes"))
        yield [
            row["name"], ms(row["ms"]), f"{100 * reached:.0f}%",
            *(cell(row, name) for name in COLUMNS),
            best["name"] if best else "-",
            f"{best['ms'] / row['ms']:.2f}" if best else "-",
            "; ".join(bar_text(bar, row) for bar in row["bars"]) or "-",
        ]  # fmt: skip


def way_rows(rows):
    for row in rows:
        yield [row["name"], f"clattn: {row['kernel']}", ms(row["ms"]), f"{row['error']:.1e}", "-"]
        if row.get("own"):
            yield ["", f"clattn, {row['own']['what']}", ms(row["own"]["ms"]), "-", "-"]
        for peer in row["peers"]:
            error = f"{peer['error']:.1e}" + ("" if peer["right"] else " imprecise")
            yield ["", peer["name"], ms(peer["ms"]), error, f"{peer['difference']:.1e}"]
        for name, why in row["cannot"].items():
            yield ["", name, "-", "-", why]


def markdown(result):
    rows, run = result["rows"], result["run"]
    flops, size = (max(row["ceilings"][what] for row in rows) for what in ("flops", "bytes"))
    lines = ["# clattn side by side", ""]
    lines += [f"- {name}: {text}" for name, text in result["machine"].items()]
    lines += [f"- {name}: {text}" for name, text in result["versions"].items()]
    lines += [
        f"- ceilings, the best of the run: {flops / 1e9:.1f} GFLOP/s multiply-add in f32, {size / 1e9:.1f} GB/s read",
        "",
        f"Milliseconds, the best of {run['rounds']} rounds in which everyone takes a turn of {run['seconds']} s, "
        "same inputs, values compared. Of the ceiling: multiply-adds or reading, whichever bounds the case, as "
        "measured in the same rounds. Ratio: the best peer's time over clattn's; above 1 clattn is faster. "
        "A star: less precise than the storage type allows, so not compared.",
        "",
    ]
    lines += table(["case", "clattn", "of ceiling", *COLUMNS, "best peer", "ratio", "bars"], main_rows(rows))
    if result["first_use"]:
        lines += ["First use, from nothing and from the caches that left (opening the device apart):", ""]
        lines += table(
            ["case", "opening, ms", "first result without cache, ms", "with cache, ms"],
            ([one["name"], ms(one["opening_ms"]), ms(one["cold_ms"]), ms(one["warm_ms"])] for one in result["first_use"]),
        )  # fmt: skip
    lines += ["Every way that was timed; error: against double precision; difference: from clattn's result.", ""]
    lines += table(["case", "way", "ms", "error", "difference, or why not"], way_rows(rows))
    return "\n".join(lines)
