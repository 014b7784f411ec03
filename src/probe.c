#include "probe.h"

#include <stdio.h>
#include <string.h>

/* Adds "name: reason" to what was said before. */
static void add_reason(char text[CLATTN__FACT_BYTES], const char *name, const char *reason)
{
    const size_t used = strlen(text);
    snprintf(text + used, CLATTN__FACT_BYTES - used, "%s%s: %s", used ? "; " : "", name, reason);
}

static void believe(clattn_context *context, const struct clattn__probe *probe)
{
    clattn_device_facts *facts = &context->facts;
    if (!probe->engine) {
        facts->lanes = probe->lanes;
        facts->subgroup_sizes |= probe->subgroup;
    } else if (!facts->engine) {
        facts->engine = probe->engine;
    }
}

/* A reason stays only where nothing was right. */
static void finish_reasons(clattn_context *context)
{
    clattn_device_facts *facts = &context->facts;
    if (facts->lanes) {
        context->lanes_reason[0] = '\0';
    } else if (!context->lanes_reason[0]) {
        snprintf(context->lanes_reason, CLATTN__FACT_BYTES,
                 "the device has no cl_intel_subgroups, and is no GPU of NVIDIA or AMD");
    }
    if (facts->engine) {
        context->engine_reason[0] = '\0';
    } else if (!context->engine_reason[0]) {
        snprintf(context->engine_reason, CLATTN__FACT_BYTES, "%s",
                 facts->type & CL_DEVICE_TYPE_GPU
                     ? "no matrix instructions are known for this device"
                     : "no GPU");
    }
    facts->lanes_reason = context->lanes_reason;
    facts->engine_reason = context->engine_reason;
}

void clattn__probe(clattn_context *context, const struct clattn__clues *clues)
{
    for (const struct clattn__probe *probe = clattn__probes; probe->name; probe++) {
        char reason[CLATTN__FACT_BYTES] = "";
        char *text = probe->engine ? context->engine_reason : context->lanes_reason;
        const enum clattn__plausible plausible = probe->plausible(probe, clues, reason);
        if (plausible == CLATTN__WORTH_TRYING && clattn__probe_run(context, probe, reason)) {
            believe(context, probe);
        } else if (plausible != CLATTN__ANOTHERS) {
            add_reason(text, probe->name, reason);
            clattn__log(context, "%s: %s", probe->name, reason);
        }
    }
    finish_reasons(context);
}
