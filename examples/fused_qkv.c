/* Queries, keys and values that lie side by side in one buffer, as one product x W^T makes them:
 *
 *   row 0:  q of all heads | k of all heads | v of all heads
 *   row 1:  q of all heads | k of all heads | v of all heads   ...
 *
 * Nothing is copied apart: an offset and strides tell attention where each lies.  The result goes
 * to [batch, head, row, column], another order, by strides alone, too.  It must equal, bit for bit,
 * what three dense buffers give. */
#include <clattn/clattn.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 2, ROWS = 50, HEADS = 4, DIM = 32, WIDTH = HEADS * DIM, PITCH = 3 * WIDTH };
enum { COUNT = BATCH * ROWS * WIDTH };

static float fused[BATCH * ROWS * PITCH], dense[3][COUNT], from_fused[COUNT], from_dense[COUNT];

static void check(clattn_status status)
{
    if (status != CLATTN_OK) {
        fprintf(stderr, "fused_qkv: %s\n", clattn_error());
        exit(1);
    }
}

static void fill(void)
{
    for (int n = 0; n < BATCH * ROWS * PITCH; n++) {
        fused[n] = 2.0f * (float)rand() / (float)RAND_MAX - 1.0f;
        dense[n % PITCH / WIDTH][n / PITCH * WIDTH + n % WIDTH] = fused[n];
    }
}

static cl_mem buffer(clattn_context *context, float *data, size_t bytes)
{
    const cl_mem_flags copy = data ? CL_MEM_COPY_HOST_PTR : 0;
    return clCreateBuffer(clattn_context_cl(context), CL_MEM_READ_WRITE | copy, bytes, data, NULL);
}

int main(void)
{
    clattn_context *context;
    clattn_op *op;
    const clattn_attention_desc desc = {.head_dim = DIM, .query_heads = HEADS};
    check(clattn_context_create(NULL, &context));
    check(clattn_attention_create(context, &desc, &op));

    fill();
    const cl_mem all = buffer(context, fused, sizeof fused);
    const cl_mem out = buffer(context, NULL, sizeof from_fused);
    const cl_mem q = buffer(context, dense[0], sizeof dense[0]);
    const cl_mem k = buffer(context, dense[1], sizeof dense[1]);
    const cl_mem v = buffer(context, dense[2], sizeof dense[2]);
    cl_command_queue queue =
        clCreateCommandQueue(clattn_context_cl(context), clattn_context_device(context), 0, NULL);

    /* Sizes and strides are always said in the order {batch, row, head, column}, whatever the order
     * in memory.  Strides left out mean dense, last index fastest. */
#define SIZE                                                                                       \
    {                                                                                              \
        BATCH, ROWS, HEADS, DIM                                                                    \
    }
#define IN_FUSED                                                                                   \
    {                                                                                              \
        ROWS *PITCH, PITCH, DIM, 1                                                                 \
    }
#define BHND                                                                                       \
    {                                                                                              \
        HEADS *ROWS *DIM, DIM, ROWS *DIM, 1                                                        \
    }
    const clattn_attention_args slices = {
        .q = {.mem = all, .offset = 0, .size = SIZE, .stride = IN_FUSED},
        .k = {.mem = all, .offset = WIDTH, .size = SIZE, .stride = IN_FUSED},
        .v = {.mem = all, .offset = 2 * WIDTH, .size = SIZE, .stride = IN_FUSED},
        .out = {.mem = out, .size = SIZE, .stride = BHND},
    };
    const clattn_attention_args apart = {
        .q = {.mem = q, .size = SIZE},
        .k = {.mem = k, .size = SIZE},
        .v = {.mem = v, .size = SIZE},
        .out = {.mem = out, .size = SIZE},
    };
    check(clattn_attention_run(op, queue, &slices, NULL));
    clEnqueueReadBuffer(queue, out, CL_TRUE, 0, sizeof from_fused, from_fused, 0, NULL, NULL);
    check(clattn_attention_run(op, queue, &apart, NULL));
    clEnqueueReadBuffer(queue, out, CL_TRUE, 0, sizeof from_dense, from_dense, 0, NULL, NULL);

    int different = 0;
    for (int n = 0; n < COUNT; n++) {
        const int b = n / (ROWS * WIDTH), i = n / WIDTH % ROWS, h = n / DIM % HEADS, c = n % DIM;
        different += from_dense[n] != from_fused[((b * HEADS + h) * ROWS + i) * DIM + c];
    }
    printf("%s: %d numbers, %d differ between slices and dense buffers\n", clattn_op_kernel(op),
           COUNT, different);

    const cl_mem buffers[] = {all, out, q, k, v};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        clReleaseMemObject(buffers[i]);
    }
    clReleaseCommandQueue(queue);
    clattn_op_destroy(op);
    clattn_context_destroy(context);
    return different == 0 ? 0 : 1;
}
