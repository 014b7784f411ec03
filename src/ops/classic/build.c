/* The kernels of classic attention: which fit, compiling and binding them. */
#include "classic.h"

#include <stdio.h>
#include <string.h>

/* ---- Registry ---------------------------------------------------------------- */

enum { WIDTH, ROWS }; /* places in classic/additive_wide's params */

/* A work-item has its rows on the stack. */
static bool wide_fits(const clattn_device_facts *facts, const void *desc, const int *params,
                      char reason[CLATTN__REASON_BYTES])
{
    enum { STACK_BYTES = 512 << 10 };
    const clattn_attention_desc *d = &((const clattn_classic_desc *)desc)->attention;
    const int bytes =
        (params[ROWS] + params[WIDTH]) * (d->head_dim + d->value_dim) * (int)sizeof(float);
    if (bytes > STACK_BYTES) {
        snprintf(reason, CLATTN__REASON_BYTES, "needs %d bytes of stack, takes no more than %d",
                 bytes, STACK_BYTES);
        return false;
    }
    return clattn__fits_wide(facts, desc, params, reason);
}

static void wide_adapt(const clattn_device_facts *facts, const void *desc, int *params)
{
    (void)desc;
    params[WIDTH] = facts->vector_width;
}

static void wide_geometry(const int *params, const int64_t extent[3], size_t global[3],
                          size_t local[3])
{
    const int64_t cells[3] = {clattn__divide_up(extent[0], params[ROWS]), extent[1], extent[2]};
    clattn__cells(params, cells, global, local);
}

static const struct clattn__variant additive_variants[] = {
    {.name = "classic/additive_wide",
     .fits = wide_fits,
     .params = {{"WIDTH", 16}, {"ROWS", 16, {4, 8, 16, 32}}},
     .adapt = wide_adapt,
     .geometry = wide_geometry},
    {.name = "classic/additive_row",
     .fits = clattn__rows_fit,
     .params = {{"ROWS", 8, {1, 4, 8, 16, 32, 64}}},
     .adapt = clattn__rows_adapt,
     .geometry = clattn__rows_geometry},
    {0},
};

/* ---- The kernel of additive scores ----------------------------------------------- */

struct clattn__binding clattn__classic_bind(cl_kernel kernel, const clattn_attention_desc *d,
                                            const struct attention_problem *p,
                                            const struct clattn__view *w)
{
    struct clattn__binding binding = clattn__attention_bind(kernel, d, p);
    clattn__bind_view(&binding, w);
    return binding;
}

static clattn_status build_kernel(struct classic_op *op)
{
    const clattn_classic_desc *d = &op->desc;
    const struct clattn__variant *variant = op->base.variant;
    const int64_t one[3] = {1, 1, 1};
    size_t global[3], local[3];
    struct clattn__options options =
        clattn__attention_options(variant, op->base.params, &d->attention);
    clattn__option(&options, "Q_TYPE", d->query_dim ? CLATTN_F32 : d->attention.type);
    clattn__option(&options, "K_TYPE", d->key_dim ? CLATTN_F32 : d->attention.type);
    clattn__option(&options, "STAGE", d->attention.weights_stage);
    variant->geometry(op->base.params, one, global, local);
    const struct attention_problem nothing = {0};
    const struct clattn__view no_w = {0};
    TRY(clattn__build_kernel(op->base.context, variant->name, &options, &op->base.kernel));
    const struct clattn__binding binding =
        clattn__classic_bind(op->base.kernel, &d->attention, &nothing, &no_w);
    return clattn__first_launch(op->base.context, &binding, local);
}

/* ---- Projections --------------------------------------------------------------- */

bool clattn__is_additive(clattn_classic_kind kind)
{
    return kind == CLATTN_ADDITIVE || kind == CLATTN_LUONG_CONCAT;
}

struct classic_weights clattn__classic_weights(const clattn_classic_desc *d,
                                               const clattn_tensor *wq, const clattn_tensor *wk,
                                               const clattn_tensor *w_concat)
{
    struct classic_weights weights = {*wq, *wk};
    if (d->kind == CLATTN_LUONG_CONCAT) {
        /* W [q; k] is the left columns times q and the right ones times k. */
        weights.query = weights.key = *w_concat;
        clattn__strides(w_concat, weights.query.stride);
        memcpy(weights.key.stride, weights.query.stride, sizeof weights.key.stride);
        weights.query.size[3] = d->query_dim;
        weights.key.size[3] = d->key_dim;
        weights.key.offset += d->query_dim;
    }
    return weights;
}

static clattn_status create_projection(const struct classic_op *op, int32_t in, int32_t heads,
                                       bool bias, const clattn_tensor *weight, clattn_op **out)
{
    const clattn_attention_desc *a = &op->desc.attention;
    const clattn_project_desc desc = {
        .in_dim = in,
        .out_dim = heads * a->head_dim,
        .type = a->type,
        .out_type = clattn__is_additive(op->desc.kind) ? CLATTN_F32 : a->type,
        .bias = bias,
        .weight = *weight,
    };
    return in ? clattn_project_create(op->base.context, &desc, out) : CLATTN_OK;
}

static clattn_status build_projections(struct classic_op *op)
{
    clattn_classic_desc *d = &op->desc;
    const struct classic_weights constant =
        clattn__classic_weights(d, &d->wq, &d->wk, &d->w_concat);
    TRY(create_projection(op, d->query_dim, d->attention.query_heads, d->bias, &constant.query,
                          &op->query));
    TRY(create_projection(op, d->key_dim, d->attention.kv_heads, false, &constant.key, &op->key));
    op->constant_query = constant.query.mem != NULL;
    op->constant_key = constant.key.mem != NULL;
    const clattn_tensor absent = {0};
    d->wq = d->wk = d->w_concat = absent; /* the projections hold them */
    return CLATTN_OK;
}

/* ---- Families ------------------------------------------------------------------ */

/* Projected rows are f32, so which of them are is compiled in. */
static void label(const struct clattn__variant *variant, const void *desc,
                  char text[CLATTN__LABEL_BYTES])
{
    const clattn_classic_desc *d = desc;
    clattn__attention_label(variant, &d->attention, text);
    const size_t used = strlen(text);
    snprintf(text + used, CLATTN__LABEL_BYTES - used, "%s%s", d->query_dim ? " wq" : "",
             d->key_dim ? " wk" : "");
}

static clattn_status build_additive(clattn_op *base, const void *desc)
{
    struct classic_op *op = (struct classic_op *)base;
    op->desc = *(const clattn_classic_desc *)desc;
    clattn_attention_desc *a = &op->desc.attention;
    a->kernel = a->params = NULL; /* the caller's strings do not outlive the call */
    TRY(build_kernel(op));
    return build_projections(op);
}

static clattn_status build_dot(clattn_op *base, const void *desc)
{
    struct classic_op *op = (struct classic_op *)base;
    op->desc = *(const clattn_classic_desc *)desc;
    TRY(clattn_attention_create(base->context, &op->desc.attention, &op->attention));
    op->desc.attention.kernel = op->desc.attention.params = NULL;
    snprintf(base->label, sizeof base->label, "%s", clattn_op_kernel(op->attention));
    return build_projections(op);
}

static void release(clattn_op *base)
{
    struct classic_op *op = (struct classic_op *)base;
    clattn_op_destroy(op->attention);
    clattn_op_destroy(op->key);
    clattn_op_destroy(op->query);
}

/* With projected operands: projections are made ready by themselves. */
static void usual(void (*visit)(void *user, const void *desc), void *user)
{
    const clattn_classic_desc desc = {
        .attention = {
            .head_dim = 64, .value_dim = 64, .query_heads = 1, .kv_heads = 1, .scale = 1}};
    visit(user, &desc);
}

const struct clattn__family clattn__additive_family = {
    .op = "classic",
    .variants = additive_variants,
    .op_bytes = sizeof(struct classic_op),
    .label = label,
    .build = build_additive,
    .release = release,
    .usual = usual,
};

static const struct clattn__variant composite[] = {{.name = "classic/attention"}, {0}};

const struct clattn__family clattn__dot_family = {
    .op = "classic",
    .variants = composite,
    .op_bytes = sizeof(struct classic_op),
    .build = build_dot,
    .release = release,
};
