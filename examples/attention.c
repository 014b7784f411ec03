/* Causal attention, 8 heads over 100 rows.  The queries are zero, so every key that a row may see
 * weighs the same, and row i of the result is the mean of value rows 0 to i. */
#include <clattn/clattn.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 100, HEADS = 8, DIM = 64, COUNT = ROWS * HEADS * DIM };
static float queries[COUNT], values[COUNT], result[COUNT];

static void check(clattn_status status)
{
    if (status != CLATTN_OK) {
        fprintf(stderr, "%s\n", clattn_error()); /* says what and why */
        exit(1);
    }
}

int main(void)
{
    for (int n = 0; n < COUNT; n++) {
        values[n] = n / (HEADS * DIM); /* every number of row i is i */
    }
    clattn_context *context; /* on the first GPU, or the first device where there is none */
    clattn_op *op;           /* attention of this shape, compiled for that device */
    const clattn_attention_desc desc = {.head_dim = DIM, .query_heads = HEADS, .causal = true};
    check(clattn_context_create(NULL, &context));
    check(clattn_attention_create(context, &desc, &op));

    cl_context cl = clattn_context_cl(context);
    cl_command_queue queue = clCreateCommandQueue(cl, clattn_context_device(context), 0, NULL);
    cl_mem q = clCreateBuffer(cl, CL_MEM_COPY_HOST_PTR, sizeof queries, queries, NULL);
    cl_mem kv = clCreateBuffer(cl, CL_MEM_COPY_HOST_PTR, sizeof values, values, NULL);
    cl_mem out = clCreateBuffer(cl, CL_MEM_READ_WRITE, sizeof result, NULL, NULL);
    const clattn_attention_args args = {.q = {.mem = q, .size = {1, ROWS, HEADS, DIM}},
                                        .k = {.mem = kv, .size = {1, ROWS, HEADS, DIM}},
                                        .v = {.mem = kv, .size = {1, ROWS, HEADS, DIM}},
                                        .out = {.mem = out, .size = {1, ROWS, HEADS, DIM}}};
    check(clattn_attention_run(op, queue, &args, NULL)); /* enqueues and returns at once */
    clEnqueueReadBuffer(queue, out, CL_TRUE, 0, sizeof result, result, 0, NULL, NULL);
    printf("%s: the last row is %g\n", clattn_op_kernel(op), result[COUNT - 1]);

    clReleaseMemObject(q);
    clReleaseMemObject(kv);
    clReleaseMemObject(out);
    clReleaseCommandQueue(queue);
    clattn_op_destroy(op);
    clattn_context_destroy(context);
    return result[COUNT - 1] > 49.4999f && result[COUNT - 1] < 49.5001f ? 0 : 1;
}
