/* Whether a candidate computes rightly: small cases that are compiled like the one to be tuned. */
#include "shared/progress.h"
#include "tune.h"

#include <stdio.h>
#include <string.h>

enum { VERIFICATIONS = 2 };

static int32_t at_most(int32_t n, int32_t most) { return n < most ? n : most; }

/* The same kind, one kv head, and what decides masks at run time so that tiles are seen in part:
 * first more rows and keys than any tile has, then NaN among them. */
static void shrink_attention(struct test_case *c, int number)
{
    const int32_t group = c->heads / c->kv_heads;
    c->batch = 1;
    c->kv_heads = group > 1 ? 1 : 2;
    c->heads = c->kv_heads * group;
    c->n_q = at_most(c->n_q, number ? 35 : 77);
    c->n_k = number ? 65 : 301;
    c->nan = number > 0;
    c->lse = true;
    c->weights[0] = '\0';
    if (c->window[0]) {
        snprintf(c->window, sizeof c->window, "37,5");
    }
    if (c->kv_length[0]) {
        snprintf(c->kv_length, sizeof c->kv_length, "%d", c->n_k - 13);
    }
    if (c->offset[0] && strcmp(c->offset, "top-left") != 0) {
        snprintf(c->offset, sizeof c->offset, "7");
    }
}

/* More rows, columns and outputs than any block, chunk and panel has, and a rest; then few. */
static void shrink_project(struct test_case *c, int number)
{
    c->rows = at_most(c->batch * c->rows, number ? 5 : 203);
    c->batch = 1;
    const int32_t block = clattn_type_block(case_weight_type(c));
    c->in_dim = ((number ? 131 : 1100) + block - 1) / block * block;
    c->out_dim = number ? 67 : 71;
}

void tune_report_wrong(const tune_job *job, const char *kernel, const char *line,
                       const struct check_result *result)
{
    progress_end(job->show);
    fprintf(stderr, "WRONG %s: %s\n  clattn check --case \"%s\"\n", kernel, result->why, line);
}

bool tune_verify(const session *s, const struct test_case *c, char *line, size_t line_bytes,
                 struct check_result *result)
{
    const struct check check = {s->context, s->queue};
    for (int n = 0; n < VERIFICATIONS; n++) {
        struct test_case small = *c;
        small.layout = LAYOUT_BNHD;
        small.seed = (uint64_t)n + 1;
        (strcmp(c->op, "project") == 0 ? shrink_project : shrink_attention)(&small, n);
        check_run(&check, &small, small.kernel, result);
        if (result->outcome != CHECK_PASSED) {
            case_write(&small, line, line_bytes);
            return false;
        }
    }
    return true;
}
