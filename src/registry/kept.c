#include "kept.h"

#include "params.h"
#include "runtime/sha256.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096, LINE_BYTES = 512, HEADER_BYTES = 1200 };

/* ---- The list ----------------------------------------------------------------- */

static void free_entries(struct clattn__kept *list)
{
    while (list) {
        struct clattn__kept *next = list->next;
        free(list);
        list = next;
    }
}

static struct clattn__kept *find(struct clattn__kept *list, const char *label)
{
    while (list && strcmp(list->label, label)) {
        list = list->next;
    }
    return list;
}

/* Adds it, or replaces what has its label.  False without memory. */
static bool put(struct clattn__kept **list, const struct clattn__kept *kept)
{
    struct clattn__kept *there = find(*list, kept->label);
    if (!there) {
        there = calloc(1, sizeof *there);
        if (!there) {
            return false;
        }
        there->next = *list;
        *list = there;
    }
    struct clattn__kept *next = there->next;
    *there = *kept;
    there->next = next;
    return true;
}

/* False if it was not there. */
static bool drop(struct clattn__kept **list, const char *label)
{
    for (; *list; list = &(*list)->next) {
        if (!strcmp((*list)->label, label)) {
            struct clattn__kept *gone = *list;
            *list = gone->next;
            free(gone);
            return true;
        }
    }
    return false;
}

/* ---- The file ------------------------------------------------------------------- */

/* A file is a line about the device and the versions that its contents were measured with, then
 * one line for each kind of kernel: "attention/wide f32 d64 causal: VECTORS=3 KEYS=8", and for each
 * class of ops whose kernel was chosen: "project f16 in>=1024 out>=1024: gemm/matrix". */

/* Devices may share a directory, so its name comes from theirs; a new version finds the old file,
 * and says that it is stale. */
static bool file_path(const struct clattn__kept_store *store, const char *suffix,
                      char path[PATH_BYTES])
{
    const clattn_device_facts *facts = &store->device->facts;
    char hex[65];
    clattn__sha256 hash;
    clattn__sha256_init(&hash);
    clattn__sha256_add(&hash, facts->name, strlen(facts->name) + 1);
    clattn__sha256_add(&hash, facts->platform, strlen(facts->platform) + 1);
    clattn__sha256_hex(&hash, hex);
    return store->cache_dir && (size_t)snprintf(path, PATH_BYTES, "%s/tuning-%.16s.txt%s",
                                                store->cache_dir, hex, suffix) < PATH_BYTES;
}

static void write_header(const struct clattn__kept_store *store, char line[HEADER_BYTES])
{
    const clattn_device_facts *facts = &store->device->facts;
    snprintf(line, HEADER_BYTES, "clattn tuning 1, version %d, %s, driver %s, %s", CLATTN_VERSION,
             facts->platform_version, facts->driver, facts->name);
    for (; *line; line++) {
        *line = *line == '\n' || *line == '\r' ? ' ' : *line;
    }
}

/* One whole line without its end; false if it is too long, cut off, or holds a zero byte. */
static bool read_line(FILE *file, char *line, size_t bytes)
{
    size_t length = 0;
    bool whole = true;
    int c;
    while ((c = fgetc(file)) != EOF && c != '\n') {
        whole = whole && c != '\0' && length + 1 < bytes;
        if (whole) {
            line[length++] = (char)c;
        }
    }
    line[length] = '\0';
    return whole && c == '\n';
}

/* The variant of that name, or NULL; op NULL = of any. */
static const struct clattn__variant *variant_named(const struct clattn__kept_store *store,
                                                   const char *op, const char *name, size_t length)
{
    for (const struct clattn__family *const *family = store->families; *family; family++) {
        for (const struct clattn__variant *v = (*family)->variants; v->name; v++) {
            if (strlen(v->name) == length && !strncmp(v->name, name, length) &&
                (!op || !strcmp(op, (*family)->op))) {
                return v;
            }
        }
    }
    return NULL;
}

/* A class begins with its op. */
static const char *op_of(const struct clattn__kept_store *store, const char *label)
{
    const size_t length = strcspn(label, " ");
    for (const struct clattn__family *const *family = store->families; *family; family++) {
        if ((*family)->shape_class && strlen((*family)->op) == length &&
            !strncmp((*family)->op, label, length)) {
            return (*family)->op;
        }
    }
    return NULL;
}

static const char few_words[] = " few rows";

static bool is_of_few(const char *label)
{
    const size_t length = strlen(label), end = sizeof few_words - 1;
    return length > end && !strcmp(label + length - end, few_words);
}

bool clattn__may_be_chosen(const struct clattn__variant *variant, bool few)
{
    return !variant->forced_only && (few || !variant->few_rows);
}

static bool parse_params(const struct clattn__kept_store *store, const char *text,
                         struct clattn__kept *kept)
{
    char reason[CLATTN__REASON_BYTES];
    kept->variant = variant_named(store, NULL, kept->label, strcspn(kept->label, " "));
    if (!kept->variant || !clattn__params_read(kept->variant, text, kept->params, reason)) {
        return false;
    }
    for (int i = 0; i < CLATTN__MAX_PARAMS; i++) {
        if (clattn__tunable(&kept->variant->params[i]) && !kept->params[i]) {
            return false;
        }
    }
    return true;
}

static bool parse_line(const struct clattn__kept_store *store, const char *line,
                       struct clattn__kept *kept)
{
    const char *colon = strstr(line, ": ");
    const size_t length = colon ? (size_t)(colon - line) : 0;
    memset(kept, 0, sizeof *kept);
    if (length == 0 || length >= sizeof kept->label) {
        return false;
    }
    memcpy(kept->label, line, length);
    const char *op = op_of(store, kept->label);
    if (!op) {
        return parse_params(store, colon + 2, kept);
    }
    kept->chosen = true;
    kept->variant = variant_named(store, op, colon + 2, strlen(colon + 2));
    return kept->variant && clattn__may_be_chosen(kept->variant, is_of_few(kept->label));
}

void clattn__kept_write(const struct clattn__kept *kept, char text[CLATTN__PARAMS_BYTES])
{
    if (kept->chosen) {
        snprintf(text, CLATTN__PARAMS_BYTES, "%s", kept->variant->name);
    } else {
        clattn__params_write(kept->variant, kept->params, text);
    }
}

static struct clattn__kept *read_file(const struct clattn__kept_store *store)
{
    char path[PATH_BYTES], header[HEADER_BYTES], line[HEADER_BYTES];
    FILE *file = file_path(store, "", path) ? fopen(path, "rb") : NULL;
    if (!file) {
        return NULL;
    }
    struct clattn__kept *list = NULL, kept;
    int ignored = 0, next;
    write_header(store, header);
    if (!read_line(file, line, sizeof line) || strcmp(line, header)) {
        clattn__log(store->device,
                    "tune: '%s' is of another version of clattn, driver or device: not used", path);
        fclose(file);
        return NULL;
    }
    while ((next = fgetc(file)) != EOF) {
        ungetc(next, file);
        ignored += !read_line(file, line, LINE_BYTES) || !parse_line(store, line, &kept) ||
                   !put(&list, &kept);
    }
    fclose(file);
    if (ignored) {
        clattn__log(store->device, "tune: '%s': %d lines are not understood, and not used", path,
                    ignored);
    }
    return list;
}

static bool write_list(FILE *file, const struct clattn__kept_store *store,
                       const struct clattn__kept *list)
{
    char text[HEADER_BYTES];
    write_header(store, text);
    bool written = fprintf(file, "%s\n", text) > 0;
    for (; list; list = list->next) {
        clattn__kept_write(list, text);
        written = fprintf(file, "%s: %s\n", list->label, text) > 0 && written;
    }
    return written;
}

/* Written beside and renamed, so that no reader ever sees half a file. */
static void write_file(const struct clattn__kept_store *store, const struct clattn__kept *list)
{
    char path[PATH_BYTES], beside[PATH_BYTES], suffix[64];
    snprintf(suffix, sizeof suffix, ".%lu.%p", clattn__process_id(), (const void *)store);
    if (!file_path(store, "", path) || !file_path(store, suffix, beside)) {
        return;
    }
    FILE *file = clattn__make_directories(store->cache_dir) ? fopen(beside, "wb") : NULL;
    const bool written = file && write_list(file, store, list);
    const bool closed = file && fclose(file) == 0;
    if (!written || !closed || !clattn__replace_file(beside, path)) {
        remove(beside);
        clattn__log(store->device,
                    "tune: could not write '%s'; what was kept lasts as long as the context", path);
    }
}

/* ---- Asking and keeping ----------------------------------------------------------- */

bool clattn__kept_find(struct clattn__kept_store *store, const char *label,
                       int params[CLATTN__MAX_PARAMS])
{
    clattn__lock(&store->lock);
    const struct clattn__kept *kept = find(store->first, label);
    for (int i = 0; kept && i < CLATTN__MAX_PARAMS; i++) {
        params[i] = kept->params[i] ? kept->params[i] : params[i];
    }
    clattn__unlock(&store->lock);
    return kept;
}

void clattn__class_label(const char shape_class[CLATTN__CLASS_BYTES], bool few_rows,
                         char label[CLATTN__LABEL_BYTES])
{
    snprintf(label, CLATTN__LABEL_BYTES, "%s%s", shape_class, few_rows ? few_words : "");
}

const struct clattn__variant *clattn__kept_chosen(struct clattn__kept_store *store,
                                                  const struct clattn__family *family,
                                                  const void *desc, bool few_rows)
{
    char shape_class[CLATTN__CLASS_BYTES], label[CLATTN__LABEL_BYTES];
    if (!family->shape_class) {
        return NULL;
    }
    family->shape_class(desc, shape_class);
    clattn__class_label(shape_class, few_rows, label);
    clattn__lock(&store->lock);
    const struct clattn__kept *kept = find(store->first, label);
    const struct clattn__variant *variant = kept ? kept->variant : NULL;
    clattn__unlock(&store->lock);
    return variant;
}

/* Whether that changed the list, in *changed; false without memory. */
static bool change(struct clattn__kept **list, const struct clattn__kept *kept, bool forget,
                   bool *changed)
{
    *changed = !forget || drop(list, kept->label);
    return forget || put(list, kept);
}

clattn_status clattn__kept_put(struct clattn__kept_store *store, const struct clattn__kept *kept,
                               bool forget)
{
    bool changed;
    clattn__lock(&store->lock);
    bool done = change(&store->first, kept, forget, &changed);
    if (done && store->cache_dir) {
        /* What another process has written since belongs there too. */
        struct clattn__kept *file = read_file(store);
        done = change(&file, kept, forget, &changed);
        if (done && changed) {
            write_file(store, file);
        }
        free_entries(file);
    }
    clattn__unlock(&store->lock);
    return done ? CLATTN_OK : clattn__out_of_memory();
}

bool clattn__kept_entry(struct clattn__kept_store *store, int n, struct clattn__kept *copy)
{
    clattn__lock(&store->lock);
    const struct clattn__kept *kept = store->first;
    for (; kept && n > 0; n--) {
        kept = kept->next;
    }
    if (kept) {
        *copy = *kept;
    }
    clattn__unlock(&store->lock);
    return kept;
}

void clattn__kept_clear(struct clattn__kept_store *store)
{
    char path[PATH_BYTES];
    clattn__lock(&store->lock);
    free_entries(store->first);
    store->first = NULL;
    if (file_path(store, "", path) && remove(path) != 0 && errno != ENOENT) {
        clattn__log(store->device, "tune: could not remove '%s'", path);
    }
    clattn__unlock(&store->lock);
}

/* ---- All of it -------------------------------------------------------------------- */

void clattn__kept_open(struct clattn__kept_store *store, const struct clattn__device *device,
                       const char *cache_dir, const struct clattn__family *const *families)
{
    *store =
        (struct clattn__kept_store){.device = device, .cache_dir = cache_dir, .families = families};
    clattn__mutex_init(&store->lock);
}

void clattn__kept_load(struct clattn__kept_store *store) { store->first = read_file(store); }

void clattn__kept_close(struct clattn__kept_store *store)
{
    free_entries(store->first);
    clattn__mutex_destroy(&store->lock);
}
