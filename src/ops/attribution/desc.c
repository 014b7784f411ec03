/* What attribution's descriptor may say. */
#include "attribution.h"
#include "ops/project/linear.h"

clattn_status clattn__attribution_complete(const clattn_attribution_desc *desc,
                                           clattn_attribution_desc *d)
{
    if (!desc) {
        return clattn__refuse("attribution: desc is NULL");
    }
    *d = *desc;
    clattn_attention_desc attention = desc->attention;
    attention.with &= ~(uint32_t)CLATTN_WITH_WEIGHTS;
    attention.weights_stage = CLATTN_STAGE_SOFTMAX;
    attention.out_type = CLATTN_F32;
    attention.split_keys = 0;
    attention.kernel = attention.params = NULL;
    const clattn_status status =
        clattn__attention_complete(&attention, CLATTN__MAX_HEAD_DIM, &d->attention);
    if (status != CLATTN_OK) {
        return clattn__fail_in("attribution", status);
    }
    if (d->rows < CLATTN_ROWS_EACH || d->rows > CLATTN_ROWS_BY_SPAN) {
        return clattn__refuse("attribution: rows is %d, not a clattn_rows", (int)d->rows);
    }
    if (d->heads < CLATTN_HEADS_EACH || d->heads > CLATTN_HEADS_MAX) {
        return clattn__refuse("attribution: heads is %d, not a clattn_heads", (int)d->heads);
    }
    return CLATTN_OK;
}
