/* Projection y = act(x W^T + bias): validate, choose a variant, enqueue. */
#include "project.h"
#include "ops/block/activation.h"
#include "ops/common/simple.h"
#include "registry/choose.h"
#include "registry/create.h"

#include <stdio.h>
#include <string.h>

enum { MAX_ROWS = INT32_MAX / 2 };

/* ---- Building ------------------------------------------------------------ */

static void label(const struct clattn__variant *variant, const void *desc,
                  char text[CLATTN__LABEL_BYTES])
{
    const clattn_project_desc *d = desc;
    snprintf(text, CLATTN__LABEL_BYTES, "%s %s%s%s%s%s %dx%d%s%s%s%s%s", variant->name,
             clattn_type_name(d->type), d->type == d->weight_type ? "" : "*",
             d->type == d->weight_type ? "" : clattn_type_name(d->weight_type),
             d->type == d->out_type ? "" : ">",
             d->type == d->out_type ? "" : clattn_type_name(d->out_type), d->out_dim, d->in_dim,
             d->bias ? " bias" : "", d->gated ? " gated" : "", d->residual ? " residual" : "",
             d->activation ? " " : "", d->activation ? clattn__activation_name(d->activation) : "");
}

/* Powers of 4: within one of these classes of sizes the same kernel is best, more or less. */
static int32_t size_class(int32_t size)
{
    int32_t least = 1;
    while (least <= size / 4) {
        least *= 4;
    }
    return least;
}

static void shape_class(const void *desc, char text[CLATTN__CLASS_BYTES])
{
    const clattn_project_desc *d = desc;
    snprintf(text, CLATTN__CLASS_BYTES, "project %s%s%s in>=%d out>=%d", clattn_type_name(d->type),
             d->type == d->weight_type ? "" : "*",
             d->type == d->weight_type ? "" : clattn_type_name(d->weight_type),
             size_class(d->in_dim), size_class(d->out_dim));
}

/* Constant weights are packed once, and packed weights serve few rows too; those in blocks are
 * not packed.  What packs has no second place for what it packs. */
static void build_few(struct project_op *op)
{
    const struct clattn__variant *variant = clattn__few_rows_variant(
        op->base.context, &clattn__project_family, &op->desc, op->few_params);
    if (!variant || variant == op->base.variant || (op->weight.mem && op->pack)) {
        return;
    }
    const struct project_way *way = clattn__project_way(variant);
    if (way->packs) {
        clattn__log(&op->base.context->device, "project: not %s for few rows: it packs weights",
                    variant->name);
        return;
    }
    if (way->build(op, variant, op->few_params, &op->few) == CLATTN_OK) {
        op->few_way = way;
        op->few_variant = variant;
        label(variant, &op->desc, op->few_label);
    } else {
        clattn__log(&op->base.context->device, "project: not %s: %s", variant->name,
                    clattn_error());
    }
}

static clattn_status view_weight(const clattn_project_desc *d, struct clattn__view *view)
{
    const struct clattn__want want = {
        "project", "weight", {1, clattn__project_outputs(d), 1, d->in_dim}, 0, 1u << d->weight_type,
        false,     true};
    TRY(clattn__view(&want, &d->weight, view));
    if (view->mem && !clattn__in_blocks(d->weight_type) && clattn__project_outputs(d) > 1 &&
        view->at[2] < d->in_dim) {
        return clattn__refuse("project: args.weight.stride[1] is %lld, must be at least %d",
                              (long long)view->at[2], d->in_dim);
    }
    return CLATTN_OK;
}

static clattn_status keep_weight(struct project_op *op)
{
    struct clattn__view view;
    TRY(view_weight(&op->desc, &view));
    return view.mem ? clattn__project_keep(op, &view) : CLATTN_OK;
}

static clattn_status build(clattn_op *base, const void *desc)
{
    struct project_op *op = (struct project_op *)base;
    const clattn_project_desc *d = desc;
    op->desc = *d;
    op->desc.kernel = op->desc.params = NULL; /* the caller's strings do not outlive the call */
    op->way = clattn__project_way(base->variant);
    TRY(op->way->build(op, base->variant, base->params, &base->kernel));
    TRY(keep_weight(op));
    if (!d->kernel) {
        build_few(op);
    }
    return CLATTN_OK;
}

static void release(clattn_op *base)
{
    struct project_op *op = (struct project_op *)base;
    const cl_kernel kernels[] = {op->few, op->pack, op->widen, op->finish};
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        if (kernels[i]) {
            clReleaseKernel(kernels[i]);
        }
    }
    if (op->weight.mem) {
        clReleaseMemObject(op->weight.mem);
    }
}

static clattn_status complete(const clattn_project_desc *desc, clattn_project_desc *d);

static void usual(void (*visit)(void *user, const void *desc), void *user)
{
    static const clattn_type types[][2] = {
        {CLATTN_F32, CLATTN_F32}, {CLATTN_F32, CLATTN_Q8_0}, {CLATTN_F16, CLATTN_F16}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const clattn_project_desc desc = {.in_dim = 1024,
                                          .out_dim = 1024,
                                          .type = types[i][0],
                                          .out_type = types[i][0],
                                          .bias = true,
                                          .weight_type = types[i][1]};
        clattn_project_desc full;
        if (complete(&desc, &full) == CLATTN_OK) {
            visit(user, &full);
        }
    }
}

const struct clattn__family clattn__project_family = {
    .op = "project",
    .variants = clattn__project_registry,
    .op_bytes = sizeof(struct project_op),
    .label = label,
    .shape_class = shape_class,
    .build = build,
    .release = release,
    .usual = usual,
};

static bool is_weight(clattn_type type)
{
    return clattn__is_float(type) || clattn__in_blocks(type);
}

/* Fills in what zero stands for, then checks. */
static clattn_status complete(const clattn_project_desc *desc, clattn_project_desc *d)
{
    if (!desc) {
        return clattn__refuse("project: desc is NULL");
    }
    *d = *desc;
    if (d->weight_type == CLATTN_F32) {
        d->weight_type = d->weight.mem && is_weight(d->weight.type) ? d->weight.type : d->type;
    }
    const struct clattn__count dims[] = {
        {"in_dim", d->in_dim, CLATTN__MAX_DIM}, {"out_dim", d->out_dim, CLATTN__MAX_DIM}, {0}};
    TRY(clattn__check_counts("project", dims));
    if (!clattn__is_float(d->type)) {
        return clattn__refuse("project: type is %s (%d), must be f32, f16 or bf16",
                              clattn_type_name(d->type), (int)d->type);
    }
    if (!clattn__is_float(d->out_type)) {
        return clattn__refuse("project: out_type is %s (%d), must be f32, f16 or bf16",
                              clattn_type_name(d->out_type), (int)d->out_type);
    }
    if (!is_weight(d->weight_type)) {
        return clattn__refuse(
            "project: weight_type is %s (%d), must be f32, f16, bf16 or in blocks",
            clattn_type_name(d->weight_type), (int)d->weight_type);
    }
    TRY(clattn__check_activation("project", "activation", d->activation));
    if (d->in_dim % clattn_type_block(d->weight_type)) {
        return clattn__refuse("project: in_dim is %d, must be whole blocks of %d for %s weights",
                              d->in_dim, clattn_type_block(d->weight_type),
                              clattn_type_name(d->weight_type));
    }
    return CLATTN_OK;
}

static clattn_status check_weight(const clattn_project_desc *d)
{
    struct clattn__view view;
    return clattn__of_desc("project", view_weight(d, &view));
}

clattn_status clattn_project_create(clattn_context *context, const clattn_project_desc *desc,
                                    clattn_op **out)
{
    if (!context || !out) {
        return clattn__refuse("project: %s is NULL", context ? "out" : "context");
    }
    clattn_project_desc full;
    TRY(complete(desc, &full));
    TRY(check_weight(&full));
    return clattn__op_create(context, &clattn__project_family, &full, full.kernel, full.params,
                             out);
}

clattn_status clattn_project_variants(clattn_context *context, const clattn_project_desc *desc,
                                      clattn_variant_report *report, void *user)
{
    if (!context || !report) {
        return clattn__refuse("project: %s is NULL", context ? "report" : "context");
    }
    clattn_project_desc full;
    TRY(complete(desc, &full));
    clattn__report_variants(context, &clattn__project_family, &full, full.kernel, report, user);
    return CLATTN_OK;
}

clattn_status clattn_project_candidates(clattn_context *context, const clattn_project_desc *desc,
                                        clattn_candidate_report *report, void *user)
{
    if (!context || !report) {
        return clattn__refuse("project: %s is NULL", context ? "report" : "context");
    }
    clattn_project_desc full;
    TRY(complete(desc, &full));
    return clattn__report_candidates(context, &clattn__project_family, &full, full.kernel, report,
                                     user);
}

/* ---- Running ---------------------------------------------------------------- */

bool clattn__join_heads(const clattn_tensor *tensor, clattn_tensor *joined)
{
    int64_t stride[4];
    clattn__strides(tensor, stride);
    *joined = *tensor;
    joined->size[2] = 1;
    joined->size[3] = tensor->size[2] * tensor->size[3];
    memcpy(joined->stride, stride, sizeof stride);
    joined->stride[2] = joined->size[3];
    joined->stride[3] = 1;
    return tensor->size[2] == 1 || tensor->size[3] == 0 || stride[2] == tensor->size[3];
}

static clattn_status join(const char *field, const clattn_tensor *tensor, clattn_tensor *joined)
{
    if (tensor->size[2] < 0 || tensor->size[2] > CLATTN__MAX_DIM || tensor->size[3] < 0 ||
        tensor->size[3] > CLATTN__MAX_DIM) {
        return clattn__refuse("project: args.%s has a size out of range", field);
    }
    return clattn__join_heads(tensor, joined)
               ? CLATTN_OK
               : clattn__refuse(
                     "project: args.%s.stride[2] must be its columns, %lld: heads side by side",
                     field, (long long)tensor->size[3]);
}

static clattn_status check_problem(const struct project_op *op, const clattn_project_args *args,
                                   struct project_problem *p)
{
    const clattn_project_desc *d = &op->desc;
    clattn_tensor x, residual, y;
    TRY(join("x", &args->x, &x));
    TRY(join("y", &args->y, &y));
    TRY(join("residual", &args->residual, &residual));
    const int64_t B = p->batch = x.size[0], N = p->rows = x.size[1];
    const int64_t outputs = clattn__project_outputs(d);
    const unsigned type = 1u << d->type;
    if (B < 0 || B > MAX_ROWS || N < 0 || N > MAX_ROWS) {
        return clattn__refuse("project: args.x.size is {%lld, %lld, ..}, must be 0..%d",
                              (long long)B, (long long)N, MAX_ROWS);
    }
    if (args->bias.mem && !d->bias) {
        return clattn__refuse("project: args.bias is given, but desc lacks bias");
    }
    if (args->residual.mem && !d->residual) {
        return clattn__refuse("project: args.residual is given, but desc lacks residual");
    }
    if (args->weight.mem && op->weight.mem) {
        return clattn__refuse("project: args.weight is given, but desc.weight was");
    }
    const struct clattn__want wx = {"project", "x", {B, N, 1, d->in_dim}, 0, type, false, false};
    const struct clattn__want ww = {
        "project", "weight",      {1, outputs, 1, d->in_dim}, 0, 1u << d->weight_type,
        false,     op->weight.mem};
    const struct clattn__want wb = {"project", "bias",  {1, 1, 1, outputs}, 0, type,
                                    false,     !d->bias};
    const struct clattn__want wy = {"project", "y",  {B, N, 1, d->out_dim}, 0, 1u << d->out_type,
                                    true,      false};
    const struct clattn__want wr = {"project",         "residual", {B, N, 1, d->out_dim}, 0,
                                    1u << d->out_type, false,      !d->residual};
    TRY(clattn__view(&wx, &x, &p->x));
    TRY(clattn__view(&ww, &args->weight, &p->weight));
    if (op->weight.mem) {
        p->weight = op->weight;
    }
    TRY(clattn__view(&wb, &args->bias, &p->bias));
    TRY(clattn__view(&wy, &y, &p->y));
    TRY(clattn__view(&wr, &residual, &p->residual));
    const bool strided = !op->weight.mem && !clattn__in_blocks(d->weight_type);
    const struct {
        const char *field;
        const struct clattn__view *view;
        int64_t rows, columns;
    } matrices[] = {{"x", &p->x, N, d->in_dim},
                    {"weight", &p->weight, strided ? outputs : 1, d->in_dim}};
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
        if (matrices[i].rows > 1 && matrices[i].view->extent &&
            matrices[i].view->at[2] < matrices[i].columns) {
            return clattn__refuse("project: args.%s.stride[1] is %lld, must be at least %lld",
                                  matrices[i].field, (long long)matrices[i].view->at[2],
                                  (long long)matrices[i].columns);
        }
    }
    if (!clattn__same_view(&p->y, &p->residual)) {
        TRY(clattn__no_overlap("project", "y", &p->y, "residual", &p->residual));
    }
    TRY(clattn__no_overlap("project", "y", &p->y, "x", &p->x));
    TRY(clattn__no_overlap("project", "y", &p->y, "weight", &p->weight));
    return clattn__no_overlap("project", "y", &p->y, "bias", &p->bias);
}

/* The way that a call of this many rows takes. */
static bool takes_few(const struct project_op *op, int64_t rows)
{
    return op->few_way && rows <= op->few_way->few;
}

const char *clattn_project_kernel(const clattn_op *base, const clattn_project_args *args)
{
    if (clattn__op_check(base, &clattn__project_family) != CLATTN_OK || !args) {
        return "";
    }
    const struct project_op *op = (const struct project_op *)base;
    return takes_few(op, args->x.size[0] * args->x.size[1]) ? op->few_label : base->label;
}

size_t clattn_project_scratch(const clattn_op *base, const clattn_project_args *args)
{
    if (clattn__op_check(base, &clattn__project_family) != CLATTN_OK || !args) {
        return 0;
    }
    const struct project_op *op = (const struct project_op *)base;
    const int64_t rows = args->x.size[0] * args->x.size[1];
    return takes_few(op, rows) ? op->few_way->scratch(op, rows) : op->way->scratch(op, rows);
}

clattn_status clattn_project_run(const clattn_op *base, cl_command_queue queue,
                                 const clattn_project_args *args, cl_event *event)
{
    TRY(clattn__op_check(base, &clattn__project_family));
    if (!args) {
        return clattn__refuse("project: args is NULL");
    }
    const struct project_op *op = (const struct project_op *)base;
    struct project_problem p;
    cl_mem scratch, taken;
    TRY(check_problem(op, args, &p));
    const size_t bytes = clattn_project_scratch(base, args);
    TRY(clattn__scratch(base->context, "project", args->scratch, bytes, &scratch, &taken));
    clattn__lock((clattn__mutex *)&base->lock);
    const clattn_status status =
        takes_few(op, p.batch * p.rows)
            ? op->few_way->run(op, op->few_variant, op->few_params, op->few, queue, &p, scratch)
            : op->way->run(op, base->variant, base->params, base->kernel, queue, &p, scratch);
    clattn__unlock((clattn__mutex *)&base->lock);
    if (taken) {
        clReleaseMemObject(taken);
    }
    return status == CLATTN_OK ? clattn__mark(queue, event) : status;
}
