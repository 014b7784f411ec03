/* The results of `clattn tune`. */
#include "shared/report.h"
#include "tune.h"

#include <stdio.h>

static const char *outcome(const tune_row *row)
{
    return row->better ? row->stored ? "kept" : "not stored" : "not enough to be kept";
}

static void print_kernels(const tune_row *row)
{
    if (row->kernels < 2) {
        return;
    }
    printf("  of %d kernels for %s rows %s is fastest", row->kernels, row->few ? "few" : "many",
           row->chosen ? row->fastest : row->usual);
    if (row->chosen) {
        printf(": %.4f ms, %s %.4f ms", row->fastest_ms, row->usual, row->usual_ms);
    }
    printf("\n");
}

void tune_print(const tune_row *row)
{
    if (row->skipped[0]) {
        printf("%s\n", row->title);
        print_kernels(row);
        printf("  skipped: %s\n", row->skipped);
        return;
    }
    printf("%s: %s, %d of %d sets tried", row->title, row->kernel, row->tried, row->sets);
    if (row->wrong) {
        printf(", %d wrong", row->wrong);
    }
    printf("\n");
    print_kernels(row);
    printf("  built in %10.4f ms  %s\n", row->built_in_ms, row->built_in);
    if (!row->better && row->gain <= 0) {
        printf("  no other is faster\n");
        return;
    }
    printf("  best     %10.4f ms  %s\n  %.1f%% faster: %s\n", row->best_ms, row->best,
           100 * row->gain, outcome(row));
}

static void add_set(cJSON *to, const char *name, const char *params, double ms)
{
    cJSON *json = cJSON_AddObjectToObject(to, name);
    cJSON_AddStringToObject(json, "params", params);
    cJSON_AddNumberToObject(json, "ms", ms);
}

static void add_kernels(cJSON *to, const tune_row *row)
{
    if (row->kernels < 2) {
        return;
    }
    cJSON *json = cJSON_AddObjectToObject(to, "kernels");
    cJSON_AddNumberToObject(json, "compared", row->kernels);
    cJSON_AddStringToObject(json, "rows", row->few ? "few" : "many");
    cJSON_AddStringToObject(json, "usual", row->usual);
    cJSON_AddStringToObject(json, "fastest", row->chosen ? row->fastest : row->usual);
    if (row->chosen) {
        cJSON_AddNumberToObject(json, "usual_ms", row->usual_ms);
        cJSON_AddNumberToObject(json, "fastest_ms", row->fastest_ms);
        cJSON_AddNumberToObject(json, "gain", row->kernel_gain);
    }
}

static cJSON *row_json(const tune_row *row)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "case", row->line);
    cJSON_AddStringToObject(json, "kernel", row->kernel);
    add_kernels(json, row);
    if (row->skipped[0]) {
        cJSON_AddStringToObject(json, "skipped", row->skipped);
        return json;
    }
    cJSON_AddNumberToObject(json, "sets", row->sets);
    cJSON_AddNumberToObject(json, "tried", row->tried);
    cJSON_AddNumberToObject(json, "wrong", row->wrong);
    add_set(json, "built_in", row->built_in, row->built_in_ms);
    add_set(json, "best", row->best, row->best_ms);
    cJSON_AddNumberToObject(json, "gain", row->gain);
    cJSON_AddBoolToObject(json, "kept", row->better && row->stored);
    return json;
}

bool tune_print_json(const tune_row *rows, size_t count, const clattn_device_facts *facts)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "device", facts->name);
    cJSON_AddStringToObject(root, "platform", facts->platform_version);
    cJSON_AddStringToObject(root, "driver", facts->driver);
    cJSON_AddNumberToObject(root, "version", clattn_version());
    cJSON *list = cJSON_AddArrayToObject(root, "rows");
    for (size_t i = 0; i < count; i++) {
        cJSON_AddItemToArray(list, row_json(&rows[i]));
    }
    return report_print(root);
}
