#!/usr/bin/env bash
# cmake --install into an empty prefix; the programs run from there, the manual pages are there, docs/example.c builds with
# nothing but pkg-config against the shared and the static library, and both export catena_ names only.
#
#   install_test.sh SOURCE BUILD
set -uo pipefail
source=$(cd "$1" && pwd)
build=$(cd "$2" && pwd)
set -- "$build/bin"
. "$(dirname "$0")/lib/daemons.sh"
prefix="$work/prefix"
cmake --install "$build" --prefix "$prefix" >"$work/install.log" 2>&1 || die "cmake --install: $(tail "$work/install.log")"
for program in catena catena-master catena-node catena-bench; do
    [ -x "$prefix/bin/$program" ] || complain "bin/$program is not installed"
    "$prefix/bin/$program" --version >/dev/null || complain "$program --version"
    "$prefix/bin/$program" --help >/dev/null || complain "$program --help"
    find "$prefix/share/man" -name "$program.1*" | grep -q . || complain "the manual page of $program is not installed"
    grep -q "^\.Nm $program\$" "$source/docs/man/$program.1" || complain "docs/man/$program.1 is of something else"
done
# Every command is in catena's manual page, and every option of the daemons in theirs.
for command in $("$prefix/bin/catena" --help | awk '/^  [a-z]+ +[A-Z]/ { print $1 }'); do
    grep -qE "^\.(It|Ss|Sh|Cm|Ic|Nm).*\b$command\b" "$source/docs/man/catena.1" || complain "catena.1 lacks $command"
    grep -qE "catena $command\b" "$source/docs/cli.md" || complain "docs/cli.md lacks $command"
done
for program in catena-master catena-node catena-bench; do
    for option in $("$prefix/bin/$program" --help | grep -oE '^ +--[a-z0-9-]+' | tr -d ' '); do
        grep -qE -- "Fl -${option#--}\b" "$source/docs/man/$program.1" || complain "$program.1 lacks $option"
    done
done

library=$(dirname "$(find "$prefix" -name libcatena.a)")
export PKG_CONFIG_PATH="$library/pkgconfig"
pkg-config --exists catena || die "pkg-config does not find catena below the prefix"
flags=$(pkg-config --cflags catena)
# The flags are words. $extra: sanitizers, when the build has them.
extra=$(sed -nE 's/^CATENA_SANITIZE:[A-Z]+=(.+)$/-fsanitize=\1/p' "$build/CMakeCache.txt")
cc -std=c11 -Wall -Wextra -Werror $extra $flags "$source/docs/example.c" -o "$work/shared" \
    $(pkg-config --libs catena) 2>"$work/err" || complain "shared: $(cat "$work/err")"
mkdir "$work/static-only" && cp "$library/libcatena.a" "$work/static-only/"
cc -std=c11 $extra $flags "$source/docs/example.c" -o "$work/static" -L"$work/static-only" \
    $(pkg-config --static --libs catena | sed "s|-L$library||") 2>"$work/err" || complain "static: $(cat "$work/err")"
readelf -d "$work/shared" | grep -qE 'NEEDED.*libcatena\.so\.[0-9]+\]' || complain "no soversion in NEEDED"
readelf -d "$work/static" | grep -q 'NEEDED.*libcatena' && complain "the static program needs the shared library"
echo '#include <catena.h>
int main(void) { return 0; }' >"$work/alone.cc"
! command -v c++ >/dev/null || c++ $flags -c "$work/alone.cc" -o "$work/alone.o" || complain "catena.h is no C++"

foreign=$(nm -D --defined-only "$library/libcatena.so" | awk '$2 != "A" { print $3 }' | grep -v '^catena_')
[ -z "$foreign" ] || complain "the shared library exports: $(head -5 <<<"$foreign")"
foreign=$(nm -g --defined-only "$library/libcatena.a" | awk 'NF == 3 { print $3 }' | grep -v '^catena_')
[ -n "$extra" ] || [ -z "$foreign" ] || complain "the static library exports: $(head -5 <<<"$foreign")"
[ "$(nm -D --defined-only "$library/libcatena.so" | grep -c ' T catena_')" -ge 20 ] || complain "hardly anything is exported"

"$prefix/bin/catena" up --dir "$work/cluster" --masters 1 --chains 4 >"$work/up.log" 2>&1 || die "$(cat "$work/up.log")"
CATENA_MASTERS=$(jq -r .masters "$work/cluster/cluster.json")
export CATENA_MASTERS
[ "$(LD_LIBRARY_PATH=$library "$work/shared" | head -1)" = world ] || complain "the example (shared) does not say world"
[ "$("$work/static" | tail -1)" = "somebody has the lock" ] || complain "the example (static): wrong lock"
"$prefix/bin/catena" down --dir "$work/cluster" >/dev/null || complain "down"
[ "$failures" -eq 0 ] && say "ok: install"
