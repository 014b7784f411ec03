/* Compiling attention's kernels for a descriptor, and binding their arguments. */
#include "attention.h"
#include "registry/choose.h"

#include <stdio.h>
#include <string.h>

/* ---- Binding ---------------------------------------------------------------- */

struct clattn__binding clattn__attention_bind(cl_kernel kernel, const clattn_attention_desc *d,
                                              const struct attention_problem *p)
{
    struct clattn__binding binding = {.kernel = kernel};
    const struct clattn__view *const views[] = {
        &p->q,          &p->k,       &p->v,         &p->out,    &p->bias,    &p->mask,
        &p->alibi,      &p->sinks,   &p->kv_length, &p->offset, &p->q_start, &p->k_start,
        &p->page_table, &p->k_scale, &p->v_scale,   &p->lse,    &p->weights};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        clattn__bind_view(&binding, views[i]);
    }
    clattn__bind_int(&binding, p->n_q);
    clattn__bind_int(&binding, p->n_k);
    clattn__bind_float(&binding, d->scale);
    clattn__bind_float(&binding, d->softcap);
    clattn__bind_int(&binding, d->window.on ? d->window.left : -1);
    clattn__bind_int(&binding, d->window.on ? d->window.right : -1);
    clattn__bind_int(&binding, p->q_rows);
    clattn__bind_int(&binding, p->k_rows);
    clattn__bind_int(&binding, p->capacity);
    clattn__bind_int(&binding, p->pages);
    return binding;
}

struct clattn__binding clattn__attention_bind_few(cl_kernel kernel, const clattn_attention_desc *d,
                                                  const struct attention_problem *p)
{
    struct clattn__binding binding = clattn__attention_bind(kernel, d, p);
    clattn__bind_view(&binding, &p->parts);
    clattn__bind_int(&binding, p->split_keys);
    clattn__bind_int(&binding, d->query_heads);
    return binding;
}

struct clattn__binding clattn__attention_bind_merge(cl_kernel kernel,
                                                    const clattn_attention_desc *d,
                                                    const struct attention_problem *p)
{
    struct clattn__binding binding = {.kernel = kernel};
    clattn__bind_view(&binding, &p->parts);
    clattn__bind_int(&binding, p->splits);
    clattn__bind_view(&binding, &p->out);
    clattn__bind_view(&binding, &p->lse);
    clattn__bind_view(&binding, &p->q_start);
    clattn__bind_int(&binding, p->q_rows);
    clattn__bind_int(&binding, p->n_q);
    clattn__bind_int(&binding, d->query_heads);
    return binding;
}

/* ---- Building --------------------------------------------------------------- */

void clattn__attention_label(const struct clattn__variant *variant, const clattn_attention_desc *d,
                             char text[CLATTN__LABEL_BYTES])
{
    char value_dim[16] = "", out_type[16] = "", group[16] = "", kv_type[16] = "", pages[24] = "";
    if (d->value_dim != d->head_dim) {
        snprintf(value_dim, sizeof value_dim, "/%d", d->value_dim);
    }
    if (d->out_type != d->type) {
        snprintf(out_type, sizeof out_type, ">%s", clattn_type_name(d->out_type));
    }
    if (d->kv_heads != d->query_heads) {
        snprintf(group, sizeof group, " gqa%d", d->query_heads / d->kv_heads);
    }
    if (d->kv_type != d->type) {
        snprintf(kv_type, sizeof kv_type, "*%s", clattn_type_name(d->kv_type));
    }
    if (d->page_rows) {
        snprintf(pages, sizeof pages, " pages%d", d->page_rows);
    }
    snprintf(text, CLATTN__LABEL_BYTES, "%s %s%s%s d%d%s%s%s%s%s%s%s%s%s%s%s", variant->name,
             clattn_type_name(d->type), kv_type, out_type, d->head_dim, value_dim, group, pages,
             d->ring ? " ring" : "", d->packed ? " packed" : "", d->causal ? " causal" : "",
             d->window.on ? " window" : "", d->softcap > 0 ? " softcap" : "",
             d->with & CLATTN_WITH_BIAS ? " bias" : "", d->with & CLATTN_WITH_MASK ? " mask" : "",
             d->with & CLATTN_WITH_ALIBI ? " alibi" : "");
}

static void label(const struct clattn__variant *variant, const void *desc,
                  char text[CLATTN__LABEL_BYTES])
{
    clattn__attention_label(variant, desc, text);
}

struct clattn__options clattn__attention_options(const struct clattn__variant *variant,
                                                 const int *params, const clattn_attention_desc *d)
{
    struct clattn__options options = clattn__options_begin();
    const struct {
        const char *name;
        int value;
    } macros[] = {
        {"TYPE", d->type},
        {"KV_TYPE", d->kv_type},
        {"PAGE_ROWS", d->page_rows},
        {"RING", d->ring},
        {"PACKED", d->packed},
        {"OUT_TYPE", d->out_type},
        {"HEAD_DIM", d->head_dim},
        {"VALUE_DIM", d->value_dim},
        {"GROUP", d->query_heads / d->kv_heads},
        {"CAUSAL", d->causal},
        {"WINDOW", d->window.on},
        {"ALIGN", d->align},
        {"SOFTCAP", d->softcap > 0},
        {"WITH_BIAS", !!(d->with & CLATTN_WITH_BIAS)},
        {"BIAS_TYPE", d->bias_type},
        {"WITH_MASK", !!(d->with & CLATTN_WITH_MASK)},
        {"WITH_ALIBI", !!(d->with & CLATTN_WITH_ALIBI)},
    };
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++) {
        clattn__option(&options, macros[i].name, macros[i].value);
    }
    if (variant) {
        clattn__options_of(&options, variant, params);
    }
    return options;
}

typedef struct clattn__binding binder(cl_kernel kernel, const clattn_attention_desc *desc,
                                      const struct attention_problem *problem);

/* The first launch of a kernel that was just built: without work. */
static clattn_status start_kernel(const struct attention_op *op, cl_kernel kernel, binder *bind,
                                  const size_t local[3])
{
    const struct attention_problem nothing = {0};
    const struct clattn__binding binding = bind(kernel, &op->desc, &nothing);
    return clattn__first_launch(op->base.context, &binding, local);
}

static clattn_status build_variant(struct attention_op *op, const struct clattn__variant *variant,
                                   const int *params, cl_kernel *out)
{
    const int64_t one[3] = {1, 1, 1};
    size_t global[3], local[3];
    const struct clattn__options options = clattn__attention_options(variant, params, &op->desc);
    variant->geometry(params, one, global, local);
    TRY(clattn__build_kernel(op->base.context, clattn__variant_file(variant), &options, out));
    return start_kernel(
        op, *out, variant->few_rows ? clattn__attention_bind_few : clattn__attention_bind, local);
}

/* What joins the parts that a variant for few queries leaves; it stands in the same file. */
static clattn_status build_merge(struct attention_op *op, const struct clattn__variant *variant,
                                 const int *params)
{
    const size_t single[3] = {1, 1, 1};
    const struct clattn__options options = clattn__attention_options(variant, params, &op->desc);
    TRY(clattn__build_kernel_in(op->base.context, variant->name, "attention/merge", &options,
                                &op->merge));
    return start_kernel(op, op->merge, clattn__attention_bind_merge, single);
}

static clattn_status build_weights(struct attention_op *op)
{
    const size_t single[3] = {1, 1, 1};
    struct clattn__options options = clattn__attention_options(NULL, NULL, &op->desc);
    clattn__option(&options, "QUERY_HEADS", op->desc.query_heads);
    clattn__option(&options, "STAGE", op->desc.weights_stage);
    TRY(clattn__build_kernel(op->base.context, "attention/weights", &options, &op->weights));
    return start_kernel(op, op->weights, clattn__attention_bind, single);
}

/* A second kernel beside the one for many queries; without it that one serves. */
static void build_few(struct attention_op *op)
{
    const struct clattn__variant *variant = clattn__few_rows_variant(
        op->base.context, &clattn__attention_family, &op->desc, op->few_params);
    if (!variant) {
        return;
    }
    if (build_variant(op, variant, op->few_params, &op->few) == CLATTN_OK &&
        build_merge(op, variant, op->few_params) == CLATTN_OK) {
        op->few_variant = variant;
        label(variant, &op->desc, op->few_label);
    } else {
        clattn__log(&op->base.context->device, "attention: not %s: %s", variant->name,
                    clattn_error());
    }
}

static clattn_status build(clattn_op *base, const void *desc)
{
    struct attention_op *op = (struct attention_op *)base;
    const bool forced = ((const clattn_attention_desc *)desc)->kernel;
    op->desc = *(const clattn_attention_desc *)desc;
    op->desc.kernel = op->desc.params = NULL; /* the caller's strings do not outlive the call */
    TRY(build_variant(op, base->variant, base->params, &base->kernel));
    if (base->variant->few_rows) {
        TRY(build_merge(op, base->variant, base->params));
    } else if (!forced) {
        build_few(op);
    }
    return op->desc.with & CLATTN_WITH_WEIGHTS ? build_weights(op) : CLATTN_OK;
}

static void release(clattn_op *base)
{
    struct attention_op *op = (struct attention_op *)base;
    const cl_kernel kernels[] = {op->few, op->merge, op->weights};
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        if (kernels[i]) {
            clReleaseKernel(kernels[i]);
        }
    }
}

/* The shapes of most models: head_dim 64 and 128, each storage type, with and without causality. */
static void usual(void (*visit)(void *user, const void *desc), void *user)
{
    const clattn_type types[] = {CLATTN_F32, CLATTN_F16, CLATTN_BF16};
    for (int head_dim = 64; head_dim <= 128; head_dim += 64) {
        for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
            for (int causal = 0; causal < 2; causal++) {
                const clattn_attention_desc desc = {.head_dim = head_dim,
                                                    .query_heads = 1,
                                                    .type = types[t],
                                                    .out_type = types[t],
                                                    .causal = causal};
                clattn_attention_desc full;
                if (clattn__attention_complete(&desc, CLATTN__MAX_HEAD_DIM, &full) == CLATTN_OK) {
                    visit(user, &full);
                }
            }
        }
    }
}

const struct clattn__family clattn__attention_family = {
    .op = "attention",
    .variants = clattn__attention_variants,
    .op_bytes = sizeof(struct attention_op),
    .label = label,
    .build = build,
    .release = release,
    .usual = usual,
};
