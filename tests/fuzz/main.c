/* A fuzz target without libFuzzer: replays files and directories, or makes its own inputs.
 *
 *   fuzz_NAME [FILE | DIRECTORY]...             each once; then done
 *   fuzz_NAME --random SECONDS [--seed N] ...   then random inputs and changed files for so long
 *
 * Input number i of a seed is the same on every machine. When the program stops, the input lies in
 * crash-NAME-SEED-NUMBER in the working directory and the numbers are printed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/prng.h"
#include "tests/fuzz/fuzz.h"

enum { INPUT_BYTES_MAX = 8192, FILES_MAX = 8192, FILE_BYTES_MAX = 1 << 20 };

struct file {
    uint8_t *data;
    size_t length;
};

static struct file files[FILES_MAX];
static unsigned files_count;

/* What runs now, for on_death(). */
static const uint8_t *current;
static size_t current_length;
static char current_name[4096];
static char crash_path[512];

static void on_death(void)
{
    dprintf(STDERR_FILENO, "fuzz: stopped in %s\n", current_name);
    if (crash_path[0] == '\0')
        return;
    int fd = open(crash_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0 && write(fd, current, current_length) == (ssize_t)current_length)
        dprintf(STDERR_FILENO, "fuzz: the input is in %s\n", crash_path);
    if (fd >= 0)
        (void)close(fd);
}

static void on_signal(int number)
{
    on_death();
    (void)raise(number); /* the handler is reset: this ends the process */
}

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void catch_death(void)
{
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(on_death);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    (void)sigaction(SIGABRT, &action, NULL);
    if (__sanitizer_set_death_callback == NULL) {
        (void)sigaction(SIGSEGV, &action, NULL);
        (void)sigaction(SIGBUS, &action, NULL);
        (void)sigaction(SIGFPE, &action, NULL);
    }
    (void)sigaction(SIGALRM, &action, NULL);
}

/* Each input gets memory of its exact size, so that a sanitizer sees the first byte too many. */
static void run(const uint8_t *data, size_t length)
{
    uint8_t *copy = malloc(length == 0 ? 1 : length);
    PRE(copy != NULL);
    if (length > 0)
        memcpy(copy, data, length);
    current = copy;
    current_length = length;
    (void)alarm(30);
    (void)LLVMFuzzerTestOneInput(copy, length);
    (void)alarm(0);
    free(copy);
}

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || files_count == FILES_MAX) {
        fprintf(stderr, "cannot read %s: %s\n", path, strerror(errno));
        exit(2);
    }
    uint8_t *data = malloc(FILE_BYTES_MAX);
    PRE(data != NULL);
    size_t length = fread(data, 1, FILE_BYTES_MAX, file);
    (void)fclose(file);
    uint8_t *fitted = realloc(data, length == 0 ? 1 : length);
    PRE(fitted != NULL);
    files[files_count++] = (struct file){.data = fitted, .length = length};
    snprintf(current_name, sizeof current_name, "%s", path);
    run(fitted, length);
}

static void run_path(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode)) {
        run_file(path);
        return;
    }
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            run_file(file);
        free(entries[i]);
    }
    free(entries);
}

/* Half of the inputs are noise, half are files of the corpus with some bytes changed. */
static size_t make_input(struct prng *prng, uint8_t *out)
{
    static const size_t lengths[] = {16, 64, 256, 1024, INPUT_BYTES_MAX};
    if (files_count == 0 || prng_once_in(prng, 2)) {
        size_t length = prng_below(prng, lengths[prng_below(prng, ARRAY_COUNT(lengths))]);
        for (size_t i = 0; i < length; i++)
            out[i] = (uint8_t)prng_next(prng);
        return length;
    }
    const struct file *file = &files[prng_below(prng, files_count)];
    size_t length = file->length < INPUT_BYTES_MAX ? file->length : INPUT_BYTES_MAX;
    memcpy(out, file->data, length);
    for (uint64_t changes = prng_below(prng, 8); changes > 0 && length > 0; changes--) {
        size_t at = prng_below(prng, length);
        switch (prng_below(prng, 4)) {
        case 0:
            out[at] = (uint8_t)prng_next(prng);
            break;
        case 1:
            out[at] ^= (uint8_t)(1u << prng_below(prng, 8));
            break;
        case 2:
            length = prng_once_in(prng, 4) ? at : length;
            break;
        default: {
            const struct file *other = &files[prng_below(prng, files_count)];
            size_t from = other->length == 0 ? 0 : prng_below(prng, other->length);
            size_t bytes = other->length - from;
            if (bytes > INPUT_BYTES_MAX - at)
                bytes = INPUT_BYTES_MAX - at;
            memcpy(out + at, other->data + from, bytes);
            length = at + bytes > length ? at + bytes : length;
            break;
        }
        }
    }
    return length;
}

static void run_random(const char *name, uint64_t seconds, uint64_t seed)
{
    static uint8_t input[INPUT_BYTES_MAX];
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    time_t end = now.tv_sec + (time_t)seconds;
    uint64_t number = 0;
    printf("seed %llu\n", (unsigned long long)seed);
    (void)fflush(stdout);
    while (now.tv_sec < end) {
        struct prng prng;
        prng_init(&prng, seed * 1000003u + number);
        size_t length = make_input(&prng, input);
        snprintf(current_name, sizeof current_name, "input %llu of --seed %llu",
                 (unsigned long long)number, (unsigned long long)seed);
        snprintf(crash_path, sizeof crash_path, "crash-%.100s-%llu-%llu", name,
                 (unsigned long long)seed, (unsigned long long)number);
        run(input, length);
        number++;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    }
    printf("%llu random inputs\n", (unsigned long long)number);
}

static uint64_t number_of(const char *text)
{
    char *end = NULL;
    uint64_t value = strtoull(text == NULL ? "" : text, &end, 10);
    if (text == NULL || end == text || *end != '\0') {
        fprintf(stderr, "not a number: %s\n", text == NULL ? "" : text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    uint64_t seconds = 0;
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = (uint64_t)time(NULL);
    seed %= 1000000000;
    catch_death();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--random") == 0)
            seconds = number_of(argv[++i]);
        else if (strcmp(argv[i], "--seed") == 0)
            seed = number_of(argv[++i]);
        else
            run_path(argv[i]);
    }
    printf("%u files replayed\n", files_count);
    const char *slash = strrchr(argv[0], '/');
    if (seconds > 0)
        run_random(slash == NULL ? argv[0] : slash + 1, seconds, seed);
    for (unsigned i = 0; i < files_count; i++)
        free(files[i].data);
    return 0;
}
