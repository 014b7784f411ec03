/* Which of two workloads is faster, on a machine that does other things as well. */
#include "tune.h"

enum { ROUNDS_MIN = 3, ROUNDS_MAX = 1000, COMPARISONS = 3 };

/* The two take turns, so that both see the same moments of a busy machine.  Ends early where the
 * second is hopeless: slower by that factor (0 = never).  False after a line. */
static bool compare(const workload *one, const workload *other, cl_command_queue queue,
                    double seconds, double hopeless, double ms[2])
{
    const workload *const both[2] = {one, other};
    const double end = now_ms() + seconds * 1e3;
    for (int i = 0; i < 2; i++) { /* memory touched, caches filled */
        ms[i] = workload_time(both[i], queue);
        if (ms[i] < 0) {
            return false;
        }
    }
    if (hopeless > 0 && ms[1] > 10 * hopeless * ms[0]) {
        return true;
    }
    for (int round = 0; round < ROUNDS_MAX && (round < ROUNDS_MIN || now_ms() < end); round++) {
        for (int i = 0; i < 2; i++) {
            const double time = workload_time(both[i], queue);
            if (time < 0) {
                return false;
            }
            ms[i] = time < ms[i] ? time : ms[i];
        }
        if (hopeless > 0 && round + 1 >= ROUNDS_MIN && ms[1] > hopeless * ms[0]) {
            break;
        }
    }
    return true;
}

bool tune_is_faster(const workload *best, const workload *w, cl_command_queue queue, bool *faster)
{
    static const double seconds[] = {0.15, 0.3};
    const double margin = 1.01, hopeless = 1.15;
    *faster = true;
    for (int i = 0; i < 2 && *faster; i++) {
        double ms[2];
        if (!compare(best, w, queue, seconds[i], hopeless, ms)) {
            return false;
        }
        *faster = ms[0] > margin * ms[1];
    }
    return true;
}

bool tune_confirm(const workload *usual, const workload *best, cl_command_queue queue,
                  tune_gain *gain)
{
    const double enough = 0.03;
    *gain = (tune_gain){.least = 0};
    for (int n = 0; n < COMPARISONS; n++) {
        double ms[2];
        if (!compare(usual, best, queue, 0.4, 0, ms)) {
            return false;
        }
        const double by = ms[0] / ms[1] - 1;
        gain->least = n == 0 || by < gain->least ? by : gain->least;
        for (int i = 0; i < 2; i++) {
            gain->ms[i] = n == 0 || ms[i] < gain->ms[i] ? ms[i] : gain->ms[i];
        }
    }
    gain->enough = gain->least > enough;
    return true;
}
