/* A program outside the library's tree: two keys, one query, and what it must give. */
#include <clattn/clattn.h>

#include <math.h>
#include <stdio.h>

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, clattn_error());
    return 1;
}

int main(void)
{
    clattn_context *context = NULL;
    clattn_op *op = NULL;
    const clattn_attention_desc desc = {.head_dim = 2, .query_heads = 1, .scale = 1};
    if (clattn_context_create(NULL, &context) != CLATTN_OK) {
        return fail("context");
    }
    if (clattn_attention_create(context, &desc, &op) != CLATTN_OK) {
        return fail("attention");
    }
    const cl_context cl = clattn_context_cl(context);
    const cl_command_queue queue =
        clCreateCommandQueue(cl, clattn_context_device(context), 0, NULL);
    float q[2] = {1, 0}, k[4] = {0, 5, 1, 5}, v[4] = {10, 20, 30, 40}, out[2] = {0, 0};
    const cl_mem_flags copy = CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR;
    const clattn_attention_args args = {
        .q = {.mem = clCreateBuffer(cl, copy, sizeof q, q, NULL), .size = {1, 1, 1, 2}},
        .k = {.mem = clCreateBuffer(cl, copy, sizeof k, k, NULL), .size = {1, 2, 1, 2}},
        .v = {.mem = clCreateBuffer(cl, copy, sizeof v, v, NULL), .size = {1, 2, 1, 2}},
        .out = {.mem = clCreateBuffer(cl, CL_MEM_WRITE_ONLY, sizeof out, NULL, NULL),
                .size = {1, 1, 1, 2}},
    };
    if (clattn_attention_run(op, queue, &args, NULL) != CLATTN_OK) {
        return fail("run");
    }
    clEnqueueReadBuffer(queue, args.out.mem, CL_TRUE, 0, sizeof out, out, 0, NULL, NULL);
    const float second = expf(1) / (1 + expf(1)); /* the scores are 0 and 1 */
    const int right =
        fabsf(out[0] - (10 + 20 * second)) < 1e-4f && fabsf(out[1] - (20 + 20 * second)) < 1e-4f;
    printf("%s: %g %g, %s\n", clattn_op_kernel(op), out[0], out[1], right ? "right" : "wrong");

    const cl_mem buffers[] = {args.q.mem, args.k.mem, args.v.mem, args.out.mem};
    for (int i = 0; i < 4; i++) {
        clReleaseMemObject(buffers[i]);
    }
    clReleaseCommandQueue(queue);
    clattn_op_destroy(op);
    clattn_context_destroy(context);
    return right ? 0 : 1;
}
