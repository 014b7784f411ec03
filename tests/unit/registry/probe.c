/* probe.c: what a device is believed to have, and who tries it. */
#include "probing.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PROBES = 27 };

/* ---- What is tried ------------------------------------------------------------ */

/* The names, and what is lacking, that the clues lead to. */
static void list(const struct clattn__clues *clues, char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (const struct clattn__probe *p = clattn__probes; p->name; p++) {
        char reason[CLATTN__FACT_BYTES];
        const enum clattn__plausible plausible = p->plausible(p, clues, reason);
        if (plausible == CLATTN__WORTH_TRYING) {
            used += (size_t)snprintf(text + used, bytes - used, "%s ", p->name);
        } else if (plausible == CLATTN__LACKING) {
            used += (size_t)snprintf(text + used, bytes - used, "(%s) ", reason);
        }
    }
}

static const struct {
    struct clattn__clues clues;
    const char *words;
} devices[] = {
    {{.vendor_id = 0x10de, .gpu = true, .name = "NVIDIA H100", .compute_major = 9},
     "nv_lanes nv_mma_f16 nv_mma_bf16 "},
    {{.vendor_id = 0x10de, .gpu = true, .name = "Tesla T4", .compute_major = 7},
     "nv_lanes (needs compute capability 8.0 or more) "},
    {{.vendor_id = 0x10de, .name = "a CPU of NVIDIA's"}, ""},
    {{.vendor_id = 0x1002, .gpu = true, .name = "gfx1100", .wavefront = 32},
     "amd_lanes_32 amd_wmma_f16 amd_wmma_bf16 "},
    {{.vendor_id = 0x1002, .gpu = true, .name = "gfx1100", .wavefront = 64},
     "amd_lanes_64 (needs wavefronts of another width) "},
    {{.vendor_id = 0x1002, .gpu = true, .name = "gfx1201", .wavefront = 32},
     "amd_lanes_32 amd_wmma_gfx12_f16 amd_wmma_gfx12_bf16 "},
    {{.vendor_id = 0x1002, .gpu = true, .name = "gfx1250", .wavefront = 32}, "amd_lanes_32 "},
    {{.vendor_id = 0x1002, .gpu = true, .name = "gfx1030", .wavefront = 32}, "amd_lanes_32 "},
    {{.vendor_id = 0x1002, .gpu = true, .name = "gfx942", .wavefront = 64},
     "amd_lanes_64 amd_mfma_f16 amd_mfma_bf16 "},
    {{.vendor_id = 0x1002, .gpu = true, .name = "gfx90a:sramecc+:xnack-", .wavefront = 64},
     "amd_lanes_64 amd_mfma_f16 amd_mfma_bf16 "},
    {{.vendor_id = 0x1022, .gpu = true, .name = "gfx1151", .wavefront = 32},
     "amd_lanes_32 amd_wmma_f16 amd_wmma_bf16 "},
    {{.vendor_id = 0x1002, .gpu = true, .name = "AMD Radeon (radeonsi)"}, "not AMD's"},
    {{.vendor_id = 0x8086,
      .gpu = true,
      .name = "Arc",
      .intel_subgroups = true,
      .intel_sizes = 8 | 16 | 32},
     "intel_lanes_8 intel_lanes_16 intel_lanes_32 (needs cl_intel_subgroup_matrix"},
    {{.vendor_id = 0x8086,
      .gpu = true,
      .name = "Arc",
      .intel_subgroups = true,
      .intel_sizes = 8 | 16 | 32,
      .intel_matrix = true},
     "intel_lanes_32 intel_dpas_8_f16 intel_dpas_8_bf16 intel_dpas_8_pairs_f16 "
     "intel_dpas_8_pairs_bf16 "},
    {{.vendor_id = 0x8086,
      .gpu = true,
      .name = "Max",
      .intel_subgroups = true,
      .intel_sizes = 16 | 32,
      .intel_matrix = true},
     "intel_lanes_16 intel_lanes_32 intel_dpas_16_f16 intel_dpas_16_bf16 "},
    {{.vendor_id = 0x8086, .name = "a CPU", .intel_subgroups = true, .intel_sizes = 4 | 8},
     "intel_lanes_8 "},
    {{.vendor_id = 0x8086, .gpu = true, .name = "an old driver", .intel_sizes = 8 | 16 | 32}, ""},
    {{.vendor_id = 0x10006, .name = "pthread"}, ""},
};

START_TEST(clues_lead_to_the_probes_of_that_device)
{
    char text[1024];
    list(&devices[_i].clues, text, sizeof text);
    if (devices[_i].words[0]) {
        assert_contains(text, devices[_i].words);
        ck_assert_int_eq(strstr(text, "_f16") != NULL, strstr(devices[_i].words, "_f16") != NULL);
    } else {
        ck_assert_str_eq(text, "");
    }
}
END_TEST

START_TEST(probes_fit_the_table_and_have_names_of_their_own)
{
    int count = 0;
    for (const struct clattn__probe *p = clattn__probes; p->name; p++, count++) {
        for (const struct clattn__probe *other = clattn__probes; other < p; other++) {
            ck_assert_str_ne(p->name, other->name);
        }
    }
    ck_assert_int_eq(count, PROBES);
    ck_assert_int_le(count, CLATTN__MAX_PROBES);
}
END_TEST

/* ---- What a program answers ---------------------------------------------------- */

START_TEST(what_is_right_is_believed)
{
    assert_lanes(probe(&nvidia, program(SAYS_RIGHT), LONG_MS), CLATTN_LANES_NV, 32);
    assert_lanes(probe(&intel, program(SAYS_RIGHT), LONG_MS), CLATTN_LANES_INTEL, 8 | 16 | 32);
}
END_TEST

START_TEST(what_is_wrong_is_refused_with_its_reason)
{
    const char *path = program("echo clattn-probe wrong $1 a sum over 4 lanes is 3");
    assert_refusal(probe(&nvidia, path, LONG_MS), "nv_lanes: a sum over 4 lanes is 3");
}
END_TEST

START_TEST(one_wrong_size_leaves_the_others)
{
    const char *path =
        program("case $1 in *_16) echo clattn-probe wrong $1 no;; *) " SAYS_RIGHT ";; esac");
    assert_lanes(probe(&intel, path, LONG_MS), CLATTN_LANES_INTEL, 8 | 32);
    assert_contains(fixture.log.text, "intel_lanes_16: no");
}
END_TEST

START_TEST(a_crash_is_the_fault_of_what_was_tried_and_the_rest_goes_on)
{
    const char *path = program("case $1 in *_16) kill -SEGV $$;; *) " SAYS_RIGHT ";; esac");
    assert_lanes(probe(&intel, path, LONG_MS), CLATTN_LANES_INTEL, 8 | 32);
    assert_contains(fixture.log.text, "intel_lanes_16: the driver crashed (signal 11)");
    ck_assert_int_eq(tried(), 3);
    ck_assert_int_eq(records(), 3);
}
END_TEST

START_TEST(an_exit_is_a_refusal)
{
    assert_refusal(probe(&nvidia, program("exit 3"), LONG_MS), "(exit status 3)");
}
END_TEST

START_TEST(an_exit_without_an_answer_is_a_refusal_whatever_its_status)
{
    assert_refusal(probe(&nvidia, program("exit 0"), LONG_MS), "(exit status 0)");
}
END_TEST

START_TEST(silence_is_ended_and_a_refusal)
{
    const time_t before = time(NULL);
    assert_refusal(probe(&nvidia, program("exec sleep 30"), SHORT_MS), "no answer in time");
    assert_refusal(probe(&intel, program("exec >&-; exec sleep 30"), SHORT_MS), "no answer");
    assert_refusal(probe(&nvidia, program("exec yes"), SHORT_MS), "no answer in time");
    ck_assert_int_lt((int)(time(NULL) - before), 20);
}
END_TEST

START_TEST(what_cannot_be_tried_now_is_tried_again)
{
    const char *no = program("echo clattn-probe unknown $1 no memory");
    assert_refusal(probe(&nvidia, no, LONG_MS), "nv_lanes: no memory");
    ck_assert_int_eq(records(), 0);
    assert_lanes(probe(&nvidia, program(SAYS_RIGHT), LONG_MS), CLATTN_LANES_NV, 32);
}
END_TEST

/* Then this process tries. */
START_TEST(a_program_that_does_not_try_is_not_believed)
{
    static const char *const answers[] = {"nothing of the kind", "clattn-probe right nv_lanes",
                                          "clattn-probe try intel_lanes_8", "clattn-probe try"};
    char text[256];
    snprintf(text, sizeof text, "#!/bin/sh\necho '%s'\n", answers[_i]);
    program("");
    file_write_text(fixture.directory, "program", text);
    char path[PATH_TEXT_BYTES + 16];
    snprintf(path, sizeof path, "%s/program", fixture.directory);
    write_kernel(2, "-7");
    assert_refusal(probe(&nvidia, path, LONG_MS), "nv_lanes: a value of each lane is -7");
    assert_contains(fixture.log.text, "did not try everything");
}
END_TEST

START_TEST(a_host_that_ignores_its_children_gets_the_answer)
{
    signal(SIGCHLD, SIG_IGN);
    assert_lanes(probe(&nvidia, program(SAYS_RIGHT), LONG_MS), CLATTN_LANES_NV, 32);
}
END_TEST

/* ---- In this process -------------------------------------------------------------- */

START_TEST(without_a_program_this_process_tries)
{
    write_kernel(-1, "0");
    assert_lanes(probe(&nvidia, NO_PROGRAM, LONG_MS), CLATTN_LANES_NV, 32);
    assert_lanes(probe(&intel, NO_PROGRAM, LONG_MS), CLATTN_LANES_INTEL, 8 | 16 | 32);
    ck_assert_int_eq(records(), 4);
    assert_contains(fixture.log.text, "is not there: this process tries");
}
END_TEST

/* Loop test: _i is the answer that is wrong. */
START_TEST(each_wrong_answer_is_noticed_and_named)
{
    const char *names[] = {"the lane's number",
                           "the sub-group's number",
                           "a value of each lane",
                           "of the last lane",
                           "a sum over all lanes",
                           "a sum over 4 lanes",
                           "over all lanes",
                           "maximum over 4 lanes",
                           "any of no lane",
                           "any of one lane",
                           "any of all lanes",
                           "lane ^ 1",
                           "lane ^ 2",
                           "lane ^ 4",
                           "lane ^ 8",
                           "exchange with lane ^ 16"};
    write_kernel(_i, "-7");
    clattn_context *context = probe(&nvidia, NO_PROGRAM, LONG_MS);
    assert_contains(clattn_context_facts(context)->lanes_reason, "is -7 in lane 2, must be");
    assert_refusal(context, names[_i]);
}
END_TEST

START_TEST(a_value_not_written_is_wrong)
{
    file_write_text(fixture.directory, "kernels/probe_lanes.cl",
                    "__kernel void probe_lanes(__global float *a) {}");
    assert_refusal(probe(&nvidia, NO_PROGRAM, LONG_MS), "nv_lanes: the lane's number is");
}
END_TEST

START_TEST(a_missing_source_is_a_refusal)
{
    file_write_text(fixture.directory, "kernels/other.cl", "");
    assert_refusal(probe(&nvidia, NO_PROGRAM, LONG_MS), "not in kernel_dir");
    ck_assert_int_eq(records(), 0);
}
END_TEST

/* ---- Engines ---------------------------------------------------------------------- */

/* The layouts, computed lane by lane where this device has such sub-groups. */
static void answer_emulated(struct clattn__answer *answer, const struct clattn__probe *engine)
{
    struct clattn__probe emulated = *engine;
    emulated.emulated = true;
    clattn_context *context = probe(&intel, NO_PROGRAM, LONG_MS);
    ck_assert(clattn__answer_begin(&context->programs, &emulated, answer));
    if (clattn_context_facts(context)->subgroup_sizes & engine->subgroup) {
        clattn__probe_run(&context->programs, answer);
    }
    clattn_context_destroy(context);
}

/* Loop test: _i is the probe. */
START_TEST(the_layouts_of_engines_are_right)
{
    struct clattn__answer answer;
    const struct clattn__probe *engine = &clattn__probes[_i];
    if (engine->engine) {
        answer_emulated(&answer, engine);
        ck_assert_msg(answer.state == CLATTN__RIGHT || answer.state == CLATTN__PENDING, "%s: %s",
                      engine->name, answer.reason);
    }
}
END_TEST

/* What kernels/probe_engine.cl gives, computed without an engine; what is nearer to 0 than least,
 * of f16 alone, is taken for 0. */
static void write_engine(const char *least)
{
    char text[4096];
    snprintf(
        text, sizeof text,
        "float of(const __global ushort *x) {\n"
        "  if (TYPE == 2) return as_float((uint)*x << 16);\n"
        "  const float f = vload_half(0, (const __global half *)x);\n"
        "  return fabs(f) < %s ? 0.0f : f;\n"
        "}\n"
        "__kernel void probe_engine(__global ushort *data) {\n"
        "  if (get_local_id(0) > 0) return;\n"
        "  for (int t = 0; t < 3; t++) {\n"
        "    const __global ushort *q = data + t * 80 * 32, *k = q + 16 * 32, *v = k + 32 * 32;\n"
        "    __global float *rows = (__global float *)(data + 3 * 80 * 32) + t * 16 * 65;\n"
        "    for (int i = 0; i < 16; i++) {\n"
        "      float all = 0;\n"
        "      for (int c = 0; c < 32; c++) rows[i * 64 + 32 + c] = 0;\n"
        "      for (int j = 0; j < 32; j++) {\n"
        "        float s = 0;\n"
        "        for (int c = 0; c < 32; c++) s += of(q + i * 32 + c) * of(k + j * 32 + c);\n"
        "        rows[i * 64 + j] = s;\n"
        "        all += s;\n"
        "        for (int c = 0; c < 32; c++) rows[i * 64 + 32 + c] += s * of(v + j * 32 + c);\n"
        "      }\n"
        "      rows[16 * 64 + i] = all;\n"
        "    }\n"
        "  }\n"
        "}\n",
        least);
    file_write_text(fixture.directory, "kernels/probe_engine.cl", text);
}

/* Loop test: 0, an engine that keeps every number; 1, one that takes f16's subnormal numbers for 0,
 * which is no reason to have no engine. */
START_TEST(what_an_engine_takes_for_zero_is_a_fact_of_its_own)
{
    write_kernel(-1, "0");
    write_engine(_i ? "0x1p-14f" : "0x1p-24f");
    clattn_context *context = probe(&hopper, NO_PROGRAM, LONG_MS);
    const clattn_device_facts *facts = clattn_context_facts(context);
    ck_assert_int_eq(facts->engine, CLATTN_ENGINE_NV_MMA);
    ck_assert_str_eq(facts->engine_reason, "");
    ck_assert_int_eq(facts->engine_subnormals, _i == 0);
    if (_i) {
        assert_contains(fixture.log.text,
                        "nv_mma_subnormals: the smallest number of f16 times 1 is 0, must be 5.96");
    }
    clattn_context_destroy(context);
}
END_TEST

/* What a program says of an engine's small numbers counts for a right engine alone. */
START_TEST(an_engine_that_is_wrong_keeps_nothing)
{
    const char *path =
        program("case $1 in nv_mma_bf16) echo clattn-probe wrong $1 no;; *) " SAYS_RIGHT ";; esac");
    clattn_context *context = probe(&hopper, path, LONG_MS);
    const clattn_device_facts *facts = clattn_context_facts(context);
    ck_assert_int_eq(facts->engine, CLATTN_ENGINE_NONE);
    ck_assert(!facts->engine_subnormals);
    ck_assert_str_eq(facts->engine_reason, "nv_mma_bf16: no");
    clattn_context_destroy(context);
}
END_TEST

/* A program that says the engine is right with one type alone, or with both but with wrong lanes.
 */
START_TEST(an_engine_is_believed_if_all_of_it_is_right)
{
    static const char *const wrong[] = {"none", "nv_mma_f16", "nv_mma_bf16", "nv_lanes"};
    char text[256];
    snprintf(text, sizeof text, "test $1 = %s && echo clattn-probe wrong $1 no || " SAYS_RIGHT,
             wrong[_i]);
    clattn_context *context = probe(&hopper, program(text), LONG_MS);
    const clattn_device_facts *facts = clattn_context_facts(context);
    ck_assert_int_eq(facts->engine, _i ? CLATTN_ENGINE_NONE : CLATTN_ENGINE_NV_MMA);
    ck_assert_int_eq(facts->engine_reason[0] == '\0', _i == 0);
    if (_i) {
        assert_contains(facts->engine_reason, _i < 3 ? wrong[_i] : "its sub-groups are not right");
    }
    clattn_context_destroy(context);
}
END_TEST

/* ---- clattn-probe ------------------------------------------------------------------- */

START_TEST(the_program_answers_as_this_process_does)
{
    clattn_context *here = probe(&intel, NO_PROGRAM, LONG_MS);
    directory_clear(fixture.directory);
    clattn_context *there = probe(&intel, PROBE_PROGRAM, LONG_MS);
    const clattn_device_facts *h = clattn_context_facts(here), *t = clattn_context_facts(there);
    ck_assert_int_eq(h->lanes, t->lanes);
    ck_assert_uint_eq(h->subgroup_sizes, t->subgroup_sizes);
    ck_assert_str_eq(h->lanes_reason, t->lanes_reason);
    assert_lacks(fixture.log.text, "did not try");
    ck_assert_int_eq(records(), 3);
    clattn_context_destroy(here);
    clattn_context_destroy(there);
}
END_TEST

START_TEST(the_program_uses_the_sources_of_kernel_dir)
{
    write_kernel(7, "-7");
    assert_refusal(probe(&nvidia, PROBE_PROGRAM, LONG_MS), "a maximum over 4 lanes is -7");
    assert_lacks(fixture.log.text, "did not try");
}
END_TEST

static void add_answer_tests(TCase *tests)
{
    tcase_add_test(tests, what_is_right_is_believed);
    tcase_add_test(tests, what_is_wrong_is_refused_with_its_reason);
    tcase_add_test(tests, one_wrong_size_leaves_the_others);
    tcase_add_test(tests, a_crash_is_the_fault_of_what_was_tried_and_the_rest_goes_on);
    tcase_add_test(tests, an_exit_is_a_refusal);
    tcase_add_test(tests, an_exit_without_an_answer_is_a_refusal_whatever_its_status);
    tcase_add_test(tests, silence_is_ended_and_a_refusal);
    tcase_add_test(tests, what_cannot_be_tried_now_is_tried_again);
    tcase_add_loop_test(tests, an_engine_is_believed_if_all_of_it_is_right, 0, 4);
    tcase_add_loop_test(tests, a_program_that_does_not_try_is_not_believed, 0, 4);
    tcase_add_test(tests, a_host_that_ignores_its_children_gets_the_answer);
}

static void add_process_tests(TCase *tests)
{
    tcase_add_test(tests, without_a_program_this_process_tries);
    tcase_add_loop_test(tests, each_wrong_answer_is_noticed_and_named, 0, 16);
    tcase_add_test(tests, a_value_not_written_is_wrong);
    tcase_add_test(tests, a_missing_source_is_a_refusal);
    tcase_add_test(tests, the_program_answers_as_this_process_does);
    tcase_add_test(tests, the_program_uses_the_sources_of_kernel_dir);
}

int main(void)
{
    Suite *suite = suite_create("probe");
    TCase *clues = suite_group(suite, "clues", NULL, NULL);
    tcase_add_loop_test(clues, clues_lead_to_the_probes_of_that_device, 0,
                        sizeof devices / sizeof *devices);
    tcase_add_test(clues, probes_fit_the_table_and_have_names_of_their_own);
    add_answer_tests(
        suite_group(suite, "answers", fixture_open_directory, fixture_close_directory));
    add_process_tests(
        suite_group(suite, "processes", fixture_open_directory, fixture_close_directory));
    TCase *engines = suite_group(suite, "engines", fixture_open_directory, fixture_close_directory);
    tcase_add_loop_test(engines, the_layouts_of_engines_are_right, 0, PROBES);
    tcase_add_loop_test(engines, what_an_engine_takes_for_zero_is_a_fact_of_its_own, 0, 2);
    tcase_add_test(engines, an_engine_that_is_wrong_keeps_nothing);
    return suite_run_on_device(suite);
}
