/* The results of `clattn bench`: a table, JSON, and what an earlier run said. */
#include "shared/report.h"
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- An earlier run --------------------------------------------------------------------- */

static char *read_text(const char *path, reason *why)
{
    enum { MOST = 64 << 20 };
    FILE *file = fopen(path, "rb");
    char *text = file ? malloc(MOST) : NULL;
    const size_t length = text ? fread(text, 1, MOST, file) : 0;
    if (!file || ferror(file)) {
        refuse(why, "%s", strerror(errno));
    } else if (!text || length == MOST) {
        refuse(why, text ? "larger than any result of bench" : "out of memory");
    } else {
        text[length] = '\0';
        fclose(file);
        return text;
    }
    if (file) {
        fclose(file);
    }
    free(text);
    return NULL;
}

static double best_of(const cJSON *row)
{
    const cJSON *best =
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(row, "wall"), "best_ms");
    return cJSON_IsNumber(best) ? best->valuedouble : -1;
}

static bool says(const cJSON *row, const char *name, const char *text)
{
    const char *found = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, name));
    return found && strcmp(found, text) == 0;
}

cJSON *bench_before(const char *path)
{
    reason why;
    char *text = read_text(path, &why);
    cJSON *before = text ? cJSON_Parse(text) : NULL;
    if (!cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(before, "rows"))) {
        fail("--against %s: %s", path, text ? "not what 'clattn bench --json' writes" : why.text);
        cJSON_Delete(before);
        before = NULL;
    }
    free(text);
    return before;
}

void bench_compare(bench_row *rows, size_t count, const cJSON *before)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(before, "rows");
    for (size_t i = 0; i < count; i++) {
        const cJSON *row;
        cJSON_ArrayForEach(row, list)
        {
            if (says(row, "case", rows[i].line) && says(row, "kernel", rows[i].kernel)) {
                rows[i].before_ms = best_of(row);
            }
        }
    }
}

/* ---- For people ------------------------------------------------------------------------- */

static int widest(const bench_row *rows, size_t count, size_t field, int least)
{
    int width = least;
    for (size_t i = 0; i < count; i++) {
        const int length = (int)strlen((const char *)&rows[i] + field);
        width = length > width ? length : width;
    }
    return width;
}

static void print_number(double ms)
{
    if (ms < 0) {
        printf(" %9s", "-");
    } else {
        printf(" %9.*f", ms < 10 ? 3 : ms < 100 ? 2 : 1, ms);
    }
}

static void print_row(const bench_row *row, int title, int kernel, bool compared,
                      const roofline *ceilings)
{
    const bench_share share = bench_share_of(row, ceilings);
    printf("%-*s  %-*s", title, row->title, kernel, row->kernel);
    if (row->skipped[0]) {
        printf("  skipped: %s\n", row->skipped);
        return;
    }
    print_number(row->first_ms);
    print_number(row->wall.best_ms);
    print_number(row->wall.median_ms);
    print_number(row->device.best_ms);
    printf(" %8.1f %-7s %4.0f%%", share.rate, share.memory ? "GB/s" : "GFLOP/s", share.percent);
    if (compared && row->before_ms > 0) {
        printf("  %6.3f", row->wall.best_ms / row->before_ms);
    } else if (compared) {
        printf("  %6s", "-");
    }
    putchar('\n');
}

void bench_print(const bench_row *rows, size_t count, const clattn_device_facts *facts,
                 const roofline *ceilings)
{
    bool compared = false;
    for (size_t i = 0; i < count; i++) {
        compared = compared || rows[i].before_ms > 0;
    }
    const int title = widest(rows, count, offsetof(bench_row, title), 4);
    const int kernel = widest(rows, count, offsetof(bench_row, kernel), 6);
    printf("%s (%s)\nceilings: %.1f GFLOP/s multiply-add in f32, %.1f GB/s read\n", facts->name,
           facts->platform_version, ceilings->gflops, ceilings->gbytes);
    printf("%-*s  %-*s %9s %9s %9s %9s %16s %5s%s\n", title, "case", kernel, "kernel", "first ms",
           "best ms", "median ms", "device ms", "rate", "roof", compared ? "  change" : "");
    for (size_t i = 0; i < count; i++) {
        print_row(&rows[i], title, kernel, compared, ceilings);
    }
}

/* ---- For programs ----------------------------------------------------------------------- */

static void add_timing(cJSON *to, const char *name, const timing *t)
{
    if (t->runs == 0) {
        cJSON_AddNullToObject(to, name);
        return;
    }
    cJSON *json = cJSON_AddObjectToObject(to, name);
    cJSON_AddNumberToObject(json, "runs", t->runs);
    cJSON_AddNumberToObject(json, "best_ms", t->best_ms);
    cJSON_AddNumberToObject(json, "median_ms", t->median_ms);
}

static void add_measured(cJSON *json, const bench_row *row, const roofline *ceilings)
{
    const bench_share share = bench_share_of(row, ceilings);
    cJSON_AddNumberToObject(json, "create_ms", row->create_ms);
    cJSON_AddNumberToObject(json, "first_ms", row->first_ms);
    add_timing(json, "wall", &row->wall);
    add_timing(json, "device", &row->device);
    cJSON_AddNumberToObject(json, "flops", row->flops);
    cJSON_AddNumberToObject(json, "bytes", row->bytes);
    cJSON_AddNumberToObject(json, "gflops", row->flops / (row->wall.best_ms * 1e6));
    cJSON_AddNumberToObject(json, "gbytes_per_s", row->bytes / (row->wall.best_ms * 1e6));
    cJSON_AddStringToObject(json, "bound", share.memory ? "memory" : "compute");
    cJSON_AddNumberToObject(json, "percent", share.percent);
    if (row->before_ms > 0) {
        cJSON_AddNumberToObject(json, "change", row->wall.best_ms / row->before_ms);
    }
}

bool bench_print_json(const bench_row *rows, size_t count, const clattn_device_facts *facts,
                      const roofline *ceilings)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "device", facts->name);
    cJSON_AddStringToObject(root, "platform", facts->platform_version);
    cJSON_AddStringToObject(root, "driver", facts->driver);
    cJSON_AddNumberToObject(root, "version", clattn_version());
    cJSON *json = cJSON_AddObjectToObject(root, "ceilings");
    cJSON_AddNumberToObject(json, "gflops", ceilings->gflops);
    cJSON_AddNumberToObject(json, "gbytes_per_s", ceilings->gbytes);
    cJSON *list = cJSON_AddArrayToObject(root, "rows");
    for (size_t i = 0; i < count; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "case", rows[i].line);
        cJSON_AddStringToObject(row, "kernel", rows[i].kernel);
        if (rows[i].skipped[0]) {
            cJSON_AddStringToObject(row, "skipped", rows[i].skipped);
        } else {
            add_measured(row, &rows[i], ceilings);
        }
        cJSON_AddItemToArray(list, row);
    }
    return report_print(root);
}
