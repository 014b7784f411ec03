/* What is asked of attribution beside the attention itself. */
#ifndef TOOLS_ATTEND_MASS_H
#define TOOLS_ATTEND_MASS_H

#include "call.h"

/* Before outputs are bound: buffers that attention leaves what explains it in, where that is asked
 * for. */
bool attend_mass_prepare(call *c);

/* Behind it, as passes of their own, so that what was timed is what was asked for: mass, and that
 * of each cell of the heat map.  Both return false after a line that says why. */
bool attend_mass_run(const call *c, attend_results *results);

#endif /* TOOLS_ATTEND_MASS_H */
