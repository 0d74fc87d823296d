#!/usr/bin/env bash
# The same seeds tell the same story in every build: Debug and Release, gcc and clang.
# usage: tests/sim/determinism.sh [SEEDS]
set -euo pipefail
cd "$(dirname "$0")/../.."
seeds=${1:-40}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for compiler in gcc clang; do
    for type in Debug Release; do
        build=$work/$compiler-$type
        cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=$type -DCMAKE_C_COMPILER=$compiler >/dev/null
        ninja -C "$build" catena-sim >/dev/null
        for ((seed = 1; seed <= seeds; seed++)); do
            "$build/tests/catena-sim" --seed "$seed"
        done >"$work/$compiler-$type.txt"
        if ! cmp "$work/gcc-Debug.txt" "$work/$compiler-$type.txt"; then
            echo "determinism: $compiler $type tells another story"
            exit 1
        fi
        rm -rf "$build"
        echo "$compiler $type: $seeds seeds, $(grep -c hash= "$work/$compiler-$type.txt") hashes, after $SECONDS s"
    done
done
echo "determinism: $seeds seeds, four builds, the same lines, $(sha256sum <"$work/gcc-Debug.txt" | cut -c1-16)"
