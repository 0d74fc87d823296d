# Sourced by the checks: the project's own files, with or without git.
# sources PATTERN...: paths of the files whose names match one of the patterns, sorted.
top_directories="base wire placement config_master chainnode client tools tests docs .ci"

sources() {
    local names=() pattern
    for pattern in "$@"; do
        [ ${#names[@]} -eq 0 ] || names+=(-o)
        names+=(-name "$pattern")
    done
    # shellcheck disable=SC2086 # a list of words
    find $top_directories -type f \( "${names[@]}" \) 2>/dev/null | LC_ALL=C sort
}
