#include "simple.h"
#include "registry/choose.h"
#include "registry/create.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIZE = 1 << 30 }; /* of an axis: kernels count them in int */

/* ---- Descriptors ------------------------------------------------------------ */

clattn_status clattn__check_counts(const char *op, const struct clattn__count *counts)
{
    for (; counts->field; counts++) {
        if (counts->value < 1 || counts->value > counts->most) {
            return clattn__refuse("%s: %s is %d, must be 1..%d", op, counts->field, counts->value,
                                  counts->most);
        }
    }
    return CLATTN_OK;
}

clattn_status clattn__check_float(const char *op, const char *field, clattn_type type)
{
    return clattn__is_float(type) ? CLATTN_OK
                                  : clattn__refuse("%s: %s is %s (%d), must be f32, f16 or bf16",
                                                   op, field, clattn_type_name(type), (int)type);
}

void clattn__label_types(clattn_type in, clattn_type out, char *text, size_t bytes)
{
    snprintf(text, bytes, "%s%s%s", clattn_type_name(in), in == out ? "" : ">",
             in == out ? "" : clattn_type_name(out));
}

/* A copy with defaults filled in; the caller frees. */
static clattn_status complete(const struct clattn__family *family, const void *desc, void **full)
{
    const struct clattn__simple *simple = family->own;
    if (!desc) {
        return clattn__refuse("%s: desc is NULL", family->op);
    }
    *full = malloc(simple->desc_bytes);
    if (!*full) {
        return clattn__out_of_memory();
    }
    memcpy(*full, desc, simple->desc_bytes);
    const clattn_status status = simple->complete(*full);
    if (status != CLATTN_OK) {
        free(*full);
    }
    return status;
}

clattn_status clattn__simple_create(const struct clattn__family *family, clattn_context *context,
                                    const void *desc, clattn_op **out)
{
    const struct clattn__simple *simple = family->own;
    void *full;
    if (!context || !out) {
        return clattn__refuse("%s: %s is NULL", family->op, context ? "out" : "context");
    }
    TRY(complete(family, desc, &full));
    const char *kernel;
    memcpy(&kernel, (const char *)desc + simple->kernel_at, sizeof kernel);
    const clattn_status status = clattn__op_create(context, family, full, kernel, NULL, out);
    free(full);
    return status;
}

clattn_status clattn__simple_variants(const struct clattn__family *family, clattn_context *context,
                                      const void *desc, clattn_variant_report *report, void *user)
{
    void *full;
    if (!context || !report) {
        return clattn__refuse("%s: %s is NULL", family->op, context ? "report" : "context");
    }
    TRY(complete(family, desc, &full));
    clattn__report_variants(context, family, full, NULL, report, user);
    free(full);
    return CLATTN_OK;
}

/* ---- Geometry ----------------------------------------------------------------- */

void clattn__adapt_width(const clattn_device_facts *facts, const void *desc, int *params)
{
    (void)desc;
    params[0] = facts->vector_width;
}

void clattn__row_blocks(const int *params, const int64_t extent[3], size_t global[3],
                        size_t local[3])
{
    const int64_t cells[3] = {clattn__divide_up(extent[0], params[1]), 1, extent[2]};
    clattn__cells(params, cells, global, local);
}

void clattn__adapt_items(const clattn_device_facts *facts, const void *desc, int *params)
{
    (void)desc;
    params[0] = facts->max_work_group < 64 ? (int)facts->max_work_group : 64;
}

void clattn__row_items(const int *params, const int64_t extent[3], size_t global[3],
                       size_t local[3])
{
    clattn__cells(params, extent, global, local);
    global[0] = (size_t)(clattn__divide_up(extent[0], params[0]) * params[0]);
    local[0] = (size_t)params[0];
}

void clattn__column_items(const int *params, const int64_t extent[3], size_t global[3],
                          size_t local[3])
{
    const int64_t turned[3] = {extent[1], extent[0], extent[2]};
    clattn__row_items(params, turned, global, local);
}

/* ---- Binding ------------------------------------------------------------------- */

/* A call's tensors as the kernel sees them. */
struct views {
    struct clattn__view at[CLATTN__MAX_OPERANDS];
};

static struct clattn__binding bind(const struct clattn__simple *simple,
                                   const struct clattn__simple_op *op,
                                   const struct clattn__call *call, const struct views *views)
{
    struct clattn__binding binding = {.kernel = op->base.kernel};
    const struct clattn__view constant = {.mem = op->constant};
    for (int i = 0; i < CLATTN__MAX_OPERANDS && call->operand[i].field; i++) {
        clattn__bind_view(&binding, &views->at[i]);
    }
    if (simple->has_constant) {
        clattn__bind_view(&binding, &constant);
    }
    for (int i = 0; i < simple->ints; i++) {
        clattn__bind_int(&binding, call->ints[i]);
    }
    if (simple->real) {
        clattn__bind_float(&binding, call->real);
    }
    return binding;
}

/* ---- Building ------------------------------------------------------------------- */

/* A call without tensors and with every number 0 gives a kernel no work. */
static clattn_status launch_first(struct clattn__simple_op *op, const struct clattn__simple *simple)
{
    const clattn_op *base = &op->base;
    const int64_t one[3] = {1, 1, 1};
    const struct views none = {0};
    size_t global[3], local[3];
    struct clattn__call call = {0};
    void *args = calloc(1, simple->args_bytes);
    if (!args) {
        return clattn__out_of_memory();
    }
    simple->describe(op->desc, args, &call);
    free(args);
    base->variant->geometry(base->params, one, global, local);
    const struct clattn__binding binding = bind(simple, op, &call, &none);
    return clattn__first_launch(base->context, &binding, local);
}

clattn_status clattn__simple_build(clattn_op *base, const void *desc)
{
    struct clattn__simple_op *op = (struct clattn__simple_op *)base;
    const struct clattn__simple *simple = base->family->own;
    struct clattn__options options = clattn__options_begin();
    char label[80] = "";
    memcpy(op->desc, desc, simple->desc_bytes);
    memset(op->desc + simple->kernel_at, 0, sizeof(const char *)); /* the caller's string ends */
    simple->label(op->desc, label, sizeof label);
    snprintf(base->label, sizeof base->label, "%s %s", base->variant->name, label);
    simple->specialise(op->desc, &options);
    clattn__options_of(&options, base->variant, base->params);
    TRY(clattn__build_kernel(base->context, base->variant->name, &options, &base->kernel));
    TRY(launch_first(op, simple));
    return simple->has_constant ? simple->constant(base->context, op->desc, &op->constant)
                                : CLATTN_OK;
}

void clattn__simple_release(clattn_op *base)
{
    struct clattn__simple_op *op = (struct clattn__simple_op *)base;
    if (op->constant) {
        clReleaseMemObject(op->constant);
    }
}

/* ---- Running -------------------------------------------------------------------- */

static clattn_status check_operand(const char *op, const struct clattn__operand *operand,
                                   struct clattn__view *view)
{
    const clattn_tensor *tensor = operand->tensor;
    if (tensor->mem && operand->unwanted) {
        return clattn__refuse("%s: args.%s is given, but %s", op, operand->field,
                              operand->unwanted);
    }
    for (int a = 0; tensor->mem && a < 4; a++) {
        if (tensor->size[a] < 0 || tensor->size[a] > MAX_SIZE) {
            return clattn__refuse("%s: args.%s.size[%d] is %lld, must be 0..%d", op, operand->field,
                                  a, (long long)tensor->size[a], MAX_SIZE);
        }
    }
    struct clattn__want want = {.op = op,
                                .field = operand->field,
                                .repeat = operand->repeat,
                                .types = operand->types,
                                .output = operand->output,
                                .optional = operand->optional || operand->unwanted};
    memcpy(want.size, operand->size, sizeof want.size);
    return clattn__view(&want, tensor, view);
}

/* Elements from a row's first to its last, plus one. */
static int64_t row_span(const int64_t size[4], const struct clattn__view *view)
{
    return (size[2] - 1) * view->at[3] + size[3];
}

/* Slices of one buffer's rows, such as q and k of fused projections: in each period of the buffer
 * both have one row, and one's begins behind the other's. */
static bool side_by_side(const struct clattn__operand *a, const struct clattn__view *va,
                         const struct clattn__operand *b, const struct clattn__view *vb)
{
    const int64_t period = va->at[2] ? va->at[2] : va->at[1];
    if (period == 0 || va->type != vb->type || va->at[1] % period || vb->at[1] % period ||
        va->at[2] % period || vb->at[2] % period) {
        return false;
    }
    const int64_t apart = ((vb->at[0] - va->at[0]) % period + period) % period;
    return apart >= row_span(a->size, va) && apart + row_span(b->size, vb) <= period;
}

static clattn_status check_overlap(const char *op, const struct clattn__call *call, int output,
                                   const struct views *views)
{
    const struct clattn__operand *o = call->operand;
    const struct clattn__view *v = views->at;
    for (int i = 0; i < CLATTN__MAX_OPERANDS && o[i].field; i++) {
        const bool in_place = o[output].over & 1u << i && clattn__same_view(&v[i], &v[output]);
        if (i != output && !in_place && !side_by_side(&o[output], &v[output], &o[i], &v[i])) {
            TRY(clattn__no_overlap(op, o[output].field, &v[output], o[i].field, &v[i]));
        }
    }
    return CLATTN_OK;
}

static clattn_status check_call(const char *op, const struct clattn__call *call,
                                struct views *views)
{
    for (int i = 0; i < CLATTN__MAX_OPERANDS && call->operand[i].field; i++) {
        TRY(check_operand(op, &call->operand[i], &views->at[i]));
    }
    for (int i = 0; i < CLATTN__MAX_OPERANDS && call->operand[i].field; i++) {
        if (call->operand[i].output) {
            TRY(check_overlap(op, call, i, views));
        }
    }
    return CLATTN_OK;
}

clattn_status clattn__simple_run(const struct clattn__family *family, const clattn_op *base,
                                 cl_command_queue queue, const void *args, cl_event *event)
{
    const struct clattn__simple *simple = family->own;
    struct clattn__call call = {0};
    struct views views = {0};
    size_t global[3], local[3];
    TRY(clattn__op_check(base, family));
    if (!args) {
        return clattn__refuse("%s: args is NULL", family->op);
    }
    const struct clattn__simple_op *op = (const struct clattn__simple_op *)base;
    simple->describe(op->desc, args, &call);
    TRY(check_call(family->op, &call, &views));
    if (simple->check) {
        TRY(simple->check(op->desc, args));
    }
    base->variant->geometry(base->params, call.extent, global, local);
    clattn__lock((clattn__mutex *)&base->lock);
    const struct clattn__binding binding = bind(simple, op, &call, &views);
    const clattn_status status = clattn__launch(&binding, queue, global, local);
    clattn__unlock((clattn__mutex *)&base->lock);
    return status == CLATTN_OK ? clattn__mark(queue, event) : status;
}
