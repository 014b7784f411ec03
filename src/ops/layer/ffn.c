/* The feed-forward of a transformer: projections with an activation between. */
#include "ops/block/activation.h"
#include "ops/common/simple.h"
#include "ops/project/linear.h"
#include "registry/create.h"

#include <stdio.h>

enum { UP, GATE, DOWN, LINEARS }; /* UP stands for both where they are joined */

struct ffn_op {
    clattn_op base;
    clattn_ffn_desc desc;
    struct clattn__linear linear[LINEARS];
    clattn_op *gate; /* act(gate) * up; NULL where up has the activation */
};

static clattn_status build(clattn_op *op, const void *desc);
static void release(clattn_op *op);

static const struct clattn__variant composite[] = {{.name = "ffn/composite", .library = true}, {0}};

static const struct clattn__family family = {
    .op = "ffn",
    .variants = composite,
    .op_bytes = sizeof(struct ffn_op),
    .build = build,
    .release = release,
};

/* ---- Creating ---------------------------------------------------------------------- */

static bool is_joined(const clattn_ffn_desc *d) { return d->gate_up.weight.mem; }

static clattn_status create_linear(struct ffn_op *op, int which, const char *name,
                                   const clattn_linear *weights, clattn_activation activation)
{
    const clattn_ffn_desc *d = &op->desc;
    const bool down = which == DOWN;
    const clattn_project_desc desc = {.in_dim = down ? d->hidden_dim : d->model_dim,
                                      .out_dim = down ? d->model_dim : d->hidden_dim,
                                      .type = d->type,
                                      .out_type = down ? d->out_type : d->type,
                                      .activation = activation,
                                      .gated = which == UP && is_joined(d),
                                      .residual = down && d->residual,
                                      .kernel = d->kernel};
    return clattn__linear_create(op->base.context, "ffn", name, &desc, weights, &op->linear[which]);
}

static clattn_status build(clattn_op *base, const void *desc)
{
    struct ffn_op *op = (struct ffn_op *)base;
    op->desc = *(const clattn_ffn_desc *)desc;
    const clattn_ffn_desc *d = &op->desc;
    const clattn_activation_desc gate = {
        .kind = d->activation, .type = d->type, .out_type = d->type, .gated = true};
    const bool joined = is_joined(d), apart = d->gated && !joined;
    TRY(create_linear(op, UP, joined ? "gate_up" : "up", joined ? &d->gate_up : &d->up,
                      apart ? CLATTN_IDENTITY : d->activation));
    if (apart) {
        TRY(create_linear(op, GATE, "gate", &d->gate, CLATTN_IDENTITY));
        TRY(clattn_activation_create(base->context, &gate, &op->gate));
    }
    TRY(create_linear(op, DOWN, "down", &d->down, CLATTN_IDENTITY));
    op->desc.kernel = NULL; /* the caller's string does not outlive the call */
    snprintf(base->label, sizeof base->label, "ffn %s", clattn_op_kernel(op->linear[UP].op));
    return CLATTN_OK;
}

static void release(clattn_op *base)
{
    struct ffn_op *op = (struct ffn_op *)base;
    for (int i = 0; i < LINEARS; i++) {
        clattn__linear_release(&op->linear[i]);
    }
    clattn_op_destroy(op->gate);
}

static clattn_status check(const clattn_ffn_desc *d)
{
    const struct clattn__count dims[] = {
        {"model_dim", d->model_dim, CLATTN__MAX_DIM},
        {"hidden_dim", d->hidden_dim, CLATTN__MAX_DIM},
        {0},
    };
    TRY(clattn__check_counts("ffn", dims));
    TRY(clattn__check_float("ffn", "type", d->type));
    TRY(clattn__check_float("ffn", "out_type", d->out_type));
    TRY(clattn__check_activation("ffn", "activation", d->activation));
    if ((d->gate.weight.mem || d->gate.bias.mem) && !d->gated) {
        return clattn__refuse("ffn: gate is given, but gated is not set");
    }
    if (is_joined(d) && !d->gated) {
        return clattn__refuse("ffn: gate_up is given, but gated is not set");
    }
    if (is_joined(d) && (d->gate.weight.mem || d->up.weight.mem)) {
        return clattn__refuse("ffn: gate_up is given, and so is %s",
                              d->gate.weight.mem ? "gate" : "up");
    }
    return CLATTN_OK;
}

clattn_status clattn_ffn_create(clattn_context *context, const clattn_ffn_desc *desc,
                                clattn_op **out)
{
    if (!context || !desc || !out) {
        return clattn__refuse("ffn: %s is NULL", !context ? "context" : !desc ? "desc" : "out");
    }
    TRY(check(desc));
    return clattn__op_create(context, &family, desc, NULL, NULL, out);
}

/* ---- Running ------------------------------------------------------------------------ */

/* Hidden rows in the scratch: those of up, then those of the gate. */
static clattn_tensor hidden_of(const struct ffn_op *op, const clattn_ffn_args *args, int which,
                               cl_mem scratch)
{
    const int64_t *n = args->x.size, rows = n[0] * n[1], columns = op->desc.hidden_dim;
    return (clattn_tensor){.mem = scratch,
                           .offset = which * rows * columns,
                           .size = {n[0], n[1], 1, columns},
                           .type = op->desc.type};
}

size_t clattn_ffn_scratch(const clattn_op *base, const clattn_ffn_args *args)
{
    if (clattn__op_check(base, &family) != CLATTN_OK || !args) {
        return 0;
    }
    const struct ffn_op *op = (const struct ffn_op *)base;
    const int which = op->gate ? 2 : 1;
    return (size_t)hidden_of(op, args, which, NULL).offset * clattn_type_size(op->desc.type);
}

static clattn_status check_args(const struct ffn_op *op, const clattn_ffn_args *args)
{
    enum { MAX_SIZE = 1 << 30 };
    const clattn_ffn_desc *d = &op->desc;
    const int64_t B = args->x.size[0], N = args->x.size[1];
    struct clattn__view view;
    if (B < 0 || B > MAX_SIZE || N < 0 || N > MAX_SIZE || B * N > MAX_SIZE) {
        return clattn__refuse("ffn: args.x.size is {%lld, %lld, ..}, must be 0..%d rows",
                              (long long)B, (long long)N, MAX_SIZE);
    }
    const struct clattn__want x = {"ffn", "x",  {B, N, 1, d->model_dim}, 0, 1u << d->type,
                                   false, false};
    const struct clattn__want y = {"ffn", "y",  {B, N, 1, d->model_dim}, 0, 1u << d->out_type,
                                   true,  false};
    const struct clattn__want residual = {
        "ffn", "residual", {B, N, 1, d->model_dim}, 0, 1u << d->out_type, false, !d->residual};
    if (args->residual.mem && !d->residual) {
        return clattn__refuse("ffn: args.residual is given, but desc lacks residual");
    }
    TRY(clattn__view(&x, &args->x, &view));
    TRY(clattn__view(&residual, &args->residual, &view));
    return clattn__view(&y, &args->y, &view);
}

static clattn_status run_parts(const struct ffn_op *op, cl_command_queue queue,
                               const clattn_ffn_args *args, cl_mem scratch)
{
    const clattn_tensor up = hidden_of(op, args, UP, scratch),
                        gate = hidden_of(op, args, GATE, scratch);
    TRY(clattn__linear_run(&op->linear[UP], queue, &args->x, NULL, &up));
    if (op->gate) {
        const clattn_activation_args multiply = {.x = gate, .up = up, .y = up};
        TRY(clattn__linear_run(&op->linear[GATE], queue, &args->x, NULL, &gate));
        TRY(clattn_activation_run(op->gate, queue, &multiply, NULL));
    }
    return clattn__linear_run(&op->linear[DOWN], queue, &up,
                              op->desc.residual ? &args->residual : NULL, &args->y);
}

clattn_status clattn_ffn_run(const clattn_op *base, cl_command_queue queue,
                             const clattn_ffn_args *args, cl_event *event)
{
    TRY(clattn__op_check(base, &family));
    if (!args) {
        return clattn__refuse("ffn: args is NULL");
    }
    const struct ffn_op *op = (const struct ffn_op *)base;
    cl_mem scratch, taken;
    TRY(check_args(op, args));
    const size_t bytes = clattn_ffn_scratch(base, args);
    TRY(clattn__scratch(base->context, "ffn", args->scratch, bytes, &scratch, &taken));
    const clattn_status status = bytes ? run_parts(op, queue, args, scratch) : CLATTN_OK;
    if (taken) {
        clReleaseMemObject(taken);
    }
    return status == CLATTN_OK ? clattn__mark(queue, event) : status;
}
