#include "formulas.h"

#include "ref/ref.h"

#include <math.h>
#include <stdlib.h>

double *formula_numbers(const clattn_tensor *tensor)
{
    const int64_t count = tensor->mem ? tensor_elements(tensor) : 0;
    float *values = malloc((size_t)(count + 1) * sizeof *values);
    double *wide = malloc((size_t)(count + 1) * sizeof *wide);
    ck_assert(values && wide);
    if (count) {
        tensor_read(tensor, values, (size_t)count);
    }
    for (int64_t n = 0; n < count; n++) {
        wide[n] = values[n];
    }
    free(values);
    return wide;
}

static void project(const clattn_linear *l, int64_t rows, const double *x, double *y)
{
    double *weight = formula_numbers(&l->weight), *bias = formula_numbers(&l->bias);
    ref_project(rows, l->weight.size[3], l->weight.size[1], x, weight, bias, y);
    free(weight);
    free(bias);
}

static void normalise(const clattn_layer_desc *d, const clattn_norm_weights *w, const double *x,
                      double *y)
{
    double *weight = formula_numbers(&w->weight), *bias = formula_numbers(&w->bias);
    for (int64_t r = 0; r < BATCH * ROWS; r++) {
        double mean, inverse;
        ref_norm(MODEL, x + r * MODEL, weight, w->bias.mem ? bias : NULL,
                 d->norm == CLATTN_LAYER_NORM, 1e-5, y + r * MODEL, &mean, &inverse);
    }
    free(weight);
    free(bias);
}

static void turn(double *x, int64_t heads)
{
    const struct ref_rope rope = {.rotary_dim = DIM, .base = 10000};
    for (int64_t n = 0; n < BATCH * ROWS * heads; n++) {
        double cosines[DIM], sines[DIM];
        ref_rope_angles(&rope, n / heads % ROWS, cosines, sines);
        ref_rope_turn(DIM, false, cosines, sines, x + n * DIM);
    }
}

static void attend(const clattn_layer_desc *d, const clattn_attention_weights *w, const double *x,
                   const double *source, int64_t n_k, bool cross, double *y)
{
    static double q[MOST], k[MOST], v[MOST], out[MOST], lse[MOST];
    const struct ref_attention a = {.batch = BATCH,
                                    .n_q = ROWS,
                                    .n_k = n_k,
                                    .heads = HEADS,
                                    .kv_heads = KV,
                                    .head_dim = DIM,
                                    .value_dim = DIM,
                                    .q = q,
                                    .k = k,
                                    .v = v,
                                    .causal = d->attention.causal && !cross,
                                    .window_left = -1,
                                    .window_right = -1,
                                    .scale = 1 / sqrt(DIM)};
    project(&w->q, BATCH * ROWS, x, q);
    project(&w->k, BATCH * n_k, source, k);
    project(&w->v, BATCH * n_k, source, v);
    if (d->rotate && !cross) {
        turn(q, HEADS);
        turn(k, KV);
    }
    ref_attention(&a, out, lse, NULL);
    project(&w->out, BATCH * ROWS, out, y);
}

static void feed_forward(const clattn_layer_desc *d, const double *x, double *y)
{
    static double up[MOST], gate[MOST];
    const enum ref_activation kind = d->activation == CLATTN_SILU ? REF_SILU : REF_GELU;
    project(&d->ffn.up, BATCH * ROWS, x, up);
    if (d->gated) {
        project(&d->ffn.gate, BATCH * ROWS, x, gate);
    }
    for (int n = 0; n < BATCH * ROWS * HIDDEN; n++) {
        up[n] = d->gated ? ref_activate(kind, gate[n]) * up[n] : ref_activate(kind, up[n]);
    }
    project(&d->ffn.down, BATCH * ROWS, up, y);
}

void formula_layer(const clattn_layer_desc *d, const double *x, const double *context, double *y)
{
    static double stream[MOST], normed[MOST], part[MOST], sum[MOST];
    const clattn_norm_weights *norms[] = {&d->self_attention.norm, &d->cross_attention.norm,
                                          &d->ffn.norm};
    memcpy(stream, x, sizeof(double) * BATCH * ROWS * MODEL);
    for (int p = 0; p < 3; p++) {
        if (p == 1 && !d->cross) {
            continue;
        }
        const double *in = stream;
        if (d->pre_norm) {
            normalise(d, norms[p], stream, normed);
            in = normed;
        }
        if (p == 0) {
            attend(d, &d->self_attention, in, in, ROWS, false, part);
        } else if (p == 1) {
            attend(d, &d->cross_attention, in, context, CONTEXT, true, part);
        } else {
            feed_forward(d, in, part);
        }
        for (int n = 0; n < BATCH * ROWS * MODEL; n++) {
            sum[n] = stream[n] + part[n];
        }
        if (d->pre_norm) {
            memcpy(stream, sum, sizeof stream);
        } else {
            normalise(d, norms[p], sum, stream);
        }
    }
    memcpy(y, stream, sizeof(double) * BATCH * ROWS * MODEL);
}
