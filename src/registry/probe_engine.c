#include "probe.h"

#include <stdio.h>
#include <string.h>

enum { TESTS = 3, MOST_QUERIES = 16, KEYS = 32, COLUMNS = 32 }; /* as in probe_engine.cl */

/* One test: S = queries * keys^T, O = S * values. */
struct product {
    int queries[MOST_QUERIES][COLUMNS], keys[KEYS][COLUMNS], values[KEYS][COLUMNS];
};

struct outputs {
    float rows[MOST_QUERIES][KEYS + COLUMNS]; /* scores, then results */
    float sums[MOST_QUERIES];                 /* of scores */
};

struct data {
    uint16_t inputs[TESTS][MOST_QUERIES + 2 * KEYS][COLUMNS];
    struct outputs outputs[TESTS];
};

/* ---- What goes in ---------------------------------------------------------------- */

/* The numbers are so small that scores, at most 128, and results are exact in every type. */
static int some_number(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return (int)(*state >> 24) % 5 - 2;
}

/* 0: a score is its key's number, a result its column's.  1: both are the query's.  2: anything. */
static void fill(struct product *p, int test)
{
    uint32_t state = 7;
    memset(p, 0, sizeof *p);
    for (int c = 0; c < COLUMNS; c++) {
        for (int i = 0; i < MOST_QUERIES; i++) {
            p->queries[i][c] = test == 2 ? some_number(&state) : c ? 0 : test == 0 ? 1 : i;
        }
        for (int j = 0; j < KEYS; j++) {
            p->keys[j][c] = test == 2 ? some_number(&state) : c ? 0 : test == 0 ? j : 1;
            p->values[j][c] = test == 2 ? some_number(&state) : test == 0 ? j == c : j == 5;
        }
    }
}

/* The bits of a whole number between -2048 and 2048, as f16 or, exactly up to 256, as bf16. */
static uint16_t bits_of(int value, clattn_type type)
{
    const float f = (float)value;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (type == CLATTN_BF16 || value == 0) {
        return (uint16_t)(bits >> 16);
    }
    const uint32_t exponent = (bits >> 23 & 0xff) - 127 + 15, fraction = bits >> 13 & 0x3ff;
    return (uint16_t)((bits >> 16 & 0x8000) | exponent << 10 | fraction);
}

static void convert(uint16_t (*to)[COLUMNS], int (*from)[COLUMNS], int rows, clattn_type type)
{
    for (int i = 0; i < rows; i++) {
        for (int c = 0; c < COLUMNS; c++) {
            to[i][c] = bits_of(from[i][c], type);
        }
    }
}

/* ---- What comes out ---------------------------------------------------------------- */

static int score(const struct product *p, int i, int j)
{
    int sum = 0;
    for (int c = 0; c < COLUMNS; c++) {
        sum += p->queries[i][c] * p->keys[j][c];
    }
    return sum;
}

static bool differs(float got, int expected, int test, const char *what, int i, int j,
                    char reason[CLATTN__FACT_BYTES])
{
    if (got == (float)expected) {
        return false;
    }
    snprintf(reason, CLATTN__FACT_BYTES, "product %d: %s of query %d, %d, is %g, must be %d",
             test + 1, what, i, j, (double)got, expected);
    return true;
}

static bool row_right(const struct product *p, const struct outputs *got, int test, int i,
                      char reason[CLATTN__FACT_BYTES])
{
    int results[COLUMNS] = {0}, sum = 0;
    for (int j = 0; j < KEYS; j++) {
        const int s = score(p, i, j);
        if (differs(got->rows[i][j], s, test, "the score", i, j, reason)) {
            return false;
        }
        sum += s;
        for (int c = 0; c < COLUMNS; c++) {
            results[c] += s * p->values[j][c];
        }
    }
    for (int c = 0; c < COLUMNS; c++) {
        if (differs(got->rows[i][KEYS + c], results[c], test, "the result", i, c, reason)) {
            return false;
        }
    }
    return !differs(got->sums[i], sum, test, "the sum over keys", i, 0, reason);
}

void clattn__engine_answer(struct clattn__programs *programs, cl_kernel kernel,
                           struct clattn__answer *answer)
{
    const struct clattn__probe *probe = answer->probe;
    struct product p;
    struct data data;
    memset(&data, 0xff, sizeof data); /* NaN: what is not written is wrong */
    for (int test = 0; test < TESTS; test++) {
        fill(&p, test);
        convert(data.inputs[test], p.queries, MOST_QUERIES, probe->type);
        convert(data.inputs[test] + MOST_QUERIES, p.keys, KEYS, probe->type);
        convert(data.inputs[test] + MOST_QUERIES + KEYS, p.values, KEYS, probe->type);
    }
    const size_t items = probe->subgroup * (size_t)(1 + probe->pairs);
    if (!clattn__probe_launch(programs, kernel, items, &data, sizeof data, answer)) {
        return;
    }
    answer->state = CLATTN__RIGHT;
    for (int test = 0; test < TESTS; test++) {
        fill(&p, test);
        for (int i = 0; i < probe->queries; i++) {
            if (!row_right(&p, &data.outputs[test], test, i, answer->reason)) {
                answer->state = CLATTN__WRONG;
                return;
            }
        }
    }
}

/* ---- Subnormal numbers -------------------------------------------------------------- */

/* The smallest number of f16, 2^-24, times 1: in test 0 the queries are small, in test 1 the keys,
 * which are an instruction's other operand.  Every score is that number, which f32 has. */
enum { SMALLEST = 0x0001, ONE = 0x3c00, SMALL_TESTS = 2 };

void clattn__subnormals_answer(struct clattn__programs *programs, cl_kernel kernel,
                               struct clattn__answer *answer)
{
    const float expected = 0x1p-24f;
    const struct clattn__probe *probe = answer->probe;
    struct data data;
    memset(&data, 0, sizeof data);
    memset(data.outputs, 0xff, sizeof data.outputs); /* NaN: what is not written is wrong */
    for (int test = 0; test < SMALL_TESTS; test++) {
        for (int i = 0; i < MOST_QUERIES + KEYS; i++) {
            const bool small = (i < MOST_QUERIES) == (test == 0);
            data.inputs[test][i][0] = small ? SMALLEST : ONE;
        }
    }
    if (!clattn__probe_launch(programs, kernel, probe->subgroup, &data, sizeof data, answer)) {
        return;
    }
    answer->state = CLATTN__RIGHT;
    for (int n = 0; n < SMALL_TESTS * probe->queries * KEYS; n++) {
        const int test = n / KEYS / probe->queries, i = n / KEYS % probe->queries;
        const float got = data.outputs[test].rows[i][n % KEYS];
        if (got != expected) {
            answer->state = CLATTN__WRONG;
            snprintf(answer->reason, sizeof answer->reason,
                     "the smallest number of f16 times 1 is %g, must be %g", (double)got,
                     (double)expected);
            return;
        }
    }
}
