/* Every variant x every case against the reference: what `clattn check` and the tests run. */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include "case.h"
#include "rng.h"

struct check {
    clattn_context *context;
    cl_command_queue queue;
};

enum check_outcome { CHECK_PASSED, CHECK_FAILED, CHECK_SKIPPED };

struct check_result {
    enum check_outcome outcome;
    char kernel[160]; /* that ran */
    char why[600];    /* it failed, or was skipped */
    double worst;     /* largest error as a share of what is allowed */
};

struct trial_kind;

/* What is particular to an op; its file defines one. */
struct check_op {
    const char *name;
    const struct case_option *options; /* of its own, until a name is NULL; or NULL */
    const struct trial_kind *trial;    /* how a case runs; NULL = by run */
    void (*run)(const struct check *check, const struct test_case *c, const char *kernel,
                struct check_result *result);
    /* Reports every kernel of the op. */
    clattn_status (*variants)(clattn_context *context, const struct test_case *c,
                              clattn_variant_report *report, void *user);
    /* Adds the words of a random case to a line: any option in any combination. */
    void (*random)(struct rng *rng, char *line, size_t bytes);
    /* Reports every set of parameters of the kernel; NULL = there are none. */
    void (*candidates)(const struct check *check, const struct test_case *c, const char *kernel,
                       clattn_candidate_report *visit, void *user);
};

extern const struct check_op check_attention, check_cache, check_append, check_merge,
    check_attribution, check_rollout, check_project, check_mha, check_ffn, check_moe, check_norm,
    check_rope, check_activation, check_embed, check_softmax, check_topk, check_additive,
    check_luong;

/* The ops that have cases, until NULL. */
extern const struct check_op *const check_ops[];

/* NULL if there is none of that name. */
const struct check_op *check_op_named(const char *name);

/* Their names, "attention, project, ..."; returns text. */
const char *check_op_names(char *text, size_t bytes);

/* Runs the case with one variant; "" or NULL = the best that fits. */
void check_run(const struct check *check, const struct test_case *c, const char *kernel,
               struct check_result *result);

/* Calls visit with the name of every variant of the case's op that can be forced. */
void check_variants(const struct check *check, const struct test_case *c,
                    void (*visit)(void *user, const char *kernel), void *user);

/* Calls visit with every set of parameters that the kernel can be compiled with for the case. */
void check_candidates(const struct check *check, const struct test_case *c, const char *kernel,
                      clattn_candidate_report *visit, void *user);

/* A random case of the op as a line, the same for the same seed. */
void check_random_line(const char *op, uint64_t seed, char *line, size_t bytes);

/* Calls visit with a line for each set of parameters of each kernel of the op, on every case of
 * params.txt; limit > 0: for at most so many sets of a kernel that seed picks, each on one case.
 * Stops where visit returns false; false then, and without memory. */
bool check_params_lines(const struct check *check, const char *op, int32_t limit, uint64_t seed,
                        bool (*visit)(void *user, const char *line), void *user);

/* In how many values two sets of parameters of one kernel differ. */
int check_params_distance(const char *a, const char *b);

/* The case files: "smoke", "ci", "full", "params", "bench", "tune"; each holds lines.  NULL if
 * there is none of that name. */
const char *check_cases(const char *tier);

/* ---- result.c: for the ops' own files ---------------------------------------- */

/* Compares a downloaded output with the reference: tolerance absolute + relative,
 * NaN where the reference is NaN and nowhere else, canaries untouched.  False and the
 * reason in result otherwise. */
bool check_compare(struct check_result *result, const char *name, const struct buffer *got,
                   const double *expected, double tolerance);

/* Of an output: by its type, and f32 from narrow inputs must show f32 sums. */
double check_tolerance(clattn_type in, clattn_type out);

void check_fail(struct check_result *result, const char *format, ...);

/* What an allocation or an OpenCL call of the test itself did. */
bool check_step(struct check_result *result, bool ok, const char *what);

/* clattn_attention_variants of the case's descriptor. */
clattn_status check_attention_variants(clattn_context *context, const struct test_case *c,
                                       clattn_variant_report *report, void *user);

/* The descriptor of a case of classic attention, whose attention part is given; false if it says
 * no kind. */
bool classic_describe(const struct test_case *c, const clattn_attention_desc *attention,
                      clattn_classic_desc *desc);

#endif /* CHECK_CHECK_H */
