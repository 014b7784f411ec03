/* What attention's descriptor may say. */
#include "attention.h"

#include <math.h>

enum { MAX_HEADS = INT32_MAX / 2, MAX_PAGE_ROWS = 1 << 16, ALL_WITH = 15 };

static clattn_status check_shape(const clattn_attention_desc *d, int32_t most_columns)
{
    if (d->head_dim < 1 || d->head_dim > most_columns) {
        return clattn__refuse("attention: head_dim is %d, must be 1..%d", d->head_dim,
                              most_columns);
    }
    if (d->value_dim < 1 || d->value_dim > most_columns) {
        return clattn__refuse("attention: value_dim is %d, must be 1..%d", d->value_dim,
                              most_columns);
    }
    if (d->query_heads < 1 || d->query_heads > MAX_HEADS) {
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
        if (!clattn__is_float(types[i].type)) {
            return clattn__refuse("attention: %s is %s (%d), must be f32, f16 or bf16",
                                  types[i].field, clattn_type_name(types[i].type),
                                  (int)types[i].type);
        }
    }
    if (!clattn__is_float(d->kv_type) && d->kv_type != CLATTN_I8) {
        return clattn__refuse("attention: kv_type is %s (%d), must be f32, f16, bf16 or i8",
                              clattn_type_name(d->kv_type), (int)d->kv_type);
    }
    if (d->align < CLATTN_BOTTOM_RIGHT || d->align > CLATTN_OFFSET) {
        return clattn__refuse("attention: align is %d, not a clattn_align", (int)d->align);
    }
    if (d->weights_stage < CLATTN_STAGE_SOFTMAX || d->weights_stage > CLATTN_STAGE_MASKED) {
        return clattn__refuse("attention: weights_stage is %d, not a clattn_stage",
                              (int)d->weights_stage);
    }
    if (!isfinite(d->scale)) {
        return clattn__refuse("attention: scale is %g, must be finite", d->scale);
    }
    if (!isfinite(d->softcap) || d->softcap < 0) {
        return clattn__refuse("attention: softcap is %g, must be finite and not negative",
                              d->softcap);
    }
    if (d->split_keys < 0) {
        return clattn__refuse("attention: split_keys is %d, must not be negative", d->split_keys);
    }
    if (d->with & ~(uint32_t)ALL_WITH) {
        return clattn__refuse("attention: with is 0x%x, has unknown bits", (unsigned)d->with);
    }
    return CLATTN_OK;
}

/* Where keys lie by tables, there is no matrix of scores that a bias, a mask or weights would fit.
 */
static clattn_status check_cache(const clattn_attention_desc *d)
{
    const unsigned matrices = CLATTN_WITH_BIAS | CLATTN_WITH_MASK | CLATTN_WITH_WEIGHTS;
    if (d->page_rows < 0 || d->page_rows > MAX_PAGE_ROWS) {
        return clattn__refuse("attention: page_rows is %d, must be 0..%d", d->page_rows,
                              MAX_PAGE_ROWS);
    }
    if (d->ring && d->page_rows) {
        return clattn__refuse("attention: ring is set with page_rows, %d: it is one or the other",
                              d->page_rows);
    }
    if ((d->ring || d->packed) && d->with & matrices) {
        return clattn__refuse(
            "attention: %s is set, which allows no bias, mask or weights (with is "
            "0x%x)",
            d->ring ? "ring" : "packed", (unsigned)d->with);
    }
    return CLATTN_OK;
}

clattn_status clattn__attention_complete(const clattn_attention_desc *desc, int32_t most_columns,
                                         clattn_attention_desc *d)
{
    if (!desc) {
        return clattn__refuse("attention: desc is NULL");
    }
    *d = *desc;
    d->value_dim = d->value_dim ? d->value_dim : d->head_dim;
    d->kv_heads = d->kv_heads ? d->kv_heads : d->query_heads;
    TRY(check_shape(d, most_columns));
    d->kv_type = d->kv_type == CLATTN_F32 ? d->type : d->kv_type;
    TRY(check_choices(d));
    TRY(check_cache(d));
    d->scale = d->scale != 0 ? d->scale : (float)(1 / sqrt(d->head_dim));
    if (d->window.left < 0 && d->window.right < 0) {
        d->window.on = false;
    }
    return CLATTN_OK;
}
