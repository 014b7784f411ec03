#include "workload.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const workload_kind *const kinds[] = {&attention_kind, &project_kind, &mha_kind,
                                             &additive_kind, &luong_kind};

/* ---- Operands --------------------------------------------------------------------------- */

operand *workload_operand(workload *w, const char *name)
{
    for (operand *o = w->operands; o->name; o++) {
        if (o->present && strcmp(o->name, name) == 0) {
            return o;
        }
    }
    return NULL;
}

static bool make_operands(workload *w, const session *s, reason *why)
{
    uint64_t seed = w->c.seed << 8;
    for (operand *o = w->operands; o->name; o++) {
        seed++;
        if (!o->present) {
            continue;
        }
        if (!operand_make(o, w->c.layout, s, seed, why)) {
            return false;
        }
        w->bytes += o->touched > 0 ? o->touched : (double)operand_bytes(o);
    }
    return true;
}

/* ---- The whole -------------------------------------------------------------------------- */

static void free_op(workload *w)
{
    if (w->scratch) {
        clReleaseMemObject(w->scratch);
    }
    clattn_op_destroy(w->op);
    w->scratch = NULL;
    w->op = NULL;
}

bool workload_make_op(workload *w, const session *s, reason *why)
{
    free_op(w);
    const double start = now_ms();
    if (w->kind->create(w, s->context, w->c.kernel[0] ? w->c.kernel : NULL) != CLATTN_OK) {
        return refuse(why, "%s", clattn_error());
    }
    w->create_ms = now_ms() - start;
    w->kind->bind(w);
    const size_t bytes = w->kind->scratch ? w->kind->scratch(w) : 0;
    cl_int code = CL_SUCCESS;
    if (bytes) {
        w->scratch =
            clCreateBuffer(clattn_context_cl(s->context), CL_MEM_READ_WRITE, bytes, NULL, &code);
        w->kind->bind(w);
    }
    return code == CL_SUCCESS ||
           refuse(why, "no room for %zu bytes of scratch (OpenCL error %d)", bytes, code);
}

bool workload_describe(workload *w, const struct test_case *c, reason *why)
{
    *w = (workload){.c = *c};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i]->name, c->op) == 0) {
            w->kind = kinds[i];
        }
    }
    const struct check_op *op = check_op_named(c->op);
    if (!w->kind && op && op->trial) {
        w->kind = &trial_workload_kind;
    }
    return w->kind ? w->kind->describe(w, why) : refuse(why, "there is no operation '%s'", c->op);
}

bool workload_open(workload *w, const session *s, const struct test_case *c, const char *kernel,
                   reason *why)
{
    const bool described = workload_describe(w, c, why);
    if (kernel) {
        snprintf(w->c.kernel, sizeof w->c.kernel, "%s", kernel);
    }
    if (described && make_operands(w, s, why) && workload_make_op(w, s, why)) {
        return true;
    }
    workload_close(w);
    return false;
}

bool workload_twin(workload *twin, const workload *w, const session *s, const char *kernel,
                   const char *params, reason *why)
{
    *twin = *w;
    twin->op = NULL;
    twin->scratch = NULL;
    for (operand *o = twin->operands; o->name; o++) {
        if (o->view.mem) {
            clRetainMemObject(o->view.mem);
        }
    }
    snprintf(twin->c.kernel, sizeof twin->c.kernel, "%s", kernel);
    snprintf(twin->c.params, sizeof twin->c.params, "%s", params);
    if (workload_make_op(twin, s, why)) {
        return true;
    }
    workload_close(twin);
    return false;
}

void workload_close(workload *w)
{
    for (operand *o = w->operands; o->name; o++) {
        if (o->view.mem) {
            clReleaseMemObject(o->view.mem);
        }
    }
    free_op(w);
    *w = (workload){.op = NULL};
}

clattn_status workload_run(const workload *w, cl_command_queue queue)
{
    return w->kind->run(w, queue);
}

double workload_time(const workload *w, cl_command_queue queue)
{
    const double start = now_ms();
    if (workload_run(w, queue) != CLATTN_OK) {
        fail("%s: %s", w->c.op, clattn_error());
        return -1;
    }
    const cl_int code = clFinish(queue);
    if (code != CL_SUCCESS) {
        fail("%s: clFinish gave OpenCL error %d", workload_kernel(w), code);
        return -1;
    }
    return now_ms() - start;
}

const char *workload_kernel(const workload *w)
{
    return w->kind->kernel ? w->kind->kernel(w) : clattn_op_kernel(w->op);
}

/* ---- For people ------------------------------------------------------------------------- */

typedef struct text {
    char *at;
    size_t left;
} text;

static void add(text *t, const char *format, ...) PRINTF_LIKE(2, 3);

static void add(text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(t->at, t->left, format, args);
    va_end(args);
    const size_t used = n < 0 ? 0 : (size_t)n < t->left ? (size_t)n : t->left - 1;
    t->at += used;
    t->left -= used;
}

/* In which queries and keys meet. */
static int32_t columns_of(const struct test_case *c)
{
    const struct check_op *op = check_op_named(c->op);
    const bool classic = op == &check_additive || op == &check_luong;
    return classic && c->own.classic.hidden ? c->own.classic.hidden : c->head_dim;
}

static void add_attention(text *t, const struct test_case *c)
{
    if (c->batch != 1) {
        add(t, " %d *", c->batch);
    }
    add(t, c->kv_heads != c->heads ? " %d/%d" : " %d", c->heads, c->kv_heads);
    add(t, " x %d x %d d%d", c->n_q, c->n_k, columns_of(c));
    if (c->value_dim != columns_of(c)) {
        add(t, "/%d", c->value_dim);
    }
}

void workload_title(const struct test_case *c, char *out, size_t bytes)
{
    text t = {out, bytes};
    const struct {
        bool on;
        const char *name;
    } words[] = {{c->causal, "causal"},  {c->bias[0], "bias"},         {c->mask[0], "mask"},
                 {c->alibi[0], "alibi"}, {c->sinks, "sinks"},          {c->kv_length[0], "lengths"},
                 {c->lse, "lse"},        {c->softcap != 0, "softcap"}, {c->weights[0], "weights"}};
    const struct check_op *op = check_op_named(c->op);
    char sizes[80];
    add(&t, "%s", c->op);
    if (op == &check_luong) {
        add(&t, " %s", c->own.classic.kind);
    }
    if (op && op->trial && op != &check_mha && op != &check_cache && op != &check_attribution) {
        trial_title(op->trial, c, sizes, sizeof sizes);
        add(&t, " %s", sizes);
    } else {
        add_attention(&t, c);
    }
    add(&t, " %s", clattn_type_name(c->type));
    if (op == &check_project && case_weight_type(c) != c->type) {
        add(&t, "*%s", clattn_type_name(case_weight_type(c)));
    }
    if (op == &check_project && c->own.project.activation[0]) {
        add(&t, " %s", c->own.project.activation);
    }
    if (c->window[0]) {
        add(&t, " window %s", c->window);
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (words[i].on) {
            add(&t, " %s", words[i].name);
        }
    }
}
