/* A whole cross-attention layer, as between the two halves of a translation model: queries come
 * from one text, keys and values from another of other length and width.
 *
 *   q = x Wq^T,  k = context Wk^T,  v = context Wv^T,  out = attention(q, k, v) Wo^T
 *
 * clattn_mha does all of it in one call; weights are [out, in], as checkpoints hold them.  The
 * result is compared with the same sums in double precision. */
#include <clattn/clattn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 7, CONTEXT_ROWS = 11, HEADS = 4, DIM = 8, WIDTH = HEADS * DIM };
enum { MODEL = 24, CONTEXT = 40 }; /* columns of x and of context */

static float x[ROWS * MODEL], context_rows[CONTEXT_ROWS * CONTEXT], out[ROWS * MODEL];
static float wq[WIDTH * MODEL], wk[WIDTH * CONTEXT], wv[WIDTH * CONTEXT], wo[MODEL * WIDTH];

static void check(clattn_status status)
{
    if (status != CLATTN_OK) {
        fprintf(stderr, "cross_attention: %s\n", clattn_error());
        exit(1);
    }
}

/* ---- The same in plain C, in double precision ------------------------------- */

static void project(int rows, int in, int columns, const double *a, const float *weight, double *y)
{
    for (int n = 0; n < rows * columns; n++) {
        y[n] = 0;
        for (int c = 0; c < in; c++) {
            y[n] += a[n / columns * in + c] * weight[n % columns * in + c];
        }
    }
}

static void attend(const double *q, const double *k, const double *v, double *y)
{
    for (int n = 0; n < ROWS * HEADS; n++) {
        const int i = n / HEADS * WIDTH, h = n % HEADS * DIM; /* where row and head begin */
        double weight[CONTEXT_ROWS], sum = 0;
        for (int j = 0; j < CONTEXT_ROWS; j++) {
            double score = 0;
            for (int c = 0; c < DIM; c++) {
                score += q[i + h + c] * k[j * WIDTH + h + c];
            }
            sum += weight[j] = exp(score / sqrt(DIM));
        }
        for (int c = 0; c < DIM; c++) {
            y[i + h + c] = 0;
            for (int j = 0; j < CONTEXT_ROWS; j++) {
                y[i + h + c] += weight[j] / sum * v[j * WIDTH + h + c];
            }
        }
    }
}

static double worst_error(void)
{
    double dx[ROWS * MODEL], dc[CONTEXT_ROWS * CONTEXT], expected[ROWS * MODEL], worst = 0;
    double q[ROWS * WIDTH], k[CONTEXT_ROWS * WIDTH], v[CONTEXT_ROWS * WIDTH];
    double attended[ROWS * WIDTH];
    for (int n = 0; n < ROWS * MODEL; n++) {
        dx[n] = x[n];
    }
    for (int n = 0; n < CONTEXT_ROWS * CONTEXT; n++) {
        dc[n] = context_rows[n];
    }
    project(ROWS, MODEL, WIDTH, dx, wq, q);
    project(CONTEXT_ROWS, CONTEXT, WIDTH, dc, wk, k);
    project(CONTEXT_ROWS, CONTEXT, WIDTH, dc, wv, v);
    attend(q, k, v, attended);
    project(ROWS, WIDTH, MODEL, attended, wo, expected);
    for (int n = 0; n < ROWS * MODEL; n++) {
        const double error = fabs(out[n] - expected[n]);
        worst = error <= worst ? worst : error; /* NaN counts */
    }
    return worst;
}

/* ---- On the device ---------------------------------------------------------- */

static clattn_tensor random_tensor(clattn_context *context, float *data, int64_t rows,
                                   int64_t columns)
{
    for (int64_t n = 0; n < rows * columns; n++) {
        data[n] = (float)rand() / (float)RAND_MAX - 0.5f;
    }
    const clattn_tensor tensor = {
        .mem = clCreateBuffer(clattn_context_cl(context), CL_MEM_COPY_HOST_PTR,
                              (size_t)(rows * columns) * sizeof *data, data, NULL),
        .size = {1, rows, 1, columns},
    };
    return tensor;
}

int main(void)
{
    clattn_context *context;
    clattn_op *op;
    const clattn_mha_desc desc = {
        .attention = {.head_dim = DIM, .query_heads = HEADS},
        .model_dim = MODEL,
        .context_dim = CONTEXT,
        .out_dim = MODEL,
    };
    check(clattn_context_create(NULL, &context));
    check(clattn_mha_create(context, &desc, &op));

    cl_command_queue queue =
        clCreateCommandQueue(clattn_context_cl(context), clattn_context_device(context), 0, NULL);
    const clattn_mha_args args = {
        .x = random_tensor(context, x, ROWS, MODEL),
        .context = random_tensor(context, context_rows, CONTEXT_ROWS, CONTEXT),
        .wq = random_tensor(context, wq, WIDTH, MODEL),
        .wk = random_tensor(context, wk, WIDTH, CONTEXT),
        .wv = random_tensor(context, wv, WIDTH, CONTEXT),
        .wo = random_tensor(context, wo, MODEL, WIDTH),
        .out = random_tensor(context, out, ROWS, MODEL),
    };
    check(clattn_mha_run(op, queue, &args, NULL));
    clEnqueueReadBuffer(queue, args.out.mem, CL_TRUE, 0, sizeof out, out, 0, NULL, NULL);
    const double worst = worst_error();
    printf("%s: %d rows attend to %d, largest error %.1e\n", clattn_op_kernel(op), ROWS,
           CONTEXT_ROWS, worst);

    const cl_mem buffers[] = {args.x.mem,  args.context.mem, args.wq.mem, args.wk.mem,
                              args.wv.mem, args.wo.mem,      args.out.mem};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        clReleaseMemObject(buffers[i]);
    }
    clReleaseCommandQueue(queue);
    clattn_op_destroy(op);
    clattn_context_destroy(context);
    return worst <= 1e-5 ? 0 : 1;
}
