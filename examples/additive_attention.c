/* Which source word does each translated word look at?  Additive attention (Bahdanau, Cho and
 * Bengio 2014) between two short sentences, with weights made by hand instead of trained ones.
 *
 *   score = w . tanh(Wq q + Wk k + b)
 *
 * Each word is a row with a 1 in the column of its meaning.  Wq and Wk scale that by SHARP and b is
 * -1.5 SHARP, so hidden unit c is near 1 where both words mean c, and near -1 elsewhere: a
 * translation scores above all other pairs.  The word order of the two languages differs, and the
 * weights show it. */
#include <clattn/clattn.h>
#include <stdio.h>
#include <stdlib.h>

enum { SOURCE = 5, TARGET = 5, MEANINGS = 5, SHARP = 3 };

static const char *const source[SOURCE] = {"I", "have", "read", "the", "book"};
static const char *const target[TARGET] = {"ich", "habe", "das", "Buch", "gelesen"};
static const int meaning[TARGET] = {0, 1, 3, 4, 2}; /* its source word */

static void check(clattn_status status)
{
    if (status != CLATTN_OK) {
        fprintf(stderr, "additive_attention: %s\n", clattn_error());
        exit(1);
    }
}

static clattn_tensor tensor(clattn_context *context, const float *data, int64_t rows,
                            int64_t columns)
{
    const clattn_tensor tensor = {
        .mem = clCreateBuffer(clattn_context_cl(context), CL_MEM_COPY_HOST_PTR,
                              (size_t)(rows * columns) * sizeof *data, (void *)data, NULL),
        .size = {1, rows, 1, columns},
    };
    return tensor;
}

/* Prints a row of bars per target word; false if one does not look at its translation. */
static bool print_alignment(float weights[TARGET][SOURCE])
{
    bool right = true;
    printf("%-8s", "");
    for (int j = 0; j < SOURCE; j++) {
        printf("  %-4s", source[j]);
    }
    for (int i = 0; i < TARGET; i++) {
        int best = 0;
        printf("\n%-8s", target[i]);
        for (int j = 0; j < SOURCE; j++) {
            best = weights[i][j] > weights[i][best] ? j : best;
            printf("  %.2f", weights[i][j]);
        }
        printf("  looks at '%s'", source[best]);
        right = right && best == meaning[i] && weights[i][best] > 0.5f;
    }
    printf("\n");
    return right;
}

int main(void)
{
    float identity[MEANINGS][MEANINGS] = {{0}}, queries[TARGET][MEANINGS] = {{0}};
    float scaled[MEANINGS][MEANINGS] = {{0}}, b[MEANINGS], w[MEANINGS];
    float weights[TARGET][SOURCE] = {{0}};
    for (int c = 0; c < MEANINGS; c++) {
        identity[c][c] = 1; /* the source words, and what is mixed by the weights */
        scaled[c][c] = SHARP;
        b[c] = -1.5f * SHARP;
        w[c] = 2;
    }
    for (int i = 0; i < TARGET; i++) {
        queries[i][meaning[i]] = 1;
    }

    clattn_context *context;
    clattn_op *op;
    check(clattn_context_create(NULL, &context));
    const clattn_tensor scale = tensor(context, scaled[0], MEANINGS, MEANINGS);
    const clattn_classic_desc desc = {
        .attention = {.head_dim = MEANINGS, .query_heads = 1, .with = CLATTN_WITH_WEIGHTS},
        .kind = CLATTN_ADDITIVE,
        .query_dim = MEANINGS,
        .key_dim = MEANINGS,
        .bias = true,
        .wq = scale, /* weights that never change are given once */
        .wk = scale,
    };
    check(clattn_classic_create(context, &desc, &op));

    cl_command_queue queue =
        clCreateCommandQueue(clattn_context_cl(context), clattn_context_device(context), 0, NULL);
    const clattn_tensor words = tensor(context, identity[0], SOURCE, MEANINGS);
    const clattn_classic_args args = {
        .attention = {.q = tensor(context, queries[0], TARGET, MEANINGS),
                      .k = words,
                      .v = words,
                      .out = tensor(context, queries[0], TARGET, MEANINGS),
                      .weights = tensor(context, weights[0], TARGET, SOURCE)},
        .b = tensor(context, b, 1, MEANINGS),
        .w = tensor(context, w, 1, MEANINGS),
    };
    check(clattn_classic_run(op, queue, &args, NULL));
    clEnqueueReadBuffer(queue, args.attention.weights.mem, CL_TRUE, 0, sizeof weights, weights, 0,
                        NULL, NULL);
    printf("%s\n", clattn_op_kernel(op));
    const bool right = print_alignment(weights);

    const cl_mem buffers[] = {scale.mem,
                              words.mem,
                              args.attention.q.mem,
                              args.attention.out.mem,
                              args.attention.weights.mem,
                              args.b.mem,
                              args.w.mem};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        clReleaseMemObject(buffers[i]);
    }
    clReleaseCommandQueue(queue);
    clattn_op_destroy(op);
    clattn_context_destroy(context);
    return right ? 0 : 1;
}
