/* One step of text generation: a new query for each of two sequences, over the keys and values
 * kept from the words before it.
 *
 * The two sequences have 1000 and 37 rows in use of a cache with room for 2048 (kv_length says so;
 * rows behind it hold NaN here, to show that they are never read).  32 query heads share 8 key and
 * value heads, four to one ("grouped query attention").  The result is compared with the same
 * sums in double precision. */
#include <clattn/clattn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 2, CAPACITY = 2048, HEADS = 32, KV_HEADS = 8, DIM = 64, GROUP = HEADS / KV_HEADS };
enum { QUERIES = BATCH * HEADS * DIM, ROW = KV_HEADS * DIM, CACHE = BATCH * CAPACITY * ROW };

static float q[QUERIES], k[CACHE], v[CACHE], out[QUERIES];
static const cl_int kv_length[BATCH] = {1000, 37};

static void check(clattn_status status)
{
    if (status != CLATTN_OK) {
        fprintf(stderr, "gqa_decode: %s\n", clattn_error());
        exit(1);
    }
}

static float random_float(void) { return 2.0f * (float)rand() / (float)RAND_MAX - 1.0f; }

static void fill(void)
{
    for (int n = 0; n < QUERIES; n++) {
        q[n] = 3 * random_float();
    }
    for (int n = 0; n < CACHE; n++) {
        const bool used = n / ROW % CAPACITY < kv_length[n / ROW / CAPACITY];
        k[n] = used ? random_float() : NAN;
        v[n] = used ? random_float() : NAN;
    }
}

/* The largest difference between out and the formula, for one head of one sequence. */
static double worst_of_head(int b, int h)
{
    const float *query = q + (b * HEADS + h) * DIM, *got = out + (b * HEADS + h) * DIM;
    const size_t first = (size_t)b * CAPACITY * ROW + (size_t)(h / GROUP) * DIM;
    double sum = 0, expected[DIM] = {0}, worst = 0;
    for (int j = 0; j < kv_length[b]; j++) {
        double score = 0;
        for (int c = 0; c < DIM; c++) {
            score += (double)query[c] * k[first + (size_t)j * ROW + c];
        }
        const double weight = exp(score / sqrt(DIM));
        sum += weight;
        for (int c = 0; c < DIM; c++) {
            expected[c] += weight * v[first + (size_t)j * ROW + c];
        }
    }
    for (int c = 0; c < DIM; c++) {
        const double error = fabs(got[c] - expected[c] / sum);
        worst = error <= worst ? worst : error; /* NaN counts */
    }
    return worst;
}

static cl_mem buffer(clattn_context *context, const void *data, size_t bytes)
{
    const cl_mem_flags copy = data ? CL_MEM_COPY_HOST_PTR : 0;
    return clCreateBuffer(clattn_context_cl(context), CL_MEM_READ_WRITE | copy, bytes, (void *)data,
                          NULL);
}

int main(void)
{
    clattn_context *context;
    clattn_op *op;
    const clattn_attention_desc desc = {
        .head_dim = DIM, .query_heads = HEADS, .kv_heads = KV_HEADS, .causal = true};
    check(clattn_context_create(NULL, &context));
    check(clattn_attention_create(context, &desc, &op));

    fill();
    cl_command_queue queue =
        clCreateCommandQueue(clattn_context_cl(context), clattn_context_device(context), 0, NULL);
    const clattn_attention_args args = {
        .q = {.mem = buffer(context, q, sizeof q), .size = {BATCH, 1, HEADS, DIM}},
        .k = {.mem = buffer(context, k, sizeof k), .size = {BATCH, CAPACITY, KV_HEADS, DIM}},
        .v = {.mem = buffer(context, v, sizeof v), .size = {BATCH, CAPACITY, KV_HEADS, DIM}},
        .out = {.mem = buffer(context, NULL, sizeof out), .size = {BATCH, 1, HEADS, DIM}},
        .kv_length = {.mem = buffer(context, kv_length, sizeof kv_length),
                      .size = {BATCH, 1, 1, 1},
                      .type = CLATTN_I32},
    };
    check(clattn_attention_run(op, queue, &args, NULL));
    clEnqueueReadBuffer(queue, args.out.mem, CL_TRUE, 0, sizeof out, out, 0, NULL, NULL);

    double worst = 0;
    for (int n = 0; n < BATCH * HEADS; n++) {
        const double error = worst_of_head(n / HEADS, n % HEADS);
        worst = error <= worst ? worst : error;
    }
    printf("%s: %d queries over %d and %d keys, largest error %.1e\n", clattn_op_kernel(op), BATCH,
           (int)kv_length[0], (int)kv_length[1], worst);

    const cl_mem buffers[] = {args.q.mem, args.k.mem, args.v.mem, args.out.mem, args.kv_length.mem};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        clReleaseMemObject(buffers[i]);
    }
    clReleaseCommandQueue(queue);
    clattn_op_destroy(op);
    clattn_context_destroy(context);
    return worst <= 1e-5 ? 0 : 1;
}
