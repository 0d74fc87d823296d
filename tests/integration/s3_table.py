#!/usr/bin/env python3
"""The table of clients and operations in docs/s3.md, from what s3_clients.sh saw.

Usage: s3_table.py --write|--check RESULTS DOCUMENT

Lines of RESULTS: CLIENT OPERATION TRANSPORT ok|FAILED|skipped [REASON], and CLIENT version TRANSPORT VERSION. --check ends with 1
if what was seen and what the document says differ; operations (or whole clients: "all") that were skipped may be missing, versions
may be others."""

import sys

BEGIN = "<!-- clients: begin (written by tests/integration/s3_clients.sh with S3_TABLE=write) -->"
END = "<!-- clients: end -->"
CLIENTS = ["aws-cli-2", "aws-cli-1", "boto3", "boto3-1.26", "sdk-js", "rclone", "s3cmd", "restic", "s3fs", "curl", "browser"]
CELLS = {frozenset(): "", frozenset(["HTTP", "HTTPS"]): "both", frozenset(["HTTP"]): "HTTP", frozenset(["HTTPS"]): "HTTPS"}


def read_results(path):
    """Operations in the order of their first appearance, {(client, operation): {transports}}, skipped pairs, versions."""
    operations, seen, skipped, versions = [], {}, set(), {}
    with open(path) as lines:
        for line in lines:
            client, operation, transport, result = line.split(None, 3)
            if operation == "version":
                versions[client] = result.strip()
            elif result.startswith("skipped"):
                skipped.add((client, operation))
            elif result.strip() == "ok":
                seen.setdefault((client, operation), set()).add(transport)
                if operation not in operations:
                    operations.append(operation)
    return operations, seen, skipped, versions


def render(operations, seen, versions):
    clients = [client for client in CLIENTS if any(pair[0] == client for pair in seen)]
    rows = [["operation"] + clients, ["---"] * (len(clients) + 1), ["(version)"] + [versions.get(client, "") for client in clients]]
    for operation in sorted(operations):
        rows.append([operation] + [CELLS[frozenset(seen.get((client, operation), ()))] for client in clients])
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def parse(table):
    """{(client, operation): {transports}} of a rendered table."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines() if line.startswith("|")]
    if len(rows) < 3:
        return {}
    meaning = {text: set(transports) for transports, text in CELLS.items()}
    said = {}
    for row in rows[3:]:
        for client, cell in zip(rows[0][1:], row[1:]):
            if cell:
                said[client, row[0]] = meaning[cell]
    return said


def compare(said, seen, skipped):
    differences = []
    for pair in sorted(set(said) | set(seen)):
        is_skipped = pair in skipped or (pair[0], "all") in skipped
        if said.get(pair) != seen.get(pair) and not (is_skipped and pair not in seen):
            differences.append(f"{pair[0]} {pair[1]}: the table says {sorted(said.get(pair, [])) or 'nothing'}, the tests saw "
                               f"{sorted(seen.get(pair, [])) or 'nothing'}")
    return differences


def main():
    mode, results, path = sys.argv[1:4]
    operations, seen, skipped, versions = read_results(results)
    with open(path) as document:
        text = document.read()
    if BEGIN not in text or END not in text:
        sys.exit(f"{path} has no place for the table: {BEGIN} ... {END}")
    before, rest = text.split(BEGIN, 1)
    table, after = rest.split(END, 1)
    if mode == "--write":
        if skipped:
            sys.exit(f"not written: some were skipped: {sorted(skipped)}")
        with open(path, "w") as document:
            document.write(f"{before}{BEGIN}\n{render(operations, seen, versions)}{END}{after}")
        return
    differences = compare(parse(table), seen, skipped)
    if differences:
        sys.exit("docs/s3.md is not what the tests saw (S3_TABLE=write writes it again):\n" + "\n".join(differences))


if __name__ == "__main__":
    main()
