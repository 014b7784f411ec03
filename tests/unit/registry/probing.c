#include "probing.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const struct clattn__clues nvidia = {.vendor_id = 0x10de, .gpu = true, .name = "T4"};
const struct clattn__clues hopper = {
    .vendor_id = 0x10de, .gpu = true, .name = "H100", .compute_major = 9};
const struct clattn__clues intel = {
    .vendor_id = 0x8086, .name = "CPU", .intel_subgroups = true, .intel_sizes = 4 | 8 | 16 | 32};

clattn_context *probe(const struct clattn__clues *clues, const char *program, int silence_ms)
{
    char kernels[PATH_TEXT_BYTES + 16];
    snprintf(kernels, sizeof kernels, "%s/kernels", fixture.directory);
    const clattn_context_desc desc = {.cache_dir = fixture.directory,
                                      .kernel_dir = access(kernels, F_OK) == 0 ? kernels : "",
                                      .probe_program = program,
                                      .log = log_append,
                                      .user = &fixture.log};
    clattn_context *context;
    assert_ok(clattn__context_open(&desc, NULL, &context));
    clattn__probe(&context->prober, clues, silence_ms);
    return context;
}

/* ---- Programs that answer ---------------------------------------------------- */

const char *program(const char *answer)
{
    static char path[PATH_TEXT_BYTES + 16];
    char text[4096];
    snprintf(text, sizeof text,
             "#!/bin/sh\n"
             "shift 2\n"
             "while [ $# -gt 0 ]; do\n"
             "echo $1 >>'%s/tried'\n"
             "echo clattn-probe try $1\n"
             "%s\n"
             "shift 2\n"
             "done\n",
             fixture.directory, answer);
    file_write_text(fixture.directory, "program", text);
    snprintf(path, sizeof path, "%s/program", fixture.directory);
    ck_assert_int_eq(chmod(path, 0755), 0);
    return path;
}

int tried(void)
{
    int count = 0;
    if (directory_count(fixture.directory, "tried", NULL)) {
        char *text = file_read(fixture.directory, "tried", &(size_t){0});
        for (const char *c = text; *c; c++) {
            count += *c == '\n';
        }
        free(text);
    }
    return count;
}

int records(void) { return directory_count(fixture.directory, ".probe", NULL); }
int marks(void) { return directory_count(fixture.directory, ".mark", NULL); }

void assert_lanes(clattn_context *context, clattn_lanes lanes, uint32_t sizes)
{
    const clattn_device_facts *facts = clattn_context_facts(context);
    ck_assert_int_eq(facts->lanes, lanes);
    ck_assert_uint_eq(facts->subgroup_sizes, sizes);
    ck_assert_int_eq(facts->lanes_reason[0] == '\0', lanes != CLATTN_LANES_NONE);
    ck_assert_int_eq(marks(), 0);
    clattn_context_destroy(context);
}

void assert_refusal(clattn_context *context, const char *words)
{
    const clattn_device_facts *facts = clattn_context_facts(context);
    assert_contains(facts->lanes_reason, words);
    assert_contains(fixture.log.text, words);
    assert_lanes(context, CLATTN_LANES_NONE, 0);
}

/* ---- Kernels ------------------------------------------------------------------- */

void write_kernel(int place, const char *value)
{
    char text[4096];
    snprintf(text, sizeof text,
             "float own(int t, int l) { return 64 * t + l; }\n"
             "__kernel void probe_lanes(__global float *a) {\n"
             "  const int n = SUBGROUP, i = get_local_id(0), t = i / n, l = i %% n;\n"
             "  float all = 0, four = 0;\n"
             "  for (int o = 0; o < n; o++) {\n"
             "    all += own(t, o);\n"
             "    four += (o & ~6) == (l & ~6) ? own(t, o) : 0;\n"
             "  }\n"
             "  const float r[11] = {l, t, own(t, (5 * l + 3) %% n), own(t, n - 1), all, four,\n"
             "                       -own(t, 0), own(t, l | 3), 0, t, 1};\n"
             "  for (int j = 0; j < 17; j++)\n"
             "    a[i * 17 + j] = j < 11 ? r[j] : 1 << j - 11 < n ? own(t, l ^ 1 << j - 11) : 0;\n"
             "  if (i == n + 2 && %d >= 0) a[i * 17 + %d] = %s;\n"
             "}\n",
             place, place, value);
    file_write_text(fixture.directory, "kernels/probe_lanes.cl", text);
}
