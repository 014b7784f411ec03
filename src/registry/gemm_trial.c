/* Whether CLBlast computes rightly on a device, by products of whole numbers, which are exact. */
#include "gemm.h"
#include "probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- What is tried ---------------------------------------------------------------- */

/* What CLBlast does depends on how many multiplications there are, and on whether sizes are
 * multiples of its tiles, which have at most 128 rows or columns; so large sizes have a stand-in
 * with the same rest.  It changes to its kernels for large products below 1600 x 1600 x 1600 on
 * nearly every device it knows. */
enum { LARGE = 2048, TILE = 128, MOST_ROWS = 1024, MOST_PADDING = 5 };

static int64_t stand_in(int64_t size) { return size < LARGE ? size : LARGE + size % TILE; }

static const struct trial_product {
    int64_t rows, padding, offset; /* of a: elements between its rows and before them */
} products[] = {{1, 0, 0}, {MOST_ROWS, 0, 0}, {333, MOST_PADDING, 3}};

/* ---- One product -------------------------------------------------------------------- */

struct trial {
    int64_t n, k;
    float *a, *b, *c; /* on the host */
    double *vector;   /* n numbers */
    double *image;    /* b^T vector, k numbers */
    cl_mem a_mem, b_mem, c_mem;
};

/* -3 .. 3, without a pattern that tiles could share. */
static float small_number(uint32_t i)
{
    i = (i ^ i >> 15) * 0x2c1b3c6du;
    i = (i ^ i >> 12) * 0x297a2d39u;
    return (float)(int)((i ^ i >> 15) % 7) - 3;
}

static void fill(struct trial *t)
{
    for (int64_t i = 0; i < MOST_ROWS * (t->k + MOST_PADDING); i++) {
        t->a[i] = small_number((uint32_t)i);
    }
    for (int64_t j = 0; j < t->n; j++) {
        const uint32_t some = (uint32_t)(j + 1) * 2654435761u;
        t->vector[j] = 1 + (some >> 12);
    }
    memset(t->image, 0, (size_t)t->k * sizeof *t->image);
    for (int64_t j = 0; j < t->n; j++) {
        for (int64_t x = 0; x < t->k; x++) {
            t->b[j * t->k + x] = small_number((uint32_t)(j * t->k + x) + 0x5bd1e995u);
            t->image[x] += t->vector[j] * (double)t->b[j * t->k + x];
        }
    }
}

static double dot(const float *a, const float *b, int64_t k)
{
    double sum = 0;
    for (int64_t x = 0; x < k; x++) {
        sum += (double)a[x] * (double)b[x];
    }
    return sum;
}

/* By Freivalds' check (1977): c v = a (b^T v) takes a product with a vector instead of one with a
 * matrix.  Every number here is whole and less than 2^53. */
static bool row_is_right(const struct trial *t, const float *a, const float *c)
{
    double got = 0, expected = 0;
    for (int64_t j = 0; j < t->n; j++) {
        got += (double)c[j] * t->vector[j];
    }
    for (int64_t x = 0; x < t->k; x++) {
        expected += (double)a[x] * t->image[x];
    }
    return got == expected; /* false for NaN */
}

static void describe(const struct trial *t, const struct trial_product *p, int64_t i,
                     char reason[CLATTN__FACT_BYTES])
{
    const float *a = t->a + p->offset + i * (t->k + p->padding), *c = t->c + i * t->n;
    int64_t j = 0;
    while (j + 1 < t->n && (double)c[j] == dot(a, t->b + j * t->k, t->k)) {
        j++;
    }
    snprintf(reason, CLATTN__FACT_BYTES,
             "its product of %lldx%lld and %lldx%lld is wrong: [%lld, %lld] is %g, must be %g",
             (long long)p->rows, (long long)t->k, (long long)t->n, (long long)t->k, (long long)i,
             (long long)j, (double)c[j], dot(a, t->b + j * t->k, t->k));
}

static clattn_status multiply(const struct clattn__device *device, struct trial *t,
                              const struct trial_product *p)
{
    const size_t c_bytes = (size_t)(p->rows * t->n) * sizeof *t->c;
    const struct clattn__matrix a = {t->a_mem, p->offset, t->k + p->padding},
                                b = {t->b_mem, 0, t->k}, c = {t->c_mem, 0, t->n};
    memset(t->c, 0xff, c_bytes); /* NaN: what is not written is wrong */
    TRY(CL(clEnqueueWriteBuffer, device->queue, t->c_mem, CL_TRUE, 0, c_bytes, t->c, 0, NULL,
           NULL));
    TRY(clattn__gemm(device->queue, p->rows, t->n, t->k, &a, &b, &c));
    return CL(clEnqueueReadBuffer, device->queue, t->c_mem, CL_TRUE, 0, c_bytes, t->c, 0, NULL,
              NULL);
}

/* Wrong is an answer, and no failure. */
static clattn_status try_products(const struct clattn__device *device, struct trial *t,
                                  struct clattn__answer *answer)
{
    answer->state = CLATTN__RIGHT;
    for (size_t n = 0; n < sizeof products / sizeof *products; n++) {
        const struct trial_product *p = &products[n];
        TRY(multiply(device, t, p));
        for (int64_t i = 0; i < p->rows; i++) {
            const float *a = t->a + p->offset + i * (t->k + p->padding);
            if (!row_is_right(t, a, t->c + i * t->n)) {
                answer->state = CLATTN__WRONG;
                describe(t, p, i, answer->reason);
                return CLATTN_OK;
            }
        }
    }
    return CLATTN_OK;
}

/* ---- Its memory ----------------------------------------------------------------------- */

static clattn_status make_buffer(const struct clattn__device *device, int64_t floats, float *host,
                                 cl_mem *mem)
{
    cl_int code;
    *mem = clCreateBuffer(device->cl, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                          (size_t)floats * sizeof *host, host, &code);
    return clattn__opencl(code, "clCreateBuffer");
}

static void *numbers(int64_t count, size_t bytes) { return malloc((size_t)count * bytes); }

static clattn_status open_trial(const struct clattn__device *device, struct trial *t)
{
    const int64_t a = MOST_ROWS * (t->k + MOST_PADDING), b = t->n * t->k, c = MOST_ROWS * t->n;
    t->a = numbers(a, sizeof *t->a);
    t->b = numbers(b, sizeof *t->b);
    t->c = numbers(c, sizeof *t->c);
    t->vector = numbers(t->n, sizeof *t->vector);
    t->image = numbers(t->k, sizeof *t->image);
    if (!t->a || !t->b || !t->c || !t->vector || !t->image) {
        return clattn__out_of_memory();
    }
    fill(t);
    memset(t->c, 0xff, (size_t)c * sizeof *t->c);
    TRY(make_buffer(device, a, t->a, &t->a_mem));
    TRY(make_buffer(device, b, t->b, &t->b_mem));
    return make_buffer(device, c, t->c, &t->c_mem);
}

static void close_trial(struct trial *t)
{
    void *const blocks[] = {t->a, t->b, t->c, t->vector, t->image};
    const cl_mem buffers[] = {t->a_mem, t->b_mem, t->c_mem};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        free(blocks[i]);
    }
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        if (buffers[i]) {
            clReleaseMemObject(buffers[i]);
        }
    }
}

/* ---- What is remembered ------------------------------------------------------------------ */

struct clattn__gemm_trial {
    struct clattn__gemm_trial *next;
    int64_t n, k;
    struct clattn__answer answer;
};

void clattn__gemm_trials_open(struct clattn__gemm_trials *trials, struct clattn__programs *programs)
{
    *trials = (struct clattn__gemm_trials){.programs = programs};
    clattn__mutex_init(&trials->lock);
}

void clattn__gemm_trials_close(struct clattn__gemm_trials *trials)
{
    while (trials->first) {
        struct clattn__gemm_trial *trial = trials->first;
        trials->first = trial->next;
        free(trial);
    }
    clattn__mutex_destroy(&trials->lock);
}

/* In memory, for the stand-ins of n and k. */
static struct clattn__gemm_trial *find(const struct clattn__gemm_trials *trials, int64_t n,
                                       int64_t k)
{
    struct clattn__gemm_trial *trial = trials->first;
    while (trial && (trial->n != stand_in(n) || trial->k != stand_in(k))) {
        trial = trial->next;
    }
    return trial;
}

static void remember(struct clattn__gemm_trials *trials, int64_t n, int64_t k,
                     const struct clattn__answer *answer)
{
    clattn__lock(&trials->lock);
    struct clattn__gemm_trial *trial = find(trials, n, k);
    if (!trial) {
        trial = malloc(sizeof *trial); /* without memory it is tried again */
        if (trial) {
            *trial = (struct clattn__gemm_trial){
                .next = trials->first, .n = stand_in(n), .k = stand_in(k)};
            trials->first = trial;
        }
    }
    if (trial) {
        trial->answer = *answer;
    }
    clattn__unlock(&trials->lock);
}

/* From memory, else from cache_dir. */
static void recall(struct clattn__gemm_trials *trials, int64_t n, int64_t k,
                   struct clattn__answer *answer)
{
    static const struct clattn__probe probe = {.name = "clblast"};
    char sizes[64];
    clattn__lock(&trials->lock);
    const struct clattn__gemm_trial *trial = find(trials, n, k);
    *answer = trial ? trial->answer : (struct clattn__answer){.probe = &probe};
    clattn__unlock(&trials->lock);
    if (!trial) {
        snprintf(sizes, sizeof sizes, "%lldx%lld", (long long)stand_in(n), (long long)stand_in(k));
        clattn__program_key(&trials->programs->device->facts, clattn__gemm_version, sizes,
                            answer->key);
        clattn__record_read(trials->programs, answer);
        remember(trials, n, k, answer);
    }
}

bool clattn__gemm_trusted(struct clattn__gemm_trials *trials, int64_t n, int64_t k, char *reason,
                          size_t bytes)
{
    struct clattn__answer answer;
    recall(trials, n, k, &answer);
    snprintf(reason, bytes, "%s", answer.reason);
    return answer.state == CLATTN__PENDING || answer.state == CLATTN__RIGHT;
}

clattn_status clattn__gemm_try(struct clattn__gemm_trials *trials, int64_t n, int64_t k)
{
    struct clattn__answer answer;
    recall(trials, n, k, &answer);
    if (answer.state == CLATTN__PENDING) {
        struct trial trial = {.n = stand_in(n), .k = stand_in(k)};
        clattn__mark_set(trials->programs, &answer);
        clattn_status status = open_trial(trials->programs->device, &trial);
        if (status == CLATTN_OK) {
            status = try_products(trials->programs->device, &trial, &answer);
        }
        clattn__mark_remove(trials->programs, &answer);
        close_trial(&trial);
        TRY(status); /* a call that failed says nothing about another time */
        clattn__record_write(trials->programs, &answer);
        remember(trials, n, k, &answer);
    }
    return answer.state == CLATTN__RIGHT
               ? CLATTN_OK
               : clattn__fail(CLATTN_ERR_UNSUPPORTED, "CLBlast: %s", answer.reason);
}
