#include "tools/gateway/http_time.h"

#include <string.h>
#include <time.h>

#include "base/io/args.h"

static const char *const months[12] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const days[7] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

/* A small reader: each step consumes or marks the whole as bad. */
struct reader {
    const char *cursor;
    bool is_bad;
};

static int take_digits(struct reader *reader, unsigned count)
{
    int value = 0;
    for (unsigned i = 0; i < count && !reader->is_bad; i++, reader->cursor++) {
        if (*reader->cursor < '0' || *reader->cursor > '9') {
            reader->is_bad = true;
            return 0;
        }
        value = value * 10 + (*reader->cursor - '0');
    }
    return value;
}

static void take_text(struct reader *reader, const char *text)
{
    size_t length = strlen(text);
    if (reader->is_bad || strncmp(reader->cursor, text, length) != 0)
        reader->is_bad = true;
    else
        reader->cursor += length;
}

static int take_name(struct reader *reader, const char *const *names, int count)
{
    for (int i = 0; i < count && !reader->is_bad; i++) {
        if (strncmp(reader->cursor, names[i], 3) == 0) {
            reader->cursor += 3;
            return i;
        }
    }
    reader->is_bad = true;
    return 0;
}

static void take_clock(struct reader *reader, struct tm *tm)
{
    tm->tm_hour = take_digits(reader, 2);
    take_text(reader, ":");
    tm->tm_min = take_digits(reader, 2);
    take_text(reader, ":");
    tm->tm_sec = take_digits(reader, 2);
}

static bool finish(const struct reader *reader, struct tm *tm, int64_t *ret_seconds)
{
    static const int month_days[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (reader->is_bad || *reader->cursor != '\0' || tm->tm_mon < 0 || tm->tm_mon > 11 ||
        tm->tm_mday < 1 || tm->tm_mday > month_days[tm->tm_mon] || tm->tm_hour > 23 ||
        tm->tm_min > 59 || tm->tm_sec > 60)
        return false;
    *ret_seconds = timegm(tm);
    return true;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool parse_fixed(const char *text, int64_t *ret_seconds)
{
    struct reader reader = {.cursor = text};
    struct tm tm = {0};
    (void)take_name(&reader, days, 7);
    take_text(&reader, ", ");
    tm.tm_mday = take_digits(&reader, 2);
    take_text(&reader, " ");
    tm.tm_mon = take_name(&reader, months, 12);
    take_text(&reader, " ");
    tm.tm_year = take_digits(&reader, 4) - 1900;
    take_text(&reader, " ");
    take_clock(&reader, &tm);
    take_text(&reader, " GMT");
    return finish(&reader, &tm, ret_seconds);
}

/* "Sunday, 06-Nov-94 08:49:37 GMT" */
static bool parse_rfc850(const char *text, int64_t *ret_seconds)
{
    struct reader reader = {.cursor = text};
    struct tm tm = {0};
    (void)take_name(&reader, days, 7);
    while (*reader.cursor >= 'a' && *reader.cursor <= 'z')
        reader.cursor++;
    take_text(&reader, ", ");
    tm.tm_mday = take_digits(&reader, 2);
    take_text(&reader, "-");
    tm.tm_mon = take_name(&reader, months, 12);
    take_text(&reader, "-");
    int year = take_digits(&reader, 2);
    tm.tm_year = year < 70 ? year + 100 : year;
    take_text(&reader, " ");
    take_clock(&reader, &tm);
    take_text(&reader, " GMT");
    return finish(&reader, &tm, ret_seconds);
}

/* "Sun Nov  6 08:49:37 1994" */
static bool parse_asctime(const char *text, int64_t *ret_seconds)
{
    struct reader reader = {.cursor = text};
    struct tm tm = {0};
    (void)take_name(&reader, days, 7);
    take_text(&reader, " ");
    tm.tm_mon = take_name(&reader, months, 12);
    take_text(&reader, " ");
    if (*reader.cursor == ' ') {
        reader.cursor++;
        tm.tm_mday = take_digits(&reader, 1);
    } else {
        tm.tm_mday = take_digits(&reader, 2);
    }
    take_text(&reader, " ");
    take_clock(&reader, &tm);
    take_text(&reader, " ");
    tm.tm_year = take_digits(&reader, 4) - 1900;
    return finish(&reader, &tm, ret_seconds);
}

bool gw_http_time_parse(const char *text, int64_t *ret_seconds)
{
    return parse_fixed(text, ret_seconds) || parse_rfc850(text, ret_seconds) ||
           parse_asctime(text, ret_seconds);
}

bool gw_amz_time_parse(const char *text, int64_t *ret_seconds)
{
    struct reader reader = {.cursor = text};
    struct tm tm = {0};
    tm.tm_year = take_digits(&reader, 4) - 1900;
    tm.tm_mon = take_digits(&reader, 2) - 1;
    tm.tm_mday = take_digits(&reader, 2);
    take_text(&reader, "T");
    tm.tm_hour = take_digits(&reader, 2);
    tm.tm_min = take_digits(&reader, 2);
    tm.tm_sec = take_digits(&reader, 2);
    take_text(&reader, "Z");
    return finish(&reader, &tm, ret_seconds);
}

bool gw_iso_time_parse(const char *text, uint64_t *ret_ms)
{
    struct reader reader = {.cursor = text};
    struct tm tm = {0};
    int64_t seconds;
    int ms = 0;
    tm.tm_year = take_digits(&reader, 4) - 1900;
    take_text(&reader, "-");
    tm.tm_mon = take_digits(&reader, 2) - 1;
    take_text(&reader, "-");
    tm.tm_mday = take_digits(&reader, 2);
    if (*reader.cursor != '\0') {
        take_text(&reader, "T");
        take_clock(&reader, &tm);
        if (*reader.cursor == '.') {
            reader.cursor++;
            ms = take_digits(&reader, 3);
        }
        take_text(&reader, "Z");
    }
    if (!finish(&reader, &tm, &seconds) || seconds < 0)
        return false;
    *ret_ms = (uint64_t)seconds * 1000 + (uint64_t)ms;
    return true;
}

bool gw_amz_time_from_any(const char *text, char *timestamp, int64_t *ret_seconds)
{
    if (!gw_amz_time_parse(text, ret_seconds) && !gw_http_time_parse(text, ret_seconds))
        return false;
    time_t seconds = (time_t)*ret_seconds;
    struct tm tm;
    (void)gmtime_r(&seconds, &tm);
    return strftime(timestamp, 17, "%Y%m%dT%H%M%SZ", &tm) == 16;
}

/* Every answer and every line of the log has a time: printf would be a good part of a small
 * request. */
static char *put_digits(char *out, unsigned value, unsigned count)
{
    for (unsigned i = count; i > 0; i--, value /= 10)
        out[i - 1] = (char)('0' + value % 10);
    return out + count;
}

static char *put_text(char *out, const char *text)
{
    size_t length = strlen(text);
    memcpy(out, text, length);
    return out + length;
}

static char *put_clock(char *out, const struct tm *tm)
{
    out = put_digits(out, (unsigned)tm->tm_hour, 2);
    out = put_digits(put_text(out, ":"), (unsigned)tm->tm_min, 2);
    return put_digits(put_text(out, ":"), (unsigned)tm->tm_sec, 2);
}

/* Four digits are enough for the year: what comes after 9999 is shown as its end. */
static struct tm calendar(uint64_t ms)
{
    const uint64_t end_of_9999 = 253402300799;
    uint64_t since = ms / 1000;
    time_t seconds = (time_t)(since < end_of_9999 ? since : end_of_9999);
    struct tm tm;
    (void)gmtime_r(&seconds, &tm);
    return tm;
}

char *gw_http_time_format(uint64_t ms, char *text)
{
    struct tm tm = calendar(ms);
    char *out = put_text(put_text(text, days[tm.tm_wday % 7]), ", ");
    out = put_text(put_digits(out, (unsigned)tm.tm_mday, 2), " ");
    out = put_text(put_text(out, months[tm.tm_mon % 12]), " ");
    out = put_text(put_digits(out, (unsigned)tm.tm_year + 1900, 4), " ");
    *put_text(put_clock(out, &tm), " GMT") = '\0';
    return text;
}

char *gw_iso_time_format(uint64_t ms, char *text)
{
    struct tm tm = calendar(ms);
    char *out = put_text(put_digits(text, (unsigned)tm.tm_year + 1900, 4), "-");
    out = put_text(put_digits(out, (unsigned)tm.tm_mon + 1, 2), "-");
    out = put_text(put_digits(out, (unsigned)tm.tm_mday, 2), "T");
    out = put_text(put_clock(out, &tm), ".");
    *put_text(put_digits(out, (unsigned)(ms % 1000), 3), "Z") = '\0';
    return text;
}
