/* Scaled dot-product attention: validate, choose a variant, bind, enqueue. */
#include "../op.h"
#include "../program.h"

#include <clattn/attention.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_HEAD_DIM = 512, MAX_ROWS = INT32_MAX / 2, ALL_WITH = 15 };

struct attention_op {
    clattn_op base;
    clattn_attention_desc desc; /* with every default filled in */
    cl_kernel weights;          /* NULL unless asked for */
};

/* ---- Variants ------------------------------------------------------------ */

static size_t round_up(int64_t n, int multiple)
{
    return (size_t)((n + multiple - 1) / multiple * multiple);
}

static void row_geometry(const int *params, const int64_t extent[3], size_t global[3], size_t local[3])
{
    const int rows = params[0];
    const size_t g[3] = {round_up(extent[0], rows), (size_t)extent[1], (size_t)extent[2]};
    const size_t l[3] = {(size_t)rows, 1, 1};
    memcpy(global, g, sizeof g);
    memcpy(local, l, sizeof l);
}

enum { TILE_Q, TILE_K, CHUNK }; /* places in attention/tiled's params */

static bool tiled_fits(const clattn_device_facts *facts, const void *desc, const int *params,
                       char reason[CLATTN__REASON_BYTES])
{
    (void)desc;
    const int q = params[TILE_Q], k = params[TILE_K], chunk = params[CHUNK];
    const size_t items = (size_t)(q / 4) * (size_t)(k / 4);
    const size_t bytes = sizeof(float) * (size_t)(chunk * (q + 1) + chunk * (k + 1) + q * (k + 1) + q * k / 4);
    if (facts->max_work_group < items) {
        snprintf(reason, CLATTN__REASON_BYTES, "needs work-groups of %zu, the device allows %zu", items,
                 facts->max_work_group);
        return false;
    }
    if (facts->local_bytes < bytes) {
        snprintf(reason, CLATTN__REASON_BYTES, "needs %zu bytes of local memory, the device has %llu", bytes,
                 (unsigned long long)facts->local_bytes);
        return false;
    }
    return true;
}

static void tiled_geometry(const int *params, const int64_t extent[3], size_t global[3], size_t local[3])
{
    const size_t l[3] = {(size_t)params[TILE_K] / 4, (size_t)params[TILE_Q] / 4, 1};
    const size_t g[3] = {round_up(extent[0], params[TILE_Q]) / (size_t)params[TILE_Q] * l[0],
                         (size_t)extent[1] * l[1], (size_t)extent[2]};
    memcpy(global, g, sizeof g);
    memcpy(local, l, sizeof l);
}

enum { WIDTH, VECTORS, KEYS, WIDE_TILE_K }; /* places in attention/wide's params */

static bool wide_fits(const clattn_device_facts *facts, const void *desc, const int *params,
                      char reason[CLATTN__REASON_BYTES])
{
    (void)desc;
    (void)params;
    if (facts->vector_width != 4 && facts->vector_width != 8 && facts->vector_width != 16) {
        snprintf(reason, CLATTN__REASON_BYTES, "is for CPUs with float vectors of 4, 8 or 16, the device has %d",
                 facts->vector_width);
        return false;
    }
    return true;
}

/* KEYS * VECTORS accumulators, VECTORS queries and a broadcast value fill the registers:
 * 32 of them on AVX-512 and ARM, 16 on AVX2. */
static void wide_adapt(const clattn_device_facts *facts, const void *desc, int *params)
{
    (void)desc;
    params[WIDTH] = facts->vector_width;
    params[KEYS] = facts->vector_width == 8 ? 4 : 8;
}

static void wide_geometry(const int *params, const int64_t extent[3], size_t global[3], size_t local[3])
{
    const int rows = params[WIDTH] * params[VECTORS];
    const size_t g[3] = {round_up(extent[0], rows) / (size_t)rows, (size_t)extent[1], (size_t)extent[2]};
    const size_t l[3] = {1, 1, 1};
    memcpy(global, g, sizeof g);
    memcpy(local, l, sizeof l);
}

static const struct clattn__variant variants[] = {
    {.name = "attention/wide",
     .fits = wide_fits,
     .params = {{"WIDTH", 16}, {"VECTORS", 3}, {"KEYS", 8}, {"TILE_K", 128}},
     .adapt = wide_adapt,
     .geometry = wide_geometry},
    {.name = "attention/tiled",
     .fits = tiled_fits,
     .params = {{"TILE_Q", 32}, {"TILE_K", 32}, {"CHUNK", 32}},
     .geometry = tiled_geometry},
    {.name = "attention/row", .params = {{"ROWS", 8}}, .geometry = row_geometry},
};

/* ---- Descriptor ------------------------------------------------------------ */

static bool is_float_type(clattn_type type)
{
    return type == CLATTN_F32 || type == CLATTN_F16 || type == CLATTN_BF16;
}

static clattn_status check_shape(const clattn_attention_desc *d)
{
    if (d->head_dim < 1 || d->head_dim > MAX_HEAD_DIM) {
        return clattn__refuse("attention: head_dim is %d, must be 1..%d", d->head_dim, MAX_HEAD_DIM);
    }
    if (d->value_dim < 1 || d->value_dim > MAX_HEAD_DIM) {
        return clattn__refuse("attention: value_dim is %d, must be 1..%d", d->value_dim, MAX_HEAD_DIM);
    }
    if (d->query_heads < 1 || d->query_heads > MAX_ROWS) {
        return clattn__refuse("attention: query_heads is %d, must be at least 1", d->query_heads);
    }
    if (d->kv_heads < 1 || d->query_heads % d->kv_heads) {
        return clattn__refuse("attention: kv_heads is %d, must divide query_heads, %d", d->kv_heads,
                              d->query_heads);
    }
    return CLATTN_OK;
}

static clattn_status check_choices(const clattn_attention_desc *d)
{
    const struct {
        const char *field;
        clattn_type type;
    } types[] = {{"type", d->type}, {"out_type", d->out_type}, {"bias_type", d->bias_type}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!is_float_type(types[i].type)) {
            return clattn__refuse("attention: %s is %s (%d), must be f32, f16 or bf16", types[i].field,
                                  clattn_type_name(types[i].type), (int)types[i].type);
        }
    }
    if (d->align < CLATTN_BOTTOM_RIGHT || d->align > CLATTN_OFFSET) {
        return clattn__refuse("attention: align is %d, not a clattn_align", (int)d->align);
    }
    if (d->weights_stage < CLATTN_STAGE_SOFTMAX || d->weights_stage > CLATTN_STAGE_MASKED) {
        return clattn__refuse("attention: weights_stage is %d, not a clattn_stage", (int)d->weights_stage);
    }
    if (!isfinite(d->scale)) {
        return clattn__refuse("attention: scale is %g, must be finite", d->scale);
    }
    if (!isfinite(d->softcap) || d->softcap < 0) {
        return clattn__refuse("attention: softcap is %g, must be finite and not negative", d->softcap);
    }
    if (d->with & ~(uint32_t)ALL_WITH) {
        return clattn__refuse("attention: with is 0x%x, has unknown bits", (unsigned)d->with);
    }
    return CLATTN_OK;
}

/* Fills in what zero stands for, then checks. */
static clattn_status complete(const clattn_attention_desc *desc, clattn_attention_desc *d)
{
    if (!desc) {
        return clattn__refuse("attention: desc is NULL");
    }
    *d = *desc;
    d->value_dim = d->value_dim ? d->value_dim : d->head_dim;
    d->kv_heads = d->kv_heads ? d->kv_heads : d->query_heads;
    TRY(check_shape(d));
    TRY(check_choices(d));
    d->scale = d->scale != 0 ? d->scale : (float)(1 / sqrt(d->head_dim));
    if (d->window.left < 0 && d->window.right < 0) {
        d->window.on = false;
    }
    return CLATTN_OK;
}

/* ---- Building -------------------------------------------------------------- */

static void write_label(const clattn_op *op, const clattn_attention_desc *d, char *label, size_t bytes)
{
    char value_dim[16] = "", out_type[16] = "";
    if (d->value_dim != d->head_dim) {
        snprintf(value_dim, sizeof value_dim, "/%d", d->value_dim);
    }
    if (d->out_type != d->type) {
        snprintf(out_type, sizeof out_type, ">%s", clattn_type_name(d->out_type));
    }
    snprintf(label, bytes, "%s %s%s d%d%s%s%s%s%s%s%s%s", op->variant->name, clattn_type_name(d->type),
             out_type, d->head_dim, value_dim, d->kv_heads != d->query_heads ? " gqa" : "",
             d->causal ? " causal" : "", d->window.on ? " window" : "", d->softcap > 0 ? " softcap" : "",
             d->with & CLATTN_WITH_BIAS ? " bias" : "", d->with & CLATTN_WITH_MASK ? " mask" : "",
             d->with & CLATTN_WITH_ALIBI ? " alibi" : "");
}

static void write_options(const clattn_op *op, const clattn_attention_desc *d, char *options, size_t bytes)
{
    const struct {
        const char *name;
        int value;
    } macros[] = {
        {"TYPE", d->type},
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
    size_t used = (size_t)snprintf(options, bytes, "-cl-std=CL1.2");
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++) {
        used += (size_t)snprintf(options + used, bytes - used, " -D%s=%d", macros[i].name, macros[i].value);
    }
    for (int i = 0; i < CLATTN__MAX_PARAMS && op->variant->params[i].name; i++) {
        used += (size_t)snprintf(options + used, bytes - used, " -D%s=%d", op->variant->params[i].name,
                                 op->params[i]);
    }
}

/* Every tensor of a call as kernels see it, and its sizes. */
struct problem {
    int64_t batch, n_q, n_k;
    struct clattn__view q, k, v, out, bias, mask, alibi, sinks, kv_length, offset, lse, weights;
};

/* The order of ATTENTION_ARGUMENTS in kernels/attention/arguments.h. */
static struct clattn__binding bind_arguments(cl_kernel kernel, const clattn_attention_desc *d,
                                             const struct problem *p)
{
    struct clattn__binding binding = {.kernel = kernel};
    const struct clattn__view *const views[] = {&p->q,     &p->k,     &p->v,         &p->out,
                                                &p->bias,  &p->mask,  &p->alibi,     &p->sinks,
                                                &p->kv_length, &p->offset, &p->lse,  &p->weights};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        clattn__bind_view(&binding, views[i]);
    }
    clattn__bind_int(&binding, p->n_q);
    clattn__bind_int(&binding, p->n_k);
    clattn__bind_float(&binding, d->scale);
    clattn__bind_float(&binding, d->softcap);
    clattn__bind_int(&binding, d->window.on ? d->window.left : -1);
    clattn__bind_int(&binding, d->window.on ? d->window.right : -1);
    return binding;
}

static clattn_status build_kernel(clattn_op *op, const char *file, const char *name, const char *options,
                                  const size_t local[3], cl_kernel *out)
{
    const struct problem nothing = {0};
    TRY(clattn__kernel_create(op->context, file, name, options, out));
    const struct clattn__binding binding = bind_arguments(*out, &((struct attention_op *)op)->desc, &nothing);
    return clattn__first_launch(op->context, &binding, local);
}

static clattn_status build(clattn_op *op, const void *desc)
{
    struct attention_op *attention = (struct attention_op *)op;
    const clattn_attention_desc *d = &attention->desc;
    attention->desc = *(const clattn_attention_desc *)desc;
    attention->desc.kernel = NULL;

    const int64_t one[3] = {1, 1, 1};
    size_t global[3], local[3];
    char file[64], name[64], options[512];
    op->variant->geometry(op->params, one, global, local);
    snprintf(file, sizeof file, "%s.cl", op->variant->name);
    snprintf(name, sizeof name, "%s", op->variant->name);
    *strchr(name, '/') = '_';
    write_options(op, d, options, sizeof options);
    write_label(op, d, op->label, sizeof op->label);
    TRY(build_kernel(op, file, name, options, local, &op->kernel));

    if (d->with & CLATTN_WITH_WEIGHTS) {
        const size_t single[3] = {1, 1, 1};
        const size_t used = strlen(options);
        snprintf(options + used, sizeof options - used, " -DQUERY_HEADS=%d -DSTAGE=%d", d->query_heads,
                 (int)d->weights_stage);
        TRY(build_kernel(op, "attention/weights.cl", "attention_weights", options, single,
                         &attention->weights));
    }
    return CLATTN_OK;
}

static void release(clattn_op *op)
{
    struct attention_op *attention = (struct attention_op *)op;
    if (attention->weights) {
        clReleaseKernel(attention->weights);
    }
}

/* The shapes of most models: head_dim 64 and 128, each storage type, with and without causality. */
static void usual(void (*visit)(void *user, const void *desc), void *user)
{
    const clattn_type types[] = {CLATTN_F32, CLATTN_F16, CLATTN_BF16};
    for (int head_dim = 64; head_dim <= 128; head_dim += 64) {
        for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
            for (int causal = 0; causal < 2; causal++) {
                const clattn_attention_desc desc = {.head_dim = head_dim, .query_heads = 1,
                                                    .type = types[t], .out_type = types[t],
                                                    .causal = causal};
                clattn_attention_desc full;
                if (complete(&desc, &full) == CLATTN_OK) {
                    visit(user, &full);
                }
            }
        }
    }
}

const struct clattn__family clattn__attention_family = {
    .op = "attention",
    .variants = variants,
    .count = sizeof variants / sizeof *variants,
    .op_bytes = sizeof(struct attention_op),
    .build = build,
    .release = release,
    .usual = usual,
};

clattn_status clattn_attention_create(clattn_context *context, const clattn_attention_desc *desc,
                                      clattn_op **out)
{
    clattn_attention_desc full;
    if (!context || !out) {
        return clattn__refuse("attention: %s is NULL", context ? "out" : "context");
    }
    TRY(complete(desc, &full));
    return clattn__op_create(context, &clattn__attention_family, &full, full.kernel, out);
}

clattn_status clattn_attention_variants(clattn_context *context, const clattn_attention_desc *desc,
                                        clattn_variant_report *report, void *user)
{
    clattn_attention_desc full;
    if (!context || !report) {
        return clattn__refuse("attention: %s is NULL", context ? "report" : "context");
    }
    TRY(complete(desc, &full));
    clattn__report_variants(context, &clattn__attention_family, &full, report, user);
    return CLATTN_OK;
}

/* ---- Running ---------------------------------------------------------------- */

/* An operand that the descriptor did not announce would be ignored: refuse it. */
static clattn_status check_announced(const clattn_attention_desc *d, const clattn_attention_args *args)
{
    const struct {
        const char *field, *flag;
        bool announced;
        cl_mem mem;
    } operands[] = {
        {"bias", "CLATTN_WITH_BIAS", d->with & CLATTN_WITH_BIAS, args->bias.mem},
        {"mask", "CLATTN_WITH_MASK", d->with & CLATTN_WITH_MASK, args->mask.mem},
        {"alibi", "CLATTN_WITH_ALIBI", d->with & CLATTN_WITH_ALIBI, args->alibi.mem},
        {"weights", "CLATTN_WITH_WEIGHTS", d->with & CLATTN_WITH_WEIGHTS, args->weights.mem},
        {"offset", "align CLATTN_OFFSET", d->align == CLATTN_OFFSET, args->offset.mem},
    };
    for (size_t i = 0; i < sizeof operands / sizeof *operands; i++) {
        if (operands[i].mem && !operands[i].announced) {
            return clattn__refuse("attention: args.%s is given, but desc lacks %s", operands[i].field,
                                  operands[i].flag);
        }
    }
    return CLATTN_OK;
}

static clattn_status check_counts(const struct problem *p)
{
    const struct {
        const char *what;
        int64_t n;
    } counts[] = {{"q.size[0] (batch)", p->batch}, {"q.size[1] (row)", p->n_q}, {"k.size[1] (row)", p->n_k}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (counts[i].n < 0 || counts[i].n > MAX_ROWS) {
            return clattn__refuse("attention: args.%s is %lld, must be 0..%d", counts[i].what,
                                  (long long)counts[i].n, MAX_ROWS);
        }
    }
    return CLATTN_OK;
}

static clattn_status check_problem(const clattn_attention_desc *d, const clattn_attention_args *args,
                                   struct problem *p)
{
    const int64_t B = p->batch = args->q.size[0], Nq = p->n_q = args->q.size[1];
    const int64_t Nk = p->n_k = args->k.size[1], H = d->query_heads, G = d->kv_heads;
    const unsigned F32 = 1u << CLATTN_F32, I32 = 1u << CLATTN_I32, U8 = 1u << CLATTN_U8;
    const unsigned any = CLATTN__BATCH | CLATTN__ROW | CLATTN__HEAD, type = 1u << d->type;
    TRY(check_announced(d, args));
    TRY(check_counts(p));
    const struct {
        const clattn_tensor *tensor;
        struct clattn__view *view;
        struct clattn__want want;
    } operands[] = {
        {&args->q, &p->q, {"attention", "q", {B, Nq, H, d->head_dim}, 0, type, false, false}},
        {&args->k, &p->k, {"attention", "k", {B, Nk, G, d->head_dim}, 0, type, false, false}},
        {&args->v, &p->v, {"attention", "v", {B, Nk, G, d->value_dim}, 0, type, false, false}},
        {&args->out, &p->out,
         {"attention", "out", {B, Nq, H, d->value_dim}, 0, 1u << d->out_type, true, false}},
        {&args->bias, &p->bias,
         {"attention", "bias", {B, Nq, H, Nk}, any, 1u << d->bias_type, false,
          !(d->with & CLATTN_WITH_BIAS)}},
        {&args->mask, &p->mask,
         {"attention", "mask", {B, Nq, H, Nk}, any, U8, false, !(d->with & CLATTN_WITH_MASK)}},
        {&args->alibi, &p->alibi,
         {"attention", "alibi", {B, 1, H, 1}, CLATTN__BATCH, F32, false, !(d->with & CLATTN_WITH_ALIBI)}},
        {&args->sinks, &p->sinks, {"attention", "sinks", {1, 1, H, 1}, 0, F32, false, true}},
        {&args->kv_length, &p->kv_length,
         {"attention", "kv_length", {B, 1, 1, 1}, 0, I32, false, true}},
        {&args->offset, &p->offset,
         {"attention", "offset", {B, 1, 1, 1}, CLATTN__BATCH, I32, false, d->align != CLATTN_OFFSET}},
        {&args->lse, &p->lse, {"attention", "lse", {B, Nq, H, 1}, 0, F32, true, true}},
        {&args->weights, &p->weights,
         {"attention", "weights", {B, Nq, H, Nk}, 0, F32, true, !(d->with & CLATTN_WITH_WEIGHTS)}},
    };
    const size_t count = sizeof operands / sizeof *operands;
    for (size_t i = 0; i < count; i++) {
        TRY(clattn__view(&operands[i].want, operands[i].tensor, operands[i].view));
    }
    for (size_t o = 0; o < count; o++) {
        for (size_t i = 0; operands[o].want.output && i < count; i++) {
            if (i != o) {
                TRY(clattn__no_overlap("attention", operands[o].want.field, operands[o].view,
                                       operands[i].want.field, operands[i].view));
            }
        }
    }
    return CLATTN_OK;
}

size_t clattn_attention_scratch(const clattn_op *op, const clattn_attention_args *args)
{
    if (clattn__op_check(op, &clattn__attention_family) != CLATTN_OK || !args) {
        return 0;
    }
    const clattn_attention_desc *d = &((const struct attention_op *)op)->desc;
    if (!(d->with & CLATTN_WITH_WEIGHTS) || d->weights_stage != CLATTN_STAGE_SOFTMAX || args->lse.mem) {
        return 0;
    }
    /* The probabilities need each row's lse. */
    return (size_t)(args->q.size[0] * args->q.size[1] * d->query_heads) * sizeof(float);
}

static clattn_status launch_weights(const struct attention_op *attention, cl_command_queue queue,
                                    const struct problem *p)
{
    const struct clattn__binding binding = bind_arguments(attention->weights, &attention->desc, p);
    const size_t global[3] = {(size_t)p->n_k, (size_t)p->n_q,
                              (size_t)(attention->desc.query_heads * p->batch)};
    return clattn__launch(&binding, queue, global, NULL);
}

static clattn_status enqueue(const struct attention_op *attention, cl_command_queue queue,
                             const struct problem *p)
{
    const clattn_op *op = &attention->base;
    const int64_t extent[3] = {p->n_q, attention->desc.query_heads, p->batch};
    size_t global[3], local[3];
    op->variant->geometry(op->params, extent, global, local);
    clattn__lock((clattn__mutex *)&op->lock);
    const struct clattn__binding binding = bind_arguments(op->kernel, &attention->desc, p);
    clattn_status status = clattn__launch(&binding, queue, global, local);
    if (status == CLATTN_OK && attention->weights) {
        status = launch_weights(attention, queue, p);
    }
    clattn__unlock((clattn__mutex *)&op->lock);
    return status;
}

clattn_status clattn_attention_run(const clattn_op *op, cl_command_queue queue,
                                   const clattn_attention_args *args, cl_event *event)
{
    TRY(clattn__op_check(op, &clattn__attention_family));
    if (!args) {
        return clattn__refuse("attention: args is NULL");
    }
    const struct attention_op *attention = (const struct attention_op *)op;
    struct problem p;
    cl_mem scratch, taken;
    TRY(check_problem(&attention->desc, args, &p));
    const size_t bytes = clattn_attention_scratch(op, args);
    TRY(clattn__scratch(op->context, "attention", args->scratch, bytes, &scratch, &taken));
    if (bytes) {
        const int64_t size[4] = {p.batch, p.n_q, attention->desc.query_heads, 1};
        p.lse = clattn__dense_view(scratch, 0, size, CLATTN_F32);
    }
    clattn_status status = enqueue(attention, queue, &p);
    if (taken) {
        clReleaseMemObject(taken);
    }
    return status == CLATTN_OK ? clattn__mark(queue, event) : status;
}
