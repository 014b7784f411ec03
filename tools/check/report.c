#include "report.h"

#include "shared/facts.h"
#include "shared/options.h"
#include "source_hash.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Counting -------------------------------------------------------------------------- */

static tally *tally_of(check_report *report, const char *kernel)
{
    tally *t = report->tallies;
    while (t < &report->tallies[CHECK_TALLIES - 1] && t->kernel[0] && strcmp(t->kernel, kernel))
        t++;
    snprintf(t->kernel, sizeof t->kernel, "%s", kernel);
    return t;
}

void check_report_add(check_report *report, const char *kernel, const struct check_result *result,
                      double seconds)
{
    tally *t = tally_of(report, kernel);
    t->counts[result->outcome]++;
    t->seconds += seconds;
    if (result->worst > t->worst)
        t->worst = result->worst;
    if (result->outcome == CHECK_SKIPPED && !t->skipped[0])
        snprintf(t->skipped, sizeof t->skipped, "%.199s", result->why);
    report->counts[result->outcome]++;
}

void check_report_failure(check_report *report, const char *op, const char *line,
                          const char *kernel, const char *why)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "op", op);
    cJSON_AddStringToObject(json, "case", line);
    cJSON_AddStringToObject(json, "kernel", kernel);
    cJSON_AddStringToObject(json, "why", why);
    cJSON_AddItemToArray(report->failures, json);
}

static bool ran(const tally *t) { return t->counts[CHECK_PASSED] + t->counts[CHECK_FAILED] > 0; }

/* ---- The table -------------------------------------------------------------------------- */

/* What a reader elsewhere must know. */
static void print_head(const check_report *report)
{
    print_version();
    printf("  %-16s%s\n  %-16s%s\n", "sources", SOURCE_HASH, "command", report->command);
    printf("%s\n", report->facts->name);
    facts_print(report->facts);
}

/* What follows the kernel's own name in a reason that names the ops it was tried for. */
static const char *reason_of(const tally *t)
{
    const char *plus = strstr(t->kernel, " + "), *name = plus ? plus + 3 : t->kernel;
    const char *at = strstr(t->skipped, name);
    return at && !strncmp(at + strlen(name), ": ", 2) ? at + strlen(name) + 2 : t->skipped;
}

/* A kernel that never ran has no row, but its reason. */
static void print_kernels(const check_report *report)
{
    const tally *end = report->tallies;
    while (end < &report->tallies[CHECK_TALLIES] && end->kernel[0])
        end++;
    printf("%-30s %7s %7s %8s%s   %s\n", "kernel", "passed", "failed", "skipped",
           report->full ? "  seconds" : "", "worst error, of what is allowed");
    for (const tally *t = report->tallies; t < end; t++) {
        char seconds[16] = "";
        if (report->full)
            snprintf(seconds, sizeof seconds, " %8.1f", t->seconds);
        if (ran(t))
            printf("%-30s %7d %7d %8d%s   %.0f%%\n", t->kernel, t->counts[CHECK_PASSED],
                   t->counts[CHECK_FAILED], t->counts[CHECK_SKIPPED], seconds, 100 * t->worst);
    }
    for (const tally *t = report->tallies; t < end; t++) {
        if (!ran(t))
            printf("%-30s never ran: %s\n", t->kernel, reason_of(t));
    }
}

static void print_failures(const check_report *report)
{
    const cJSON *failure;
    cJSON_ArrayForEach(failure, report->failures)
    {
        printf("FAILED %s: %s --case \"%s\": %s\n",
               cJSON_GetObjectItem(failure, "kernel")->valuestring,
               cJSON_GetObjectItem(failure, "op")->valuestring,
               cJSON_GetObjectItem(failure, "case")->valuestring,
               cJSON_GetObjectItem(failure, "why")->valuestring);
    }
}

static void print_left_out(const check_report *report)
{
    if (report->cases_left)
        printf("left out for want of time: %d cases, of kinds that others were of\n",
               report->cases_left);
    if (report->chosen_alone + report->large_left)
        printf("on the chosen kernel alone for want of time: %d cases, %d large ones\n",
               report->chosen_alone, report->large_left);
    if (report->full)
        printf("%.0f seconds\n", report->seconds);
}

void check_report_print(const check_report *report)
{
    if (report->full)
        print_head(report);
    else
        printf("%s\n", report->facts->name);
    print_kernels(report);
    if (report->full)
        print_failures(report);
    if (report->random)
        printf("random %s from seed %lld\n", report->random, report->seed);
    print_left_out(report);
    printf("%d passed, %d failed, %d skipped\n", report->counts[CHECK_PASSED],
           report->counts[CHECK_FAILED], report->counts[CHECK_SKIPPED]);
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void add_counts(cJSON *json, const int counts[3])
{
    cJSON_AddNumberToObject(json, "passed", counts[CHECK_PASSED]);
    cJSON_AddNumberToObject(json, "failed", counts[CHECK_FAILED]);
    cJSON_AddNumberToObject(json, "skipped", counts[CHECK_SKIPPED]);
}

static void add_kernels(cJSON *root, const check_report *report)
{
    cJSON *kernels = cJSON_AddArrayToObject(root, "kernels");
    for (const tally *t = report->tallies; t < &report->tallies[CHECK_TALLIES] && t->kernel[0];
         t++) {
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "kernel", t->kernel);
        add_counts(json, t->counts);
        cJSON_AddNumberToObject(json, "worst", t->worst);
        cJSON_AddNumberToObject(json, "seconds", t->seconds);
        if (t->skipped[0])
            cJSON_AddStringToObject(json, "skipped_because", reason_of(t));
        cJSON_AddItemToArray(kernels, json);
    }
}

cJSON *check_report_json(const check_report *report)
{
    cJSON *root = cJSON_CreateObject(), *left, *facts;
    cJSON_AddNumberToObject(root, "version", clattn_version());
    cJSON_AddStringToObject(root, "sources", SOURCE_HASH);
    cJSON_AddStringToObject(root, "command", report->command);
    cJSON_AddStringToObject(root, "device", report->facts->name);
    cJSON_AddStringToObject(root, "platform", report->facts->platform_version);
    cJSON_AddStringToObject(root, "driver", report->facts->driver);
    facts = cJSON_AddObjectToObject(root, "facts");
    facts_add(facts, report->facts);
    add_counts(root, report->counts);
    cJSON_AddNumberToObject(root, "seconds", report->seconds);
    left = cJSON_AddObjectToObject(root, "left_out");
    cJSON_AddNumberToObject(left, "cases", report->cases_left);
    cJSON_AddNumberToObject(left, "cases_on_other_kernels", report->chosen_alone);
    cJSON_AddNumberToObject(left, "large_on_other_kernels", report->large_left);
    add_kernels(root, report);
    cJSON_AddItemToObject(root, "failures", cJSON_Duplicate(report->failures, true));
    return root;
}

/* ---- The file ------------------------------------------------------------------------------ */

/* Runs of anything but letters and digits become one dash. */
void check_report_path(const clattn_device_facts *facts, char *path, size_t bytes)
{
    size_t used = (size_t)snprintf(path, bytes, "clattn-check");
    bool dash = true;
    for (const char *c = facts->name; *c && used + 8 < bytes; c++) {
        const bool keep = isalnum((unsigned char)*c);
        if (keep && dash)
            path[used++] = '-';
        if (keep)
            path[used++] = *c;
        dash = !keep;
    }
    snprintf(path + used, bytes - used, ".json");
}

bool check_report_write(const check_report *report, output_set *files, const char *path,
                        reason *why)
{
    cJSON *root = check_report_json(report);
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text)
        return refuse(why, "out of memory");
    FILE *file = output_begin(files, path, why);
    const bool done = file && fprintf(file, "%s\n", text) > 0;
    cJSON_free(text);
    if (file && !done)
        return refuse(why, "cannot write it");
    return done && output_end(files, path, why) && output_commit(files, why);
}
