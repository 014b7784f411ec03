/* Workloads of the ops whose cases tests/check/trial.h describes: their operands, how they are
 * made and run. */
#include "workload.h"

static const struct trial_kind *kind_of(const workload *w)
{
    return check_op_named(w->c.op)->trial;
}

/* In place, an operand is read and then written, and its output has no buffer of its own. */
static operand operand_from(const struct trial *t, int i)
{
    const struct trial_operand *spec = &t->spec[i];
    const int64_t *size = spec->size;
    const operand_fill fill = spec->output              ? FILL_OUTPUT
                              : spec->type == CLATTN_U8 ? FILL_MASK
                              : spec->below             ? FILL_BELOW
                              : spec->counted           ? FILL_COUNT
                              : spec->list              ? FILL_NUMBERS
                                                        : FILL_NORMAL;
    operand o = operand_of(spec->name ? spec->name : "", spec->name && !spec->over, fill,
                           spec->type, size[0], size[1], size[2], size[3]);
    o.divide = spec->counted ? spec->counted : spec->below;
    o.numbers = spec->list;
    o.touched = (double)spec->read * (double)clattn_type_size(spec->type);
    for (int n = 0; n < TRIAL_OPERANDS; n++) {
        o.touched = t->spec[n].over == i + 1 ? 2 * (double)operand_bytes(&o) : o.touched;
    }
    return o;
}

static int last_operand(const struct trial *t)
{
    int last = TRIAL_OPERANDS - 1;
    while (last > 0 && !t->spec[last].name) {
        last--;
    }
    return last;
}

static bool describe(workload *w, reason *why)
{
    struct trial *t = &w->args.trial;
    struct check_result result;
    t->c = &w->c;
    if (!kind_of(w)->describe(t, &result)) {
        return refuse(why, "%s", result.why);
    }
    for (int i = 0; i <= last_operand(t); i++) {
        w->operands[i] = operand_from(t, i);
        if (w->operands[i].fill == FILL_BELOW && w->operands[i].divide < 1) {
            return refuse(why, "%s: nothing to choose from", w->operands[i].name);
        }
    }
    w->flops = kind_of(w)->flops ? kind_of(w)->flops(t) : 0;
    return true;
}

static void bind(workload *w)
{
    struct trial *t = &w->args.trial;
    for (int i = 0; i <= last_operand(t); i++) {
        const int over = t->spec[i].over;
        t->o[i].view = w->operands[over ? over - 1 : i].view;
    }
    t->scratch = w->scratch;
}

static clattn_status create(workload *w, clattn_context *context, const char *kernel)
{
    bind(w); /* a descriptor may have weights */
    return kind_of(w)->create(&w->args.trial, context, kernel, &w->op);
}

static size_t scratch(const workload *w)
{
    return kind_of(w)->scratch ? kind_of(w)->scratch(&w->args.trial, w->op) : 0;
}

static clattn_status run(const workload *w, cl_command_queue queue)
{
    return kind_of(w)->run(&w->args.trial, w->op, queue);
}

static const char *kernel_of(const workload *w)
{
    return kind_of(w)->kernel ? kind_of(w)->kernel(&w->args.trial, w->op) : clattn_op_kernel(w->op);
}

const workload_kind trial_workload_kind = {"", describe, create, bind, scratch, run, kernel_of};
