#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A record is one line: "clattn probe 1 KEY wrong nv_lanes REASON". */

enum { PATH_BYTES = 4096, LINE_BYTES = 512 };

static const char *const words[] = {"", "right", "wrong", "unknown"}; /* by state */

const char *clattn__answer_word(const struct clattn__answer *answer)
{
    return words[answer->state];
}

bool clattn__answer_read(struct clattn__answer *answer, const char *word, const char *reason)
{
    for (int state = CLATTN__RIGHT; state <= CLATTN__UNKNOWN; state++) {
        if (!strcmp(word, words[state])) {
            answer->state = state;
            snprintf(answer->reason, sizeof answer->reason, "%s", reason);
            return true;
        }
    }
    return false;
}

static bool path_of(const struct clattn__programs *programs, const struct clattn__answer *answer,
                    const char *suffix, char path[PATH_BYTES])
{
    return programs->cache_dir && (size_t)snprintf(path, PATH_BYTES, "%s/%s%s", programs->cache_dir,
                                                   answer->key, suffix) < PATH_BYTES;
}

/* Its first line, if it ends; false if there is no such file, too. */
static bool read_line(const char *path, char line[LINE_BYTES])
{
    FILE *file = fopen(path, "rb");
    line[0] = '\0';
    if (!file) {
        return false;
    }
    const bool got = fgets(line, LINE_BYTES, file);
    char *newline = got ? strchr(line, '\n') : NULL;
    fclose(file);
    if (newline) {
        *newline = '\0';
    }
    return newline;
}

/* ---- Marks ------------------------------------------------------------------------ */

/* A mark holds the number of the process that set it. */
void clattn__mark_set(const struct clattn__programs *programs, const struct clattn__answer *answer)
{
    char path[PATH_BYTES];
    FILE *file =
        path_of(programs, answer, ".mark", path) && clattn__make_directories(programs->cache_dir)
            ? fopen(path, "wb")
            : NULL;
    if (file) {
        fprintf(file, "%lu\n", clattn__process_id());
        fclose(file);
    }
}

void clattn__mark_remove(const struct clattn__programs *programs,
                         const struct clattn__answer *answer)
{
    char path[PATH_BYTES];
    if (path_of(programs, answer, ".mark", path)) {
        remove(path);
    }
}

/* One whose process lives is at work, and no answer. */
static bool was_the_end_of_a_process(const struct clattn__programs *programs,
                                     const struct clattn__answer *answer)
{
    char path[PATH_BYTES], line[LINE_BYTES];
    return path_of(programs, answer, ".mark", path) && read_line(path, line) &&
           !clattn__process_lives(strtoul(line, NULL, 10));
}

/* ---- Records ----------------------------------------------------------------------- */

void clattn__record_read(const struct clattn__programs *programs, struct clattn__answer *answer)
{
    char path[PATH_BYTES], line[LINE_BYTES], key[65] = "", word[16] = "", name[64] = "";
    int reason = 0;
    if (path_of(programs, answer, ".probe", path) && read_line(path, line)) {
        const bool whole =
            sscanf(line, "clattn probe 1 %64s %15s %63s %n", key, word, name, &reason) == 3 &&
            !strcmp(key, answer->key) && !strcmp(name, answer->probe->name);
        if (whole && clattn__answer_read(answer, word, line + reason)) {
            return;
        }
        clattn__log(programs->device, "probe: '%s' is damaged: probing again", path);
    }
    if (was_the_end_of_a_process(programs, answer)) {
        answer->state = CLATTN__WRONG;
        snprintf(answer->reason, sizeof answer->reason, "an earlier probe ended the process");
        clattn__record_write(programs, answer);
        clattn__mark_remove(programs, answer);
    }
}

/* Written beside and renamed, so that no reader ever sees half a file. */
void clattn__record_write(const struct clattn__programs *programs,
                          const struct clattn__answer *answer)
{
    char path[PATH_BYTES], beside[PATH_BYTES], suffix[64];
    snprintf(suffix, sizeof suffix, ".%lu.%p", clattn__process_id(), (const void *)answer);
    if (answer->state == CLATTN__UNKNOWN || !path_of(programs, answer, ".probe", path) ||
        !path_of(programs, answer, suffix, beside)) {
        return;
    }
    FILE *file = clattn__make_directories(programs->cache_dir) ? fopen(beside, "wb") : NULL;
    const bool written =
        file && fprintf(file, "clattn probe 1 %s %s %s %s\n", answer->key,
                        clattn__answer_word(answer), answer->probe->name, answer->reason) > 0;
    const bool closed = file && fclose(file) == 0;
    if (!written || !closed || !clattn__replace_file(beside, path)) {
        remove(beside);
        clattn__log(programs->device, "probe: could not write '%s'; it will be tried again", path);
    }
}
