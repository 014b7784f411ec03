/* Every op there is, and contexts that know them: the registry below is handed this table. */
#include "families.h"

#include "attention/attention.h"
#include "attribution/attribution.h"
#include "block/families.h"
#include "cache/families.h"
#include "classic/classic.h"
#include "moe/moe.h"
#include "project/project.h"

const struct clattn__family *const clattn__families[] = {
    &clattn__attention_family,   &clattn__project_family,    &clattn__norm_family,
    &clattn__rope_family,        &clattn__activation_family, &clattn__embed_family,
    &clattn__softmax_family,     &clattn__topk_family,       &clattn__append_family,
    &clattn__merge_family,       &clattn__additive_family,   &clattn__moe_family,
    &clattn__attribution_family, &clattn__rollout_family,    NULL};

clattn_status clattn_context_create(const clattn_context_desc *desc, clattn_context **out)
{
    const clattn_context_desc defaults = {0};
    clattn_context *context;
    if (!out) {
        return clattn__refuse("context: out is NULL");
    }
    TRY(clattn__context_open(desc ? desc : &defaults, clattn__families, &context));
    clattn__context_complete(context);
    *out = context;
    return CLATTN_OK;
}
