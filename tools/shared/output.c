#define _XOPEN_SOURCE 700 /* realpath */
#include "output.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Interrupts -------------------------------------------------------------- */

static output_set *open_set; /* what the handler would remove */

static void remove_temporaries(output_set *set)
{
    for (int i = 0; i < set->count; i++) {
        if (set->items[i].temporary) {
            unlink(set->items[i].temporary);
        }
    }
}

static void on_interrupt(int number)
{
    if (open_set) {
        remove_temporaries(open_set);
    }
    signal(number, SIG_DFL);
    raise(number);
}

static void watch_interrupts(output_set *set)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    if (!open_set) {
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
            signal(numbers[i], on_interrupt);
        }
        signal(SIGXFSZ, SIG_IGN); /* a file size limit then fails the write, which is reported */
    }
    open_set = set;
}

/* ---- Paths ------------------------------------------------------------------- */

/* The directory of path with its slash, then name; owned by the caller. */
static char *beside(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    const size_t directory = slash ? (size_t)(slash - path) + 1 : 0;
    char *text = malloc(directory + strlen(name) + 1);
    if (text) {
        memcpy(text, path, directory);
        strcpy(text + directory, name);
    }
    return text;
}

/* The file that a write to path would reach, whether it exists or not: links followed, so
 * that two ways to say one name are seen.  NULL and errno if its directory is missing. */
static char *resolve(const char *path)
{
    char *target = realpath(path, NULL);
    if (target) {
        return target;
    }
    const char *slash = strrchr(path, '/');
    char *directory = beside(path, ".");
    char *real = directory ? realpath(directory, NULL) : NULL;
    free(directory);
    if (!real) {
        return NULL;
    }
    const size_t length = strlen(real);
    char *longer = realloc(real, length + strlen(path) + 2);
    if (!longer) {
        free(real);
        return NULL;
    }
    longer[length] = '/';
    strcpy(longer + length + 1, slash ? slash + 1 : path);
    return longer;
}

static bool check_place(const char *target, reason *why)
{
    struct stat info;
    if (stat(target, &info) == 0 && !S_ISREG(info.st_mode)) {
        return refuse(why, "%s",
                      S_ISDIR(info.st_mode) ? "is a directory" : "is not a regular file");
    }
    if (access(target, F_OK) == 0 && access(target, W_OK) != 0) {
        return refuse(why, "%s", strerror(errno));
    }
    char *directory = beside(target, ".");
    if (!directory) {
        return refuse(why, "out of memory");
    }
    const bool writable = access(directory, W_OK | X_OK) == 0;
    free(directory);
    return writable ? true : refuse(why, "%s", strerror(errno));
}

bool output_add(output_set *set, const char *path, reason *why)
{
    if (set->count == OUTPUT_MAX) {
        return refuse(why, "too many outputs");
    }
    if (!*path || path[strlen(path) - 1] == '/') {
        return refuse(why, "not a file name");
    }
    char *target = resolve(path);
    if (!target) {
        return refuse(why, "%s", strerror(errno));
    }
    bool fits = check_place(target, why);
    for (int i = 0; i < set->count && fits; i++) {
        if (strcmp(set->items[i].target, target) == 0) {
            fits = refuse(why, "two outputs with one name");
        }
    }
    if (!fits) {
        free(target);
        return false;
    }
    set->items[set->count++] = (output){.path = path, .target = target};
    return true;
}

/* ---- Writing ----------------------------------------------------------------- */

static output *find(output_set *set, const char *path)
{
    for (int i = 0; i < set->count; i++) {
        if (set->items[i].path == path) {
            return &set->items[i];
        }
    }
    return NULL;
}

FILE *output_begin(output_set *set, const char *path, reason *why)
{
    output *item = find(set, path);
    watch_interrupts(set);
    for (int attempt = 0; item && attempt < 100; attempt++) {
        char name[64];
        snprintf(name, sizeof name, ".clattn-%ld-%d.tmp", (long)getpid(), attempt);
        char *temporary = beside(item->target, name);
        item->file = temporary ? fopen(temporary, "wbx") : NULL;
        if (item->file) {
            item->temporary = temporary;
            return item->file;
        }
        free(temporary);
        if (errno != EEXIST) {
            break;
        }
    }
    refuse(why, "%s", strerror(errno));
    return NULL;
}

bool output_end(output_set *set, const char *path, reason *why)
{
    output *item = find(set, path);
    const bool written = !ferror(item->file) && fflush(item->file) == 0;
    const bool closed = fclose(item->file) == 0;
    item->file = NULL;
    return written && closed ? true : refuse(why, "%s", strerror(errno));
}

bool output_commit(output_set *set, reason *why)
{
    for (int i = 0; i < set->count; i++) {
        output *item = &set->items[i];
        if (!item->temporary) {
            continue;
        }
        if (rename(item->temporary, item->target) != 0) {
            refuse(why, "%.200s: %s", item->path, strerror(errno));
            while (i-- > 0) { /* half of the answer would be worse than none */
                unlink(set->items[i].target);
            }
            return false;
        }
        char *done = item->temporary;
        item->temporary = NULL; /* an interrupt must not see it freed */
        free(done);
    }
    return true;
}

void output_free(output_set *set)
{
    remove_temporaries(set);
    open_set = NULL;
    for (int i = 0; i < set->count; i++) {
        if (set->items[i].file) {
            fclose(set->items[i].file);
        }
        free(set->items[i].temporary);
        free(set->items[i].target);
    }
    *set = (output_set){.count = 0};
}
