#include "ref.h"

#include <math.h>
#include <string.h>

int64_t ref_span_of(const double *cut, int64_t spans, int64_t j)
{
    if (!cut) {
        return j >= 0 && j < spans ? j : -1;
    }
    double end = cut[0]; /* the largest cut point so far */
    if (j < end) {
        return -1;
    }
    for (int64_t s = 0; s < spans; s++) {
        end = fmax(end, cut[s + 1]);
        if (j < end) {
            return s;
        }
    }
    return -1;
}

static double norm(int64_t columns, const double *v)
{
    double sum = 0;
    for (int64_t c = 0; c < columns; c++) {
        sum += v[c] * v[c];
    }
    return sqrt(sum);
}

/* masses of query i of head h, whose probabilities are p */
static void row(const struct ref_attention *a, const struct ref_attribution *r, int64_t i,
                int64_t h, const double *p, double lse, double *masses)
{
    const int64_t g = h / (a->heads / a->kv_heads);
    double total = 0;
    memset(masses, 0, (size_t)(r->spans + 1) * sizeof *masses);
    for (int64_t j = 0; j < a->n_k; j++) {
        const double *v = a->v + (j * a->kv_heads + g) * a->value_dim;
        const int64_t s = ref_span_of(r->cut, r->spans, j);
        const double share = p[j] == 0 || !r->value_weighted ? p[j] : p[j] * norm(a->value_dim, v);
        total += share;
        if (s >= 0) {
            masses[s] += share;
        }
    }
    if (a->sinks && !r->value_weighted) {
        masses[r->spans] = a->sinks[h] == -INFINITY ? 0 : exp(a->sinks[h] - lse);
    }
    for (int64_t s = 0; s <= r->spans; s++) {
        if (r->value_weighted && masses[s] != 0) {
            masses[s] /= total;
        }
        masses[s] *= masses[s] != 0 && r->row_weight ? r->row_weight[i * a->heads + h] : 1;
    }
}

static int64_t row_of(const struct ref_attention *a, const struct ref_attribution *r, int64_t i)
{
    return r->rows == REF_ROWS_EACH  ? i
           : r->rows == REF_ROWS_SUM ? 0
                                     : ref_span_of(r->cut, r->spans, i + a->offset[0]);
}

/* Heads of a row of masses to one; each is [columns]. */
static void join(const struct ref_attention *a, enum ref_heads how, int64_t columns,
                 const double *heads, double *out)
{
    for (int64_t s = 0; s < columns; s++) {
        double sum = 0, most = -INFINITY;
        for (int64_t h = 0; h < a->heads; h++) {
            const double x = heads[h * columns + s];
            sum += x;
            most = isnan(most) || x <= most ? most : x;
        }
        out[s] = how == REF_HEADS_MEAN ? sum / (double)a->heads : most;
    }
}

void ref_attribution(const struct ref_attention *a, const struct ref_attribution *r, double *lse,
                     double *mass)
{
    const int64_t columns = r->spans + (a->sinks ? 1 : 0);
    const int64_t rows = r->rows == REF_ROWS_EACH ? a->n_q : r->rows == REF_ROWS_SUM ? 1 : r->spans;
    const int64_t out_row = (r->heads == REF_HEADS_EACH ? a->heads : 1) * columns;
    double *p = ref_array(a->n_q * a->heads * a->n_k), *masses = ref_array(r->spans + 1),
           *out = ref_array(a->n_q * a->heads * a->value_dim),
           *sums = ref_array(rows * a->heads * columns);
    memset(sums, 0, (size_t)(rows * a->heads * columns) * sizeof *sums);
    ref_attention(a, out, lse, p);
    for (int64_t n = 0; n < a->n_q * a->heads; n++) {
        const int64_t i = n / a->heads, h = n % a->heads, to = row_of(a, r, i);
        row(a, r, i, h, p + n * a->n_k, lse[n], masses);
        for (int64_t s = 0; to >= 0 && s < columns; s++) {
            sums[(to * a->heads + h) * columns + s] += masses[s];
        }
    }
    for (int64_t n = 0; n < rows; n++) {
        const double *heads = sums + n * a->heads * columns;
        if (r->heads == REF_HEADS_EACH) {
            memcpy(mass + n * out_row, heads, (size_t)out_row * sizeof *mass);
        } else {
            join(a, r->heads, columns, heads, mass + n * out_row);
        }
    }
    free(p);
    free(masses);
    free(out);
    free(sums);
}

void ref_rollout(int64_t spans, int64_t heads, int64_t columns, const double *mass,
                 const double *previous, double *rollout)
{
    for (int64_t s = 0; s < spans; s++) {
        const double *m = mass + s * heads * columns;
        double total = 0;
        for (int64_t n = 0; n < heads * columns; n++) {
            total += m[n];
        }
        for (int64_t t = 0; t < columns; t++) {
            const double own = previous ? previous[s * columns + t] : s == t;
            double through = 0;
            for (int64_t n = 0; n < heads * columns; n++) {
                const int64_t u = n % columns;
                through += m[n] * (previous && u < spans ? previous[u * columns + t] : u == t);
            }
            rollout[s * columns + t] = total == 0 ? own : (through / total + own) / 2;
        }
    }
}
