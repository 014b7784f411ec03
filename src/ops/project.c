/* Projection y = x W^T + bias. */
#include "project.h"

#include "../gemm.h"
#include "../op.h"
#include "../program.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DIM = 1 << 24, MAX_ROWS = INT32_MAX / 2 };

struct project_op {
    clattn_op base;
    clattn_project_desc desc;
    cl_kernel widen;  /* x or weight to f32; NULL if they are */
    cl_kernel finish; /* adds the bias, narrows; NULL if there is nothing to do */
};

/* ---- Variants ------------------------------------------------------------ */

static void plain_geometry(const int *params, const int64_t extent[3], size_t global[3], size_t local[3])
{
    (void)params;
    for (int i = 0; i < 3; i++) {
        global[i] = (size_t)extent[i];
        local[i] = 1;
    }
}

static const struct clattn__variant variants[] = {
    {.name = "gemm/clblast", .library = true},
    {.name = "gemm/plain", .geometry = plain_geometry},
};

/* ---- Building ------------------------------------------------------------ */

struct problem {
    int64_t batch, rows;
    struct clattn__view x, weight, bias, y;
};

static struct clattn__binding bind_plain(cl_kernel kernel, const clattn_project_desc *d,
                                         const struct problem *p)
{
    struct clattn__binding binding = {.kernel = kernel};
    clattn__bind_view(&binding, &p->x);
    clattn__bind_view(&binding, &p->weight);
    clattn__bind_view(&binding, &p->bias);
    clattn__bind_view(&binding, &p->y);
    clattn__bind_int(&binding, p->rows);
    clattn__bind_int(&binding, d->out_dim);
    return binding;
}

static struct clattn__binding bind_convert(cl_kernel kernel, const struct clattn__view *x,
                                           const struct clattn__view *bias, const struct clattn__view *y,
                                           int64_t columns, int64_t rows)
{
    struct clattn__binding binding = {.kernel = kernel};
    clattn__bind_view(&binding, x);
    clattn__bind_view(&binding, bias);
    clattn__bind_view(&binding, y);
    clattn__bind_int(&binding, columns);
    clattn__bind_int(&binding, rows);
    return binding;
}

static clattn_status build_convert(clattn_op *op, clattn_type from, clattn_type to, bool bias,
                                   clattn_type bias_type, cl_kernel *out)
{
    char options[160];
    const size_t local[3] = {1, 1, 1};
    const struct clattn__view none = {0};
    snprintf(options, sizeof options, "-cl-std=CL1.2 -DTYPE=%d -DOUT_TYPE=%d -DWITH_BIAS=%d -DBIAS_TYPE=%d",
             from, to, bias, bias_type);
    TRY(clattn__kernel_create(op->context, "gemm/convert.cl", "gemm_convert", options, out));
    const struct clattn__binding binding = bind_convert(*out, &none, &none, &none, 0, 0);
    return clattn__first_launch(op->context, &binding, local);
}

static clattn_status build_clblast(struct project_op *project)
{
    const clattn_project_desc *d = &project->desc;
    if (d->type != CLATTN_F32) {
        TRY(build_convert(&project->base, d->type, CLATTN_F32, false, CLATTN_F32, &project->widen));
    }
    if (d->bias || d->out_type != CLATTN_F32) {
        TRY(build_convert(&project->base, CLATTN_F32, d->out_type, d->bias, d->type, &project->finish));
    }
    return clattn__gemm_prepare(project->base.context, d->out_dim, d->in_dim);
}

static clattn_status build_plain(struct project_op *project)
{
    const clattn_project_desc *d = &project->desc;
    const struct problem nothing = {0};
    const size_t local[3] = {1, 1, 1};
    char options[160];
    snprintf(options, sizeof options, "-cl-std=CL1.2 -DTYPE=%d -DOUT_TYPE=%d -DIN_DIM=%d -DWITH_BIAS=%d",
             d->type, d->out_type, d->in_dim, d->bias);
    TRY(clattn__kernel_create(project->base.context, "gemm/plain.cl", "gemm_plain", options,
                              &project->base.kernel));
    const struct clattn__binding binding = bind_plain(project->base.kernel, d, &nothing);
    return clattn__first_launch(project->base.context, &binding, local);
}

static clattn_status build(clattn_op *op, const void *desc)
{
    struct project_op *project = (struct project_op *)op;
    const clattn_project_desc *d = desc;
    project->desc = *d;
    project->desc.kernel = NULL;
    snprintf(op->label, sizeof op->label, "%s %s%s%s %dx%d%s", op->variant->name, clattn_type_name(d->type),
             d->type == d->out_type ? "" : ">", d->type == d->out_type ? "" : clattn_type_name(d->out_type),
             d->out_dim, d->in_dim, d->bias ? " bias" : "");
    return op->variant->library ? build_clblast(project) : build_plain(project);
}

static void release(clattn_op *op)
{
    struct project_op *project = (struct project_op *)op;
    if (project->widen) {
        clReleaseKernel(project->widen);
    }
    if (project->finish) {
        clReleaseKernel(project->finish);
    }
}

static void usual(void (*visit)(void *user, const void *desc), void *user)
{
    const clattn_project_desc desc = {.in_dim = 1024, .out_dim = 1024, .bias = true};
    visit(user, &desc);
}

const struct clattn__family clattn__project_family = {
    .op = "project",
    .variants = variants,
    .count = sizeof variants / sizeof *variants,
    .op_bytes = sizeof(struct project_op),
    .build = build,
    .release = release,
    .usual = usual,
};

static bool is_float_type(clattn_type type)
{
    return type == CLATTN_F32 || type == CLATTN_F16 || type == CLATTN_BF16;
}

static clattn_status check_desc(const clattn_project_desc *d)
{
    if (!d) {
        return clattn__refuse("project: desc is NULL");
    }
    if (d->in_dim < 1 || d->in_dim > MAX_DIM) {
        return clattn__refuse("project: in_dim is %d, must be 1..%d", d->in_dim, MAX_DIM);
    }
    if (d->out_dim < 1 || d->out_dim > MAX_DIM) {
        return clattn__refuse("project: out_dim is %d, must be 1..%d", d->out_dim, MAX_DIM);
    }
    if (!is_float_type(d->type)) {
        return clattn__refuse("project: type is %s (%d), must be f32, f16 or bf16", clattn_type_name(d->type),
                              (int)d->type);
    }
    if (!is_float_type(d->out_type)) {
        return clattn__refuse("project: out_type is %s (%d), must be f32, f16 or bf16",
                              clattn_type_name(d->out_type), (int)d->out_type);
    }
    return CLATTN_OK;
}

clattn_status clattn_project_create(clattn_context *context, const clattn_project_desc *desc, clattn_op **out)
{
    if (!context || !out) {
        return clattn__refuse("project: %s is NULL", context ? "out" : "context");
    }
    TRY(check_desc(desc));
    return clattn__op_create(context, &clattn__project_family, desc, desc->kernel, out);
}

clattn_status clattn_project_variants(clattn_context *context, const clattn_project_desc *desc,
                                      clattn_variant_report *report, void *user)
{
    if (!context || !report) {
        return clattn__refuse("project: %s is NULL", context ? "report" : "context");
    }
    TRY(check_desc(desc));
    clattn__report_variants(context, &clattn__project_family, desc, report, user);
    return CLATTN_OK;
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
    if (tensor->size[2] < 0 || tensor->size[2] > MAX_DIM || tensor->size[3] < 0 || tensor->size[3] > MAX_DIM) {
        return clattn__refuse("project: args.%s has a size out of range", field);
    }
    return clattn__join_heads(tensor, joined)
               ? CLATTN_OK
               : clattn__refuse("project: args.%s.stride[2] must be its columns, %lld: heads side by side",
                                field, (long long)tensor->size[3]);
}

static clattn_status check_problem(const clattn_project_desc *d, const clattn_project_args *args,
                                   struct problem *p)
{
    clattn_tensor x, y;
    TRY(join("x", &args->x, &x));
    TRY(join("y", &args->y, &y));
    const int64_t B = p->batch = x.size[0], N = p->rows = x.size[1];
    const unsigned type = 1u << d->type;
    if (B < 0 || B > MAX_ROWS || N < 0 || N > MAX_ROWS) {
        return clattn__refuse("project: args.x.size is {%lld, %lld, ..}, must be 0..%d", (long long)B,
                              (long long)N, MAX_ROWS);
    }
    if (args->bias.mem && !d->bias) {
        return clattn__refuse("project: args.bias is given, but desc lacks bias");
    }
    const struct clattn__want wx = {"project", "x", {B, N, 1, d->in_dim}, 0, type, false, false};
    const struct clattn__want ww = {"project", "weight", {1, d->out_dim, 1, d->in_dim}, 0, type, false, false};
    const struct clattn__want wb = {"project", "bias", {1, 1, 1, d->out_dim}, 0, type, false, !d->bias};
    const struct clattn__want wy = {"project", "y", {B, N, 1, d->out_dim}, 0, 1u << d->out_type, true, false};
    TRY(clattn__view(&wx, &x, &p->x));
    TRY(clattn__view(&ww, &args->weight, &p->weight));
    TRY(clattn__view(&wb, &args->bias, &p->bias));
    TRY(clattn__view(&wy, &y, &p->y));
    const struct {
        const char *field;
        const struct clattn__view *view;
        int64_t rows, columns;
    } matrices[] = {{"x", &p->x, N, d->in_dim}, {"weight", &p->weight, d->out_dim, d->in_dim}};
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
        if (matrices[i].rows > 1 && matrices[i].view->extent && matrices[i].view->at[2] < matrices[i].columns) {
            return clattn__refuse("project: args.%s.stride[1] is %lld, must be at least %lld",
                                  matrices[i].field, (long long)matrices[i].view->at[2],
                                  (long long)matrices[i].columns);
        }
    }
    TRY(clattn__no_overlap("project", "y", &p->y, "x", &p->x));
    TRY(clattn__no_overlap("project", "y", &p->y, "weight", &p->weight));
    return clattn__no_overlap("project", "y", &p->y, "bias", &p->bias);
}

/* Where in the scratch the f32 copies of x, weight and y lie; 0 elements = not copied. */
struct copies {
    int64_t x, weight, y; /* offsets */
    int64_t total;        /* elements */
};

static struct copies plan_copies(const clattn_project_desc *d, int64_t rows)
{
    struct copies c = {0};
    if (d->type != CLATTN_F32) {
        c.weight = rows * d->in_dim;
        c.total = c.weight + (int64_t)d->out_dim * d->in_dim;
    }
    if (d->out_type != CLATTN_F32) {
        c.y = c.total;
        c.total += rows * d->out_dim;
    }
    return c;
}

size_t clattn_project_scratch(const clattn_op *op, const clattn_project_args *args)
{
    if (clattn__op_check(op, &clattn__project_family) != CLATTN_OK || !args || !op->variant->library) {
        return 0;
    }
    const struct project_op *project = (const struct project_op *)op;
    return (size_t)plan_copies(&project->desc, args->x.size[0] * args->x.size[1]).total * sizeof(float);
}

static clattn_status convert(cl_kernel kernel, cl_command_queue queue, const struct clattn__view *x,
                             const struct clattn__view *bias, const struct clattn__view *y, int64_t columns,
                             int64_t rows, int64_t batch)
{
    const struct clattn__binding binding = bind_convert(kernel, x, bias, y, columns, rows);
    const size_t global[3] = {(size_t)columns, (size_t)rows, (size_t)batch};
    return clattn__launch(&binding, queue, global, NULL);
}

/* Whether all rows of the batch are one matrix, and the distance of its rows. */
static bool is_matrix(const struct clattn__view *view, const struct problem *p, int64_t columns, int64_t *pitch)
{
    /* Single rows may be repeated or overlap: no library takes that for a matrix. */
    const bool whole = p->batch == 1 || (p->rows == 1 ? view->at[1] >= columns
                                                      : view->at[1] == p->rows * view->at[2]);
    *pitch = p->rows > 1 ? view->at[2] : p->batch > 1 && whole ? view->at[1] : columns;
    return whole;
}

/* One product for the whole batch where that is a matrix, else one per batch entry. */
static clattn_status multiply(cl_command_queue queue, const struct problem *p, const clattn_project_desc *d)
{
    int64_t x_pitch, y_pitch;
    const bool x_whole = is_matrix(&p->x, p, d->in_dim, &x_pitch);
    const bool y_whole = is_matrix(&p->y, p, d->out_dim, &y_pitch);
    const int64_t products = x_whole && y_whole ? 1 : p->batch;
    const int64_t rows = p->batch * p->rows / (products ? products : 1);
    const struct clattn__matrix weight = {p->weight.mem, p->weight.at[0],
                                          d->out_dim > 1 ? p->weight.at[2] : d->in_dim};
    for (int64_t b = 0; b < products; b++) {
        const struct clattn__matrix x = {p->x.mem, p->x.at[0] + b * p->x.at[1], x_pitch};
        const struct clattn__matrix y = {p->y.mem, p->y.at[0] + b * p->y.at[1], y_pitch};
        TRY(clattn__gemm(queue, rows, d->out_dim, d->in_dim, &x, &weight, &y));
    }
    return CLATTN_OK;
}

static clattn_status run_clblast(const struct project_op *project, cl_command_queue queue,
                                 const struct problem *p, cl_mem scratch)
{
    const clattn_project_desc *d = &project->desc;
    const struct copies copies = plan_copies(d, p->batch * p->rows);
    const struct clattn__view none = {0};
    struct problem f32 = *p;
    if (project->widen) {
        const int64_t x_size[4] = {p->batch, p->rows, 1, d->in_dim}, w_size[4] = {1, d->out_dim, 1, d->in_dim};
        f32.x = clattn__dense_view(scratch, copies.x, x_size, CLATTN_F32);
        f32.weight = clattn__dense_view(scratch, copies.weight, w_size, CLATTN_F32);
        TRY(convert(project->widen, queue, &p->x, &none, &f32.x, d->in_dim, p->rows, p->batch));
        TRY(convert(project->widen, queue, &p->weight, &none, &f32.weight, d->in_dim, d->out_dim, 1));
    }
    if (d->out_type != CLATTN_F32) {
        const int64_t y_size[4] = {p->batch, p->rows, 1, d->out_dim};
        f32.y = clattn__dense_view(scratch, copies.y, y_size, CLATTN_F32);
    }
    TRY(multiply(queue, &f32, d));
    return project->finish ? convert(project->finish, queue, &f32.y, &p->bias, &p->y, d->out_dim, p->rows, p->batch)
                           : CLATTN_OK;
}

static clattn_status run_plain(const struct project_op *project, cl_command_queue queue, const struct problem *p)
{
    const struct clattn__binding binding = bind_plain(project->base.kernel, &project->desc, p);
    const size_t global[3] = {(size_t)p->rows, (size_t)project->desc.out_dim, (size_t)p->batch};
    return clattn__launch(&binding, queue, global, NULL);
}

clattn_status clattn_project_run(const clattn_op *op, cl_command_queue queue, const clattn_project_args *args,
                                 cl_event *event)
{
    TRY(clattn__op_check(op, &clattn__project_family));
    if (!args) {
        return clattn__refuse("project: args is NULL");
    }
    const struct project_op *project = (const struct project_op *)op;
    struct problem p;
    cl_mem scratch, taken;
    TRY(check_problem(&project->desc, args, &p));
    TRY(clattn__scratch(op->context, "project", args->scratch, clattn_project_scratch(op, args), &scratch,
                        &taken));
    clattn__lock((clattn__mutex *)&op->lock);
    const clattn_status status = op->variant->library ? run_clblast(project, queue, &p, scratch)
                                                      : run_plain(project, queue, &p);
    clattn__unlock((clattn__mutex *)&op->lock);
    if (taken) {
        clReleaseMemObject(taken);
    }
    return status == CLATTN_OK ? clattn__mark(queue, event) : status;
}
