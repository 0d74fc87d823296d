#!/usr/bin/env bash
# Include lines follow the edges of layers.txt; cores see neither time, network, disk nor threads; each foreign library
# is seen by one layer only (its errors are translated there).
set -u
. tests/style/sources.sh

sources '*.c' '*.h' | xargs -r awk '
BEGIN {
    while ((getline line < "tests/style/layers.txt") > 0) {
        if (line ~ /^#/ || line == "")
            continue
        count = split(line, word, /[ \t]+/)
        prefix[++rows] = word[1]
        layer_of_row[rows] = word[2]
        known[word[2]] = 1
        for (i = 3; i <= count; i++)
            allowed[word[2], word[i]] = 1
    }
    # A pure layer needs no more of the C library than this.
    pure_list = "stdarg.h stdalign.h stdatomic.h stdbool.h stddef.h stdint.h stdlib.h string.h limits.h inttypes.h"
    split(pure_list, list, " ")
    for (i in list)
        pure_header[list[i]] = 1
    split("wire placement raft cm_plan cm_core cm_server cn_core cl_core api", list, " ")
    for (i in list)
        pure[list[i]] = 1
    only["nng/"] = "wire_transport"
    only["cbor"] = "wire_codec"
    only["rocksdb/"] = "base_io"
    only["xxhash"] = "base"
    only["check.h"] = "tests"
}
function layer(path, i) {
    if (path == "base/io/args.h" || path == "base/io/daemon.h" || path == "base/io/process.h")
        return "args"
    for (i = 1; i <= rows; i++)
        if (index(path, prefix[i]) == 1)
            return layer_of_row[i]
    return "unknown"
}
function complain(text) {
    print FILENAME ":" FNR ": " text
    bad = 1
}
FNR == 1 { mine = layer(FILENAME); if (FILENAME ~ /^base\/io\//) mine = "base_io" }
/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, part, "\"")
    other = part[2]
    if (mine == "tests")
        next
    if (other !~ /\//) {
        complain("\"" other "\": name the path from the top, so that the line shows the layer")
        next
    }
    theirs = layer(other)
    if (theirs == mine || (theirs == "args" && (allowed[mine, "base_io"] || mine == "base_io")))
        next
    if (theirs == "unknown")
        complain("\"" other "\": no such layer")
    else if (!allowed[mine, theirs] && !allowed[mine, "*"])
        complain("\"" other "\": layer " mine " may not include layer " theirs " (tests/style/layers.txt)")
}
/^[ \t]*#[ \t]*include[ \t]*</ {
    header = $0
    sub(/^[^<]*</, "", header)
    sub(/>.*/, "", header)
    for (start in only)
        if (index(header, start) == 1 && mine != only[start] && mine != "tests")
            complain("<" header ">: only layer " only[start] " sees this library")
    if ((pure[mine] || (mine == "base" && FILENAME ~ /\.h$/)) && !pure_header[header])
        complain("<" header ">: layer " mine " is pure: time, randomness and input come as arguments")
}
END { exit bad }'
status=$?

# Tools that stand beside each other share nothing but tools/shared: each sees its own folder, that one and the public header.
crossed=$(sources '*.c' '*.h' | grep '^tools/' | xargs -r grep -nH '#include "tools/' |
    awk -F'[:/"]' '{ split($0, a, /"/); split(a[2], other, "/"); if (other[2] != $2 && other[2] != "shared") print }')
if [ -n "$crossed" ]; then
    echo "$crossed"
    echo "    a tool includes files of another tool"
    status=1
fi
exit $status
