/* Attention before the transformer: what a descriptor may say, and making an op of it. */
#include "classic.h"
#include "registry/choose.h"
#include "registry/create.h"

/* Additive kernels hold rows of this many columns; alignment models are wider than heads. */
enum { MAX_COLUMNS = 2048 };

/* ---- Descriptor ------------------------------------------------------------ */

/* Which operands are projected. */
enum need { NEVER, MAY, MUST };

static const struct {
    const char *name;
    enum need query, key;
} kinds[] = {
    [CLATTN_ADDITIVE] = {"additive", MAY, MAY},
    [CLATTN_LUONG_DOT] = {"dot", NEVER, NEVER},
    [CLATTN_LUONG_GENERAL] = {"general", NEVER, MUST},
    [CLATTN_LUONG_CONCAT] = {"concat", MUST, MUST},
};

static clattn_status check_dims(const clattn_classic_desc *d)
{
    const struct {
        const char *field;
        int32_t columns, heads;
        enum need need;
    } dims[] = {
        {"query_dim", d->query_dim, d->attention.query_heads, kinds[d->kind].query},
        {"key_dim", d->key_dim, d->attention.kv_heads, kinds[d->kind].key},
    };
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        if (dims[i].columns < (dims[i].need == MUST) ||
            (dims[i].need == NEVER && dims[i].columns)) {
            return clattn__refuse("classic: %s is %d, must be %s for %s scores", dims[i].field,
                                  dims[i].columns,
                                  dims[i].need == NEVER ? "0"
                                  : dims[i].need == MAY ? "at least 0"
                                                        : "at least 1",
                                  kinds[d->kind].name);
        }
        if (dims[i].columns && dims[i].heads > INT32_MAX / d->attention.head_dim) {
            return clattn__refuse("classic: attention.query_heads times head_dim is too large");
        }
    }
    return CLATTN_OK;
}

static clattn_status check_choices(const clattn_classic_desc *d)
{
    const clattn_attention_desc *a = &d->attention;
    if (d->bias && !d->query_dim) {
        return clattn__refuse("classic: bias needs query_dim: it is added to projected queries");
    }
    if (d->kind == CLATTN_LUONG_CONCAT && a->kv_heads != a->query_heads) {
        return clattn__refuse("classic: attention.kv_heads is %d, must be query_heads, %d, for "
                              "concat scores",
                              a->kv_heads, a->query_heads);
    }
    if (a->kv_type != a->type || a->page_rows || a->ring || a->packed) {
        return clattn__refuse("classic: attention.%s is set: keys and values lie in tensors here",
                              a->kv_type != a->type ? "kv_type"
                              : a->page_rows        ? "page_rows"
                              : a->ring             ? "ring"
                                                    : "packed");
    }
    if (!clattn__is_additive(d->kind)) {
        return CLATTN_OK;
    }
    if (a->split_keys) {
        return clattn__refuse("classic: attention.split_keys is %d, must be 0 for %s scores",
                              a->split_keys, kinds[d->kind].name);
    }
    if (a->weights_stage != CLATTN_STAGE_SOFTMAX && a->weights_stage != CLATTN_STAGE_MASKED) {
        return clattn__refuse("classic: attention.weights_stage is %d, must be softmax or masked "
                              "for %s scores",
                              (int)a->weights_stage, kinds[d->kind].name);
    }
    return CLATTN_OK;
}

clattn_status clattn__classic_check_weights(const clattn_classic_desc *d,
                                            const clattn_tensor weights[3], const bool optional[3],
                                            struct clattn__view views[3])
{
    const clattn_attention_desc *a = &d->attention;
    const bool concat = d->kind == CLATTN_LUONG_CONCAT;
    const int64_t Q = (int64_t)a->query_heads * a->head_dim, K = (int64_t)a->kv_heads * a->head_dim;
    const int64_t q = d->query_dim, k = d->key_dim;
    const unsigned type = 1u << a->type;
    const struct {
        bool taken;
        struct clattn__want want;
    } wanted[3] = {
        [CLASSIC_WQ] = {q && !concat, {"classic", "wq", {1, Q, 1, q}, 0, type, false, false}},
        [CLASSIC_WK] = {k && !concat, {"classic", "wk", {1, K, 1, k}, 0, type, false, false}},
        [CLASSIC_CONCAT] = {concat,
                            {"classic", "w_concat", {1, Q, 1, q + k}, 0, type, false, false}},
    };
    for (int i = 0; i < 3; i++) {
        struct clattn__want want = wanted[i].want;
        if (weights[i].mem && !wanted[i].taken) {
            return clattn__refuse("classic: args.%s is given, but %s scores with query_dim %d and "
                                  "key_dim %d take none",
                                  want.field, kinds[d->kind].name, d->query_dim, d->key_dim);
        }
        want.optional = optional[i] || !wanted[i].taken;
        TRY(clattn__view(&want, &weights[i], &views[i]));
        if (views[i].mem && want.size[1] > 1 && views[i].at[2] < want.size[3]) {
            return clattn__refuse("classic: args.%s.stride[1] is %lld, must be at least %lld",
                                  want.field, (long long)views[i].at[2], (long long)want.size[3]);
        }
    }
    return CLATTN_OK;
}

/* Fills in what zero stands for, then checks. */
static clattn_status complete(const clattn_classic_desc *desc, clattn_classic_desc *d)
{
    const bool optional[3] = {true, true, true};
    struct clattn__view views[3];
    if (!desc) {
        return clattn__refuse("classic: desc is NULL");
    }
    const clattn_tensor weights[3] = {desc->wq, desc->wk, desc->w_concat};
    *d = *desc;
    if ((unsigned)d->kind >= sizeof kinds / sizeof *kinds) {
        return clattn__refuse("classic: kind is %d, not a clattn_classic_kind", (int)d->kind);
    }
    TRY(clattn__attention_complete(
        &desc->attention, clattn__is_additive(d->kind) ? MAX_COLUMNS : CLATTN__MAX_HEAD_DIM,
        &d->attention));
    d->attention.scale = desc->attention.scale != 0 ? desc->attention.scale : 1;
    TRY(check_dims(d));
    TRY(check_choices(d));
    return clattn__of_desc("classic", clattn__classic_check_weights(d, weights, optional, views));
}

clattn_status clattn_classic_create(clattn_context *context, const clattn_classic_desc *desc,
                                    clattn_op **out)
{
    clattn_classic_desc full;
    if (!context || !out) {
        return clattn__refuse("classic: %s is NULL", context ? "out" : "context");
    }
    TRY(complete(desc, &full));
    return clattn__is_additive(full.kind)
               ? clattn__op_create(context, &clattn__additive_family, &full, full.attention.kernel,
                                   full.attention.params, out)
               : clattn__op_create(context, &clattn__dot_family, &full, NULL, NULL, out);
}

clattn_status clattn_classic_variants(clattn_context *context, const clattn_classic_desc *desc,
                                      clattn_variant_report *report, void *user)
{
    clattn_classic_desc full;
    if (!context || !report) {
        return clattn__refuse("classic: %s is NULL", context ? "report" : "context");
    }
    TRY(complete(desc, &full));
    if (!clattn__is_additive(full.kind)) {
        return clattn_attention_variants(context, &full.attention, report, user);
    }
    clattn__report_variants(context, &clattn__additive_family, &full, NULL, report, user);
    return CLATTN_OK;
}

clattn_status clattn_classic_candidates(clattn_context *context, const clattn_classic_desc *desc,
                                        clattn_candidate_report *report, void *user)
{
    clattn_classic_desc full;
    if (!context || !report) {
        return clattn__refuse("classic: %s is NULL", context ? "report" : "context");
    }
    TRY(complete(desc, &full));
    return clattn__is_additive(full.kind)
               ? clattn__report_candidates(context, &clattn__additive_family, &full,
                                           full.attention.kernel, report, user)
               : clattn_attention_candidates(context, &full.attention, report, user);
}
