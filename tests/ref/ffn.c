#include "ref.h"

static void project(int64_t rows, const struct ref_ffn *f, const double *x, const double *weight,
                    const double *bias, bool stored, double *y)
{
    ref_project(rows, f->model_dim, f->hidden_dim, x, weight, bias, y);
    for (int64_t n = 0; stored && n < rows * f->hidden_dim; n++) {
        y[n] = f->stored(y[n]);
    }
}

void ref_ffn(int64_t rows, const struct ref_ffn *f, const double *x, double *y)
{
    double *up = ref_array(rows * f->hidden_dim), *gate = ref_array(rows * f->hidden_dim);
    project(rows, f, x, f->up, f->up_bias, f->gate != NULL, up);
    if (f->gate) {
        project(rows, f, x, f->gate, f->gate_bias, !f->gate_in_f32, gate);
    }
    for (int64_t n = 0; n < rows * f->hidden_dim; n++) {
        up[n] = f->stored(f->gate ? ref_activate(f->activation, gate[n]) * up[n]
                                  : ref_activate(f->activation, up[n]));
    }
    ref_project(rows, f->hidden_dim, f->model_dim, up, f->down, f->down_bias, y);
    free(up);
    free(gate);
}
