/* clattn build: compile every kernel for this device and fill the cache. */
#include "commands.h"
#include "shared/message.h"
#include "shared/progress.h"
#include "shared/report.h"
#include "shared/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct build_options {
    common_options common;
    const char *cache_dir;
} build_options;

static const option_row rows[] = {
    {NULL, NULL, NULL, 0, "Where"},
    {"cache-dir", "DIR", parse_text, offsetof(build_options, cache_dir),
     "keep compiled programs here (default: the user's cache directory)"},
};

static const command_line line = {
    .usage = "clattn build [options]",
    .about = "Compiles every kernel that fits the device, so that later runs start at once, then\n"
             "loads them all again in a fresh context to show what the cache saves.\n"
             "cold: what compiling took, now or when the cache was filled; warm: loading from the\n"
             "cache; private, local, spill: bytes as the driver tells them, '-' where it does not.",
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .examples = "  clattn build\n"
                "  clattn build --device 1 --cache-dir /var/cache/clattn --json\n",
};

/* ---- Collecting ------------------------------------------------------------------------- */

typedef struct entry {
    char kernel[128];
    double cold_ms, warm_ms; /* warm_ms < 0 = did not come up the second time */
    bool cold_cached, warm_cached;
    uint64_t private_bytes, local_bytes, spill_bytes;
} entry;

typedef struct collection {
    entry *entries;
    size_t count, seen; /* seen: of the second pass */
    bool second, show, out_of_memory;
    double start;
} collection;

/* The first pass cannot know how many are to come; the second can. */
static void show_progress(const collection *c, const char *kernel)
{
    if (!c->second) {
        progress_show(c->show, 0, "compiled %zu, %.1f s: %s", c->count, (now_ms() - c->start) / 1e3,
                      kernel);
    } else {
        progress_show(c->show, (double)c->seen / (double)(c->count ? c->count : 1), "%zu/%zu %s",
                      c->seen, c->count, kernel);
    }
}

static void collect_cold(void *user, const clattn_build *build)
{
    collection *c = user;
    entry *longer = realloc(c->entries, (c->count + 1) * sizeof *longer);
    if (!longer) {
        c->out_of_memory = true;
        return;
    }
    c->entries = longer;
    entry *e = &longer[c->count++];
    *e = (entry){.cold_ms = build->compile_ms,
                 .warm_ms = -1,
                 .cold_cached = build->from_cache,
                 .private_bytes = build->private_bytes,
                 .local_bytes = build->local_bytes,
                 .spill_bytes = build->spill_bytes};
    snprintf(e->kernel, sizeof e->kernel, "%s", build->kernel);
    show_progress(c, build->kernel);
}

static void collect_warm(void *user, const clattn_build *build)
{
    collection *c = user;
    for (size_t i = 0; i < c->count; i++) {
        entry *e = &c->entries[i];
        if (e->warm_ms >= 0 || strcmp(e->kernel, build->kernel) != 0) {
            continue;
        }
        e->warm_ms = build->load_ms;
        e->warm_cached = build->from_cache;
        break;
    }
    c->seen += c->seen < c->count;
    show_progress(c, build->kernel);
}

/* One pass in a context of its own, so that the second finds nothing in memory. */
static bool warm(const build_options *options, cl_device_id device, collection *c, char *name,
                 size_t bytes)
{
    session s;
    if (!session_open(&s, &options->common, device, options->cache_dir)) {
        return false;
    }
    snprintf(name, bytes, "%s", s.facts->name);
    const clattn_status status =
        clattn_context_warm(s.context, c->second ? collect_warm : collect_cold, c);
    progress_end(c->show);
    if (status != CLATTN_OK) {
        fail("building: %s", clattn_error());
    } else if (c->out_of_memory) {
        fail("out of memory");
    }
    session_close(&s);
    return status == CLATTN_OK && !c->out_of_memory;
}

/* Filling the cache is what was asked for. */
static bool check_cached(const collection *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->entries[i].warm_cached) {
            return true;
        }
    }
    fail("the cache kept no kernel (--verbose says why)");
    return false;
}

/* ---- What is told --------------------------------------------------------------------------- */

static entry total(const collection *c)
{
    entry sum = {.kernel = "total"};
    for (size_t i = 0; i < c->count; i++) {
        sum.cold_ms += c->entries[i].cold_ms;
        sum.warm_ms += c->entries[i].warm_ms > 0 ? c->entries[i].warm_ms : 0;
    }
    return sum;
}

static const char *bytes_text(uint64_t bytes, char text[24])
{
    snprintf(text, 24, "%" PRIu64, bytes);
    return bytes ? text : "-";
}

static void print_table(const collection *c, const char *device)
{
    int width = 6;
    for (size_t i = 0; i < c->count; i++) {
        const int length = (int)strlen(c->entries[i].kernel);
        width = length > width ? length : width;
    }
    printf("%s\n%-*s %9s %9s %8s %8s %8s\n", device, width, "kernel", "cold ms", "warm ms",
           "private", "local", "spill");
    for (size_t i = 0; i < c->count; i++) {
        const entry *e = &c->entries[i];
        char p[24], l[24], s[24], w[24] = "-";
        if (e->warm_ms >= 0) {
            snprintf(w, sizeof w, "%.1f", e->warm_ms);
        }
        printf("%-*s %9.1f %9s %8s %8s %8s%s\n", width, e->kernel, e->cold_ms, w,
               bytes_text(e->private_bytes, p), bytes_text(e->local_bytes, l),
               bytes_text(e->spill_bytes, s), e->warm_cached ? "" : "  not from the cache");
    }
    const entry sum = total(c);
    printf("%-*s %9.1f %9.1f  (%zu kernels)\n", width, "total", sum.cold_ms, sum.warm_ms, c->count);
}

static bool print_json(const collection *c, const char *device)
{
    const entry sum = total(c);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "device", device);
    cJSON *list = cJSON_AddArrayToObject(root, "kernels");
    for (size_t i = 0; i < c->count; i++) {
        const entry *e = &c->entries[i];
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "kernel", e->kernel);
        cJSON_AddNumberToObject(json, "cold_ms", e->cold_ms);
        if (e->warm_ms >= 0) {
            cJSON_AddNumberToObject(json, "warm_ms", e->warm_ms);
        } else {
            cJSON_AddNullToObject(json, "warm_ms");
        }
        cJSON_AddBoolToObject(json, "was_cached", e->cold_cached);
        cJSON_AddBoolToObject(json, "warm_from_cache", e->warm_cached);
        cJSON_AddNumberToObject(json, "private_bytes", (double)e->private_bytes);
        cJSON_AddNumberToObject(json, "local_bytes", (double)e->local_bytes);
        cJSON_AddNumberToObject(json, "spill_bytes", (double)e->spill_bytes);
        cJSON_AddItemToArray(list, json);
    }
    cJSON_AddNumberToObject(root, "cold_ms", sum.cold_ms);
    cJSON_AddNumberToObject(root, "warm_ms", sum.warm_ms);
    return report_print(root);
}

int cmd_build(int argc, char **argv)
{
    build_options options = {.cache_dir = NULL};
    int status;
    if (!options_parse(&line, argc, argv, &options, &status)) {
        return status;
    }

    cl_device_id device;
    char name[256];
    if (!session_find(&options.common, &device)) {
        return EXIT_FAILED;
    }
    collection c = {.show = progress_wanted(&options.common), .start = now_ms()};
    bool done = warm(&options, device, &c, name, sizeof name);
    if (done) {
        c.second = true;
        done = warm(&options, device, &c, name, sizeof name) && check_cached(&c);
    }
    if (c.count && options.common.json) {
        done = print_json(&c, name) && done;
    } else if (c.count && !options.common.quiet) {
        print_table(&c, name);
    }
    free(c.entries);
    return done ? EXIT_DONE : EXIT_FAILED;
}
