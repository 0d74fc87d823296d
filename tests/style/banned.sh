#!/usr/bin/env bash
# Calls that the project does not use, and what to use instead.
set -u
. tests/style/sources.sh
bad=0

# ban WHERE CALLS INSTEAD: CALLS is a regular expression of function names, WHERE one of paths.
ban() {
    local found
    found=$(sources '*.c' '*.h' | grep -P "$1" |
        xargs -r grep -nHP "(?<![A-Za-z0-9_.>])($2)\s*\(" | grep -vE '^[^:]+:[0-9]+:[[:space:]]*(/\*|\*)')
    if [ -n "$found" ]; then
        echo "$found"
        echo "    instead: $3"
        bad=1
    fi
}

all='.'
ban "$all" 'strcpy|stpcpy|strcat|strncpy|strncat' 'text_format() or memcpy() with a length that was checked'
ban "$all" 'sprintf|vsprintf' 'text_format(), text_append() or snprintf()'
ban "$all" 'gets|scanf|sscanf|fscanf|vsscanf' 'fgets() or getline() and strtoull() with checks'
ban "$all" 'atoi|atol|atoll|atof' 'a parser that refuses trailing text and overflow (strtoull with endptr and errno)'
ban "$all" 'rand|srand|random|srandom|drand48|rand_r' 'base/prng.h with a seed; getrandom() for identities'
ban "$all" 'system|popen|vfork' 'fork() and exec with an argument vector'
ban "$all" 'alloca|strdupa' 'an array of a stated bound, or mem_alloc()'
ban "$all" 'strtok|asctime|ctime|localtime|gmtime|gethostbyname' 'the form that keeps its state with the caller (..._r, getaddrinfo)'
ban "$all" 'tmpnam|mktemp|tempnam' 'mkstemp() or mkdtemp()'
ban "$all" 'signal|setjmp|longjmp' 'sigaction(); forward goto for cleanup'
ban "$all" 'assert' 'PRE, POST, INVARIANT, IMPOSSIBLE of base/contract.h, which stay on in release builds'
ban '^(base|wire|placement|config_master|chainnode|client)/(?!buf\.c)' 'malloc|calloc|realloc|strdup|strndup' \
    'mem_alloc() and its kin (base/buf.h)'
ban '^tests/(unit|scenario|sim|fuzz|lib)/' 'sleep|usleep|nanosleep|nng_msleep' 'wait for a condition with a deadline'

exit $bad
