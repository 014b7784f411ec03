/* What cases of attention share with those of ops that are attention with another score. */
#ifndef CHECK_ATTENTION_H
#define CHECK_ATTENTION_H

#include "check.h"

enum { Q, K, V, OUT, BIAS, MASK, ALIBI, SINKS, KV_LENGTH, OFFSET, LSE, WEIGHTS, OPERANDS };

struct attention_run {
    const struct test_case *c;
    struct buffer operand[OPERANDS];
    int64_t kv_length[CASE_BATCH_MAX], offset[CASE_BATCH_MAX];
    bool top_left, explicit_offset;
    clattn_window window;
    clattn_stage stage;
    double scale;                /* the case's, or attention's default */
    double *out, *lse, *weights; /* expected */
};

/* The choices of a case; false with the reason in result if it holds one that is none. */
bool attention_begin(struct attention_run *run, const struct test_case *c,
                     struct check_result *result);

/* Makes and fills every operand of the case; q and k have the sizes given. */
bool attention_operands(struct attention_run *run, const int64_t q_size[4],
                        const int64_t k_size[4]);

/* Computes what is expected, from q and k or from the scores themselves. */
bool attention_reference(struct attention_run *run, const double *q, const double *k,
                         const double *scores);

clattn_attention_desc attention_describe(const struct attention_run *run, const char *kernel);

bool attention_upload(const struct check *check, struct attention_run *run);
clattn_attention_args attention_arguments(const struct attention_run *run);
bool attention_download(const struct check *check, struct attention_run *run,
                        struct check_result *result);

/* Every output against what is expected; f32 is the tolerance of lse and weights. */
void attention_compare(const struct attention_run *run, double tolerance, double f32,
                       struct check_result *result);

void attention_end(struct attention_run *run);

#endif /* CHECK_ATTENTION_H */
