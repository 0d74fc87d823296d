#!/usr/bin/env bash
# No source file is longer than 800 lines, none sounds unfinished, each header has the guard of its path.
set -u
. tests/style/sources.sh
bad=0
complain() {
    echo "$*"
    bad=1
}

while read -r file; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 800 ] || complain "$file: $lines lines; the limit is 800: is there a second thing in it?"
done < <(sources '*.c' '*.h' '*.sh' '*.py')

while read -r line; do
    complain "$line: finish it, or say in docs/ why it is not there"
done < <(sources '*.c' '*.h' '*.sh' '*.txt' '*.md' | grep -v '^tests/style/' |
    xargs -r grep -nHwE 'TODO|FIXME|XXX' | cut -c1-120)

# CATENA_..., ends with the file's name, and no other header has it.
guards=$(sources '*.h' | xargs -r grep -hE '^#ifndef CATENA_' | sort | uniq -d)
[ -z "$guards" ] || complain "two headers have the same include guard: $guards"
while read -r file; do
    name=$(basename "$file" .h | tr 'a-z.-' 'A-Z__')_H
    grep -qE "^#define CATENA_([A-Z0-9_]*_)?$name\$" "$file" || [ "$file" = client/include/catena.h ] ||
        complain "$file: the include guard should be CATENA_..._$name"
done < <(sources '*.h')

exit $bad
