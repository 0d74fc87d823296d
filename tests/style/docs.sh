#!/usr/bin/env bash
# Rule numbers that code cites exist in docs/protocol.md, links in the documents lead somewhere, manual pages are well formed.
set -u
. tests/style/sources.sh
bad=0

# R1-R37, as "R7" or in "R14, R16"; a number without a heading there is a citation nobody can look up.
rules=$(grep -oE '\*\*R[0-9]+(†)?\*\*' docs/protocol.md | tr -d '*†' | sort -u)
for cited in $(sources '*.c' '*.h' '*.md' | xargs -r grep -ohE '\bR[1-9][0-9]?\b' | sort -u); do
    grep -qx "$cited" <<<"$rules" || {
        echo "protocol rule $cited is cited, but docs/protocol.md does not state it"
        bad=1
    }
done

while IFS=: read -r file link; do
    case "$link" in http*) continue ;; esac
    target=${link%%#*}
    [ -z "$target" ] || [ -e "$(dirname "$file")/$target" ] || {
        echo "$file: the link to $link leads nowhere"
        bad=1
    }
done < <({ ls ./*.md && sources '*.md'; } | xargs -r grep -oHE '\]\([^)]+\)' | sed -E 's/:\]\(/:/; s/\)$//')

if command -v mandoc >/dev/null; then
    for page in docs/man/*.[1-8]; do
        [ -e "$page" ] || continue
        mandoc -T lint -W warning "$page" || bad=1
    done
fi
exit $bad
